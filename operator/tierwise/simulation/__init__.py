"""The ports of the loop, implemented in memory, and simulated rollouts."""
