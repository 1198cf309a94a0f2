"""Reports for people and programs: tables, JSON, HTML."""
