"""The rules that teams use instead, on the same counts."""
