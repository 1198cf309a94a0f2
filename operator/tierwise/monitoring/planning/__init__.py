"""What is fixed before the first block: slices, margins, weights, power; and forecasts made of it."""
