"""Many simulated rollouts, and what they say of a rule."""
