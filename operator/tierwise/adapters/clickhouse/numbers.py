"""What metrics add up is asked for its type before rows are read: else a text or an array fails in the middle."""

from __future__ import annotations

import re

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.errors import SpecError
from tierwise.monitoring.query.log.column_types import not_computed, numbers_read, require_number, type_query
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.look.decode import texts

# What ClickHouse adds to its errors: where it was, with the whole query
_FRAME = re.compile(r"^.*?DB::Exception: |[:.] (?:In scope|while executing|While processing) .*$", re.DOTALL)


def check_numbers(connection: Connection, log: Log) -> None:
    """Refuse numbers of the dataset's reads that are none.

    Raises:
        Refused: DatasetInvalid, naming the field, its type and what to write.
    """
    for number in numbers_read(log):
        try:
            described = connection.query(type_query(log, number))
        except SpecError as error:
            raise not_computed(log, number, _FRAME.sub("", error.message), error.reason) from None
        require_number(log, number, texts(described.column("type"))[0])
