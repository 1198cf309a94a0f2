"""The Fleet port against a kube-apiserver."""
