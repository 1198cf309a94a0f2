"""Commands that run something: the operator, a demo, a local cluster, a store."""
