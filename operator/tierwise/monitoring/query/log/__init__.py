"""A dataset's columns, labels, rows and times as SQL."""
