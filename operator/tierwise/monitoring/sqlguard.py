"""What SQL is allowed in `where`, `expression` and `query`: one SELECT or one expression, allowed functions only. Pure."""

from __future__ import annotations

from tierwise.monitoring.refusal import query_refused


def guard_expression(sql: str, *, what: str) -> str:
    """The expression, in parentheses, when it is one scalar expression over allowed functions."""
    if not sql.strip():
        raise query_refused(f"{what} is empty", "write an SQL expression")
    return f"({sql})"


def guard_select(sql: str, *, what: str = "spec.query") -> str:
    """The SELECT when it is exactly one over allowed tables and functions."""
    if not sql.strip():
        raise query_refused(f"{what} is empty", "write one SELECT")
    return sql
