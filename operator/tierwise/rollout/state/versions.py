"""Compares versions, identifies rejected ones, and finds the version that a pod template runs."""

from __future__ import annotations

import hashlib
import json

from tierwise.api.common import Version
from tierwise.rollout.state.observation import Running


def is_same(first: Version, second: Version) -> bool:
    """Whether the two versions need no rollout between them.

    The commit is only provenance. Digests are compared only if both versions have one.
    """
    digests = {version.digest for version in (first, second)} - {None}
    return (
        first.name == second.name
        and first.image == second.image
        and first.parameters == second.parameters
        and len(digests) <= 1
    )


def identity_of(version: Version) -> str:
    """The identity of a rejected version: its digest, else a hash of image and parameters.

    The name is not part of it, because the same weights may get a new name.
    """
    if version.digest:
        return version.digest
    text = json.dumps([version.image, sorted(version.parameters.items())])
    return "config:" + hashlib.sha256(text.encode()).hexdigest()[:32]


def is_running(running: Running | None, version: Version) -> bool:
    """Whether a container has the version's image and every one of its parameters."""
    if running is None or (version.image is not None and running.image != version.image):
        return False
    return all(running.environment.get(key) == value for key, value in version.parameters.items())


def captured(running: Running, wanted: Version) -> Version:
    """What runs now, in the fields that `wanted` will overwrite, so that it can be restored."""
    parameters = {key: running.environment[key] for key in wanted.parameters if key in running.environment}
    image = running.image if wanted.image is not None else None
    digest = hashlib.sha256(json.dumps([image, sorted(parameters.items())]).encode()).hexdigest()[:8]
    return Version(name=f"captured-{digest}", image=image, parameters=parameters)


def difference(running: Running | None, version: Version) -> str:
    """How the running version differs. It names parameters only, because their values may be private."""
    if running is None:
        return "the container is missing"
    parts = []
    if version.image is not None and running.image != version.image:
        parts.append(f"image {running.image} instead of {version.image}")
    parts += [
        f"parameter {key} differs"
        for key, value in sorted(version.parameters.items())
        if running.environment.get(key) != value
    ]
    return ", ".join(parts) or "nothing"
