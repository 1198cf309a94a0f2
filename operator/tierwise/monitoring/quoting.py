"""Names of tables and columns as SQL. Pure."""

from __future__ import annotations

from tierwise.api.names import Reason
from tierwise.monitoring.refusal import Refused


def quote(identifier: str) -> str:
    """An identifier as SQL."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def table_sql(table: str) -> str:
    """TABLE or DATABASE.TABLE, quoted.

    Raises:
        Refused: it is no such name, or a table of the database itself.
    """
    parts = table.split(".")
    if len(parts) > 2 or not all(parts):
        raise Refused(f"table {table!r} is not a name", "give TABLE or DATABASE.TABLE")
    if parts[0].lower() in ("system", "information_schema"):
        raise Refused(f"table {table!r} is not a prediction log", "name your own table", reason=Reason.QUERY_REFUSED)
    return ".".join(quote(part) for part in parts)
