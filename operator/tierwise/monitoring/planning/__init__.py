"""Fixes the plan before the first block: slices, margins, weights, power. Also makes forecasts from a plan."""
