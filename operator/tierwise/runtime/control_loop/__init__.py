"""The loop: which object is due, which process leads, and one tick of observe, decide, act."""
