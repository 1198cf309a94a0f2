"""When two versions are the same, how one is remembered, and whether a pod template runs one."""

from __future__ import annotations

import hashlib
import json

from tierwise.api.common import Version
from tierwise.rollout.state.observation import Running


def is_same(first: Version, second: Version) -> bool:
    """Whether nothing has to be rolled out between the two.

    The commit is provenance only, and a digest that one of them does not state says nothing.
    """
    digests = {version.digest for version in (first, second)} - {None}
    return (
        first.name == second.name
        and first.image == second.image
        and first.parameters == second.parameters
        and len(digests) <= 1
    )


def identity_of(version: Version) -> str:
    """What a rolled-back version is remembered by: its digest, else a hash of image and parameters.

    The name is not part of it: the same weights under a new name are the same weights.
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
    """What runs now, in the fields that `wanted` will overwrite: enough to come back to it."""
    parameters = {key: running.environment[key] for key in wanted.parameters if key in running.environment}
    image = running.image if wanted.image is not None else None
    digest = hashlib.sha256(json.dumps([image, sorted(parameters.items())]).encode()).hexdigest()[:8]
    return Version(name=f"captured-{digest}", image=image, parameters=parameters)


def difference(running: Running | None, version: Version) -> str:
    """How what runs differs from the version; names of parameters only, as their values may be private."""
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
