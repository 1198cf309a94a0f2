"""The fold of blocks into e-values."""
