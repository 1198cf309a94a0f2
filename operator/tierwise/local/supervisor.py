"""Stops a cluster when the process that owns it has ended, also if that process was killed."""

from __future__ import annotations

import sys
import time

from tierwise.local.cluster import down
from tierwise.local.processes import Process

POLL_SECONDS = 0.25


def main(arguments: list[str]) -> None:
    """Waits for the end of the owner, which is given by its id and start time. Then it ends the cluster."""
    name, pid, since = arguments
    owner = Process("owner", int(pid), since)
    while owner.is_alive():
        time.sleep(POLL_SECONDS)
    down(name)


if __name__ == "__main__":
    main(sys.argv[1:])
