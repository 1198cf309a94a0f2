"""The arrays of one look: rows by block, slice, arm, label and prediction, and what is computed of them."""
