"""The rules of other tools, on the same counts."""
