"""What SQL people may write."""
