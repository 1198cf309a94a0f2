"""From the models to CRDs and reference pages, and the API server's checks made offline."""
