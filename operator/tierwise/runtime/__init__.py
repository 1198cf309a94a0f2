"""The loop of the operator: observe, decide, act, write the status once, emit Events."""
