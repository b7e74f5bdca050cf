"""Everything that touches a hub or a package index: what is there, and fetching it whole."""
