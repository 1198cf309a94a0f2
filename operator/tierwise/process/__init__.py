"""The operator's process: it builds the parts, and has the leadership, the probes and the check of the cluster."""

from tierwise.process.operator import run_operator as run_operator
