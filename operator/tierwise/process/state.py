"""The state of the process for the probes. The main thread writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ProcessState:
    """`waiting_for_lease`: another process leads. `watching`: the caches are filled and the watches run."""

    waiting_for_lease: bool = False
    watching: bool = False
