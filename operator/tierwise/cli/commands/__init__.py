"""One file per command; the folder is the group of the help text."""
