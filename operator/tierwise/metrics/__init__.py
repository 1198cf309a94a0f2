"""What is measured of a model: proportions computed from counts by label and answer. Plain arrays in and out."""
