"""The message about rows that `deduplicate` leaves out. Pure."""

from __future__ import annotations

from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.query.quality.repeated_requests import Dropped
from tierwise.plurals import plural


def left_out(found: Dropped) -> str:
    """A message with the number of rows that are left out, and what to do."""
    shares = [lost / rows if rows else 0.0 for lost, rows in zip(found.dropped, found.rows, strict=True)]
    told = (
        f"deduplicate leaves out {found.dropped[CANDIDATE]} of the candidate's rows ({shares[CANDIDATE]:.2%}) and "
        f"{found.dropped[BASELINE]} of the baseline's ({shares[BASELINE]:.2%}), which repeat a request"
    )
    if found.placeholder is not None:
        return (
            f"{told}; the request id {found.placeholder!r} alone is on {plural(found.most, 'row')} of one version: "
            "write an id of its own for each request, or null where there is none"
        )
    return f"{told}; check that each request has an id of its own and is written once"
