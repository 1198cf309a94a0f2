"""Statistical tests that stay valid with any number of looks. Arrays in, arrays out; no Kubernetes, SQL or models."""
