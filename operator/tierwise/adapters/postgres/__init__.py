"""Labels from PostgreSQL."""
