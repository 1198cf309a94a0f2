"""Names of tables and columns as SQL. Pure."""

from __future__ import annotations

import re

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError

# Names that queries use for computed columns. A column of the log with such a name would be confused with them.
_RESERVED = re.compile(r"tierwise_(arm|answer|bin|cell|pod|request|w|[dlx]\d+)")


def is_reserved(name: str) -> bool:
    """Whether queries use the name for a computed column."""
    return _RESERVED.fullmatch(name) is not None


def quote(identifier: str) -> str:
    """An identifier as SQL."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def table_sql(table: str) -> str:
    """TABLE or DATABASE.TABLE, quoted.

    Raises:
        RefusedError: it is not such a name, or it is a system table.
    """
    parts = table.split(".")
    if len(parts) > 2 or not all(parts):
        raise RefusedError(f"table {table!r} is not a name", "give TABLE or DATABASE.TABLE")
    if parts[0].lower() in ("system", "information_schema"):
        raise RefusedError(
            f"table {table!r} is not a prediction log", "name your own table", reason=Reason.QUERY_REFUSED
        )
    return ".".join(quote(part) for part in parts)
