"""The shell's one loop: observe, decide, act, write status once, emit events."""
