"""One look at a tier."""
