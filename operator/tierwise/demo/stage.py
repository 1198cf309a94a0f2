"""How the demo is shown: a live tree on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.live import Live

from tierwise.demo.story import Seen
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import View

HEARTBEAT_SECONDS = 10.0


class ConsoleStage:
    """Prints; on a terminal the tree is drawn again in place."""

    def __init__(self, console: Console, explain: Callable[[View], None]) -> None:
        self._console = console
        self._explain = explain
        self._live: Live | None = None
        self._began = time.monotonic()
        self._last: tuple[object, ...] = ()
        self._told: datetime | None = None

    def say(self, line: str) -> None:
        """One line, with the seconds since the demo began."""
        self._console.print(f"[dim]{time.monotonic() - self._began:5.0f} s[/dim]  {line}", highlight=False)

    def chapter(self, title: str, *lines: str) -> None:
        """Something new begins."""
        self.close()
        self._console.print()
        self._console.rule(f"[bold]{title}", align="left")
        for line in lines:
            self._console.print(line, highlight=False)

    def show(self, seen: Seen) -> None:
        """The tree as it is now, or what changed in it."""
        if self._console.is_terminal:
            tree = render_view(seen.view)
            if self._live is None:
                self._live = Live(tree, console=self._console, refresh_per_second=4, transient=True)
                self._live.start()
            self._live.update(tree)
            return
        view = seen.view
        gates = tuple(t.record.gate.reason if t.record and t.record.gate else None for t in view.tiers)
        now = (view.result, view.stable, tuple((t.status, t.versions) for t in view.tiers), gates)
        late = self._told is None or (seen.now - self._told).total_seconds() >= HEARTBEAT_SECONDS
        if now == self._last and not (late and view.in_flight):
            return
        self._last, self._told = now, seen.now
        tiers = "  ".join(f"{t.name} {t.status} {'+'.join(t.versions)}" for t in view.tiers)
        evidence = next((t.evidence for t in view.tiers if t.status in ("Probing", "Judging") and t.evidence), "")
        self.say(f"{view.result:<12} {tiers}  {evidence}".rstrip())

    def end(self, seen: Seen) -> None:
        """The chapter's last tree, to stay."""
        self.close()
        self._console.print(render_view(seen.view))

    def explain(self, seen: Seen) -> None:
        """Why it ended so."""
        self._explain(seen.view)

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None
