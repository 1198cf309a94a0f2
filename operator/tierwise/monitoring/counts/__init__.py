"""The arrays of one look: rows by block, slice, arm, label and answer, and what is computed from them."""
