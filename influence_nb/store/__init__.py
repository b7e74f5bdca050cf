"""Models on this machine, and the one SQLite file that remembers things about them."""
