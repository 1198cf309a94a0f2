"""The loop: which object is due, who leads, and one tick of observe, decide, act."""
