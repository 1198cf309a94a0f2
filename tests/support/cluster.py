"""Handles of the session's control plane: kubectl with the right kubeconfig, and kubeconfigs of restricted users."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.api_reads import find
from tierwise.errors import ClusterError


class KubectlError(AssertionError):
    """kubectl ended with an error; the text is what it said."""

    def __init__(self, arguments: Sequence[str], stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {stderr.strip()}")
        self.stderr = stderr


@dataclass(frozen=True)
class Kubectl:
    """Runs the control plane's own kubectl in one namespace; `namespace=""` for cluster-wide objects."""

    executable: Path
    kubeconfig: Path
    namespace: str = ""

    def __call__(self, *arguments: str, text: str | None = None, timeout: float = 60) -> str:
        """stdout of kubectl.

        Raises:
            KubectlError: kubectl's exit code was not 0.
        """
        where = ["--namespace", self.namespace] if self.namespace else []
        result = subprocess.run(
            [self.executable, "--kubeconfig", self.kubeconfig, *where, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if result.returncode != 0:
            raise KubectlError(arguments, result.stderr)
        return result.stdout

    def get(self, *arguments: str) -> Any:
        """What `kubectl get … -o json` says, parsed. Tests poll with it, so simple reads start no process.

        Raises:
            KubectlError: there is no such object, or no answer.
        """
        try:
            found = find(self.kubeconfig, self.namespace, *arguments)
        except ClusterError as error:
            raise KubectlError(("get", *arguments), str(error)) from error
        return json.loads(self("get", *arguments, "-o", "json")) if found is None else found

    def apply(self, *objects: dict[str, Any] | str, arguments: Sequence[str] = ()) -> str:
        """Applies objects given as values or as YAML text."""
        documents = [each if isinstance(each, str) else yaml.safe_dump(each) for each in objects]
        return self("apply", "-f", "-", *arguments, text="\n---\n".join(documents))

    def accepts(self, *objects: dict[str, Any] | str) -> str | None:
        """None when the API server would accept the objects (strict, nothing written), else its message."""
        try:
            self.apply(*objects, arguments=("--dry-run=server", "--validate=strict"))
        except KubectlError as refused:
            return refused.stderr
        return None

    def inside(self, namespace: str) -> Kubectl:
        """The same user in another namespace."""
        return Kubectl(self.executable, self.kubeconfig, namespace)

    def as_service_account(self, name: str, folder: Path) -> Kubectl:
        """The same namespace with the rights of a ServiceAccount of it: a kubeconfig with a token of one hour."""
        token = self("create", "token", name, "--duration=1h").strip()
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        config["contexts"][0]["context"]["namespace"] = self.namespace
        path = folder / f"{self.namespace}-{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return Kubectl(self.executable, path, self.namespace)
