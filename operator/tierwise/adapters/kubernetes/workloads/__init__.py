"""The kinds of workload that a tier may hold: one file per kind, behind one protocol."""
