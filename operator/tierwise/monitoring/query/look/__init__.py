"""One look's queries, and its answers decoded."""
