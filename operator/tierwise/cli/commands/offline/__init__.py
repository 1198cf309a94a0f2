"""Commands that judge, plan or check without a cluster."""
