"""One look's queries, and their results decoded."""
