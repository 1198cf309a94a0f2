"""The operator's process: its parts put together, leadership, probes, and the check of the cluster it serves."""

from tierwise.process.operator import run_operator as run_operator
