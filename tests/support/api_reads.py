"""Reads of the API server without kubectl: a poll costs a request, not the start of a program."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.paths import path_of

_NAMES = {
    "modeldeployments": ("mdep", "modeldeployment"),
    "modelrollouts": ("mro", "modelrollout"),
    "monitoringdatasets": ("mds", "monitoringdataset"),
    "deployments": ("deployment",),
    "statefulsets": ("statefulset",),
    "daemonsets": ("daemonset",),
    "replicasets": ("replicaset",),
    "pods": ("pod",),
    "events": ("event",),
    "leases": ("lease",),
}
_PLURALS = {name: plural for plural, names in _NAMES.items() for name in (plural, *names)}


def find(kubeconfig: Path, namespace: str, *arguments: str) -> Any:
    """What `kubectl get ARGUMENTS -o json` says; None for arguments that only kubectl understands.

    Known are `KIND`, `KIND NAME` and `KIND -l SELECTOR` in a namespace.

    Raises:
        ClusterError: there is no such object, or the API server does not answer.
    """
    plural = _PLURALS.get(arguments[0].lower())
    if not namespace or plural is None:
        return None
    match arguments[1:]:
        case ():
            return _client(kubeconfig).get(path_of(plural, namespace))
        case ("-l", selector):
            return _client(kubeconfig).get(path_of(plural, namespace), labelSelector=selector)
        case (name,) if not name.startswith("-"):
            return _client(kubeconfig).get(path_of(plural, namespace, name))
    return None


def _client(kubeconfig: Path) -> Client:
    return _connected(str(kubeconfig), kubeconfig.stat().st_mtime_ns)


@functools.cache
def _connected(kubeconfig: str, written: int) -> Client:
    """One client for each kubeconfig as it was `written`."""
    return connect(kubeconfig)
