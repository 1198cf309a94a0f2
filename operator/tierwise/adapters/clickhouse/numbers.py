"""Checks the types of the numbers that metrics add up, before rows are read. Otherwise a look would fail later."""

from __future__ import annotations

import re

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.errors import SpecError
from tierwise.monitoring.query.log.column_types import not_computed, numbers_read, require_number, type_query
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.look.decode import texts

# ClickHouse adds the position and the whole query to its errors.
_FRAME = re.compile(r"^.*?DB::Exception: |[:.] (?:In scope|while executing|While processing) .*$", re.DOTALL)


def check_numbers(connection: Connection, log: Log) -> None:
    """Refuse a dataset in which a number that metrics read is not a number.

    Raises:
        RefusedError: DatasetInvalid; it names the field, its type and what to write.
    """
    for number in numbers_read(log):
        try:
            described = connection.query(type_query(log, number))
        except SpecError as error:
            raise not_computed(log, number, _FRAME.sub("", error.message), error.reason) from None
        require_number(log, number, texts(described.column("type"))[0])
