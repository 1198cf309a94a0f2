"""The output of commands: formats, consoles, progress, logs."""
