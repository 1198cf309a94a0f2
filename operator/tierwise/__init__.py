"""Tierwise: staged rollout of machine-learning models on Kubernetes, judged slice by slice."""

__version__ = "0.2.0"
