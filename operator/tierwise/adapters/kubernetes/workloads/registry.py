"""Every kind of workload that a tier may be made of, by its name in `tiers[].workloads.kind`."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.adapters.kubernetes.workloads.base import Workload
from tierwise.adapters.kubernetes.workloads.daemonset import DAEMON_SET
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.statefulset import STATEFUL_SET

WORKLOADS: Mapping[str, Workload] = {workload.kind: workload for workload in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
