"""The operator's settings. They come from flags or TIERWISE_… variables (cli/commands/run/operator.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tierwise.runtime.control_loop.leadership import LeaseTimes


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How one operator process runs. Times are in seconds. Never print all of it: `store` may hold a password."""

    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()  # empty: all
    store: str | None = field(default=None, repr=False)
    health_port: int | None = None
    metrics_port: int | None = None
    bind_address: str = "127.0.0.1"
    safety_seconds: float = 5.0  # a block is mature this long after its label delay
    workers: int = 8
    resync_seconds: float = 600.0
    overdue_seconds: float = 180.0  # a tick this late makes the liveness probe fail
    request_timeout_seconds: float = 10.0
    leader_elect: bool = True
    lease_name: str = "tierwise-operator"
    lease_namespace: str = "default"
    lease_times: LeaseTimes = field(default_factory=LeaseTimes)
