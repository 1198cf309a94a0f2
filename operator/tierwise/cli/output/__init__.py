"""How commands print: formats, consoles, progress, logs."""
