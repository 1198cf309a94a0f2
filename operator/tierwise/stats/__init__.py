"""Arrays in, arrays out: tests that stay valid however often they are looked at. Knows no Kubernetes, SQL or model."""
