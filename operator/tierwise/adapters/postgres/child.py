"""A separate process that reads labels from PostgreSQL with the embedded engine and writes them to stdout.

It is a separate process for three reasons. The engine can have only one path per process. Its time zone is that of the
process, and times are only right if it and PostgreSQL's session are in UTC. And an error of the driver cannot end the
caller. The request comes on stdin, so that a password is in no argument list.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any, BinaryIO

SQL = (
    "SELECT toString({key}) AS request_id, toString({label}) AS label, "
    "toDateTime64({labelled_at}, 6, 'UTC') AS labelled_at "
    "FROM postgresql({{address:String}}, {{database:String}}, {{table:String}}, {{user:String}}, {{password:String}}, "
    "{{schema:String}}) "
    "WHERE isNotNull({key}) AND isNotNull({label}) AND isNotNull({labelled_at}){where}"
)


def main(requests: BinaryIO, answers: BinaryIO) -> int:
    """Write Arrow streams, each after its length in eight bytes. On failure print one line on stderr and return 1."""
    import chdb

    request: dict[str, Any] = json.load(requests)
    engine = chdb.connect(":memory:")  # type: ignore[no-untyped-call, unused-ignore]
    try:
        for chunk in engine.send_query(request["sql"], "ArrowStream", params=request["parameters"]):
            body: bytes = chunk.bytes()
            answers.write(struct.pack(">Q", len(body)) + body)
        answers.flush()
    except Exception as error:  # noqa: BLE001  # the engine's errors have no common class across releases
        print(" ".join(str(error).split())[:2000], file=sys.stderr)
        return 1
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
