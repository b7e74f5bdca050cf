"""Our figures beside the peers', each pair measured in one run; see README.md."""
