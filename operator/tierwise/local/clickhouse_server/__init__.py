"""ClickHouse's HTTP protocol over one embedded engine."""
