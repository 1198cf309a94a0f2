"""An analysis as table and JSON."""
