"""The queries of one look, and the decoding of their results."""
