"""Developers' tools that `make` calls: generated files and checks of the docs. Not part of the command line."""
