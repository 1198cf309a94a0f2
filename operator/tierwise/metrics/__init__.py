"""The metrics of a model, computed from counts, sums and distributions. Plain arrays in and out."""
