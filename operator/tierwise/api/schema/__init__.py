"""Makes CRDs and reference pages from the models, and does the API server's checks offline."""
