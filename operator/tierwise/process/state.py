"""What the probes say of the process; written by the main thread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ProcessState:
    """`waiting_for_lease`: another process leads. `watching`: the caches are filled and the watches run."""

    waiting_for_lease: bool = False
    watching: bool = False
