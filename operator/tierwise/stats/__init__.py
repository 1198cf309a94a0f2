"""Statistics: numpy arrays in, arrays out. Knows no Kubernetes, SQL or model."""
