"""Starts etcd, the API server, controller-manager, scheduler and kwok on free ports of the loopback interface."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tierwise.errors import LocalClusterError
from tierwise.local.components import STAGES, Components
from tierwise.local.credentials import kubeconfig, signing_key, write_private
from tierwise.local.processes import spawn
from tierwise.local.state import State, folder_of, save

READY_SECONDS = 120.0
POLL_SECONDS = 0.1
NODE = "simulated"
SERVICE_CIDR = "10.96.0.0/16"

# With the default of 20 requests a second a thousand pods take minutes.
_RATES = ("--kube-api-qps=500", "--kube-api-burst=1000")


class ComponentEndedError(LocalClusterError):
    """A component ended during the start. `port_taken`: another process took its port meanwhile."""

    def __init__(self, message: str, remedy: str, *, port_taken: bool) -> None:
        super().__init__(message, remedy)
        self.port_taken = port_taken


class Starter:
    """One start of one cluster. Every process is recorded at once, so that it can be ended whatever happens next."""

    def __init__(self, state: State, components: Components) -> None:
        self.state = state
        self.folder = folder_of(state.name)
        self._components = components
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._kubectl = components.path("kubectl")

    def run(self) -> State:
        """Starts every component; returns when the node is ready and ServiceAccounts are made.

        Raises:
            ComponentEndedError: a component ended; the message has the last line of its log.
            LocalClusterError: not ready within two minutes.
        """
        self._prepare()
        etcd, peer, server = free_ports(3)
        self.state = replace(
            self.state,
            source=self._components.source,
            kubectl=str(self._kubectl),
            server=f"https://127.0.0.1:{server}",
        )
        self._start_etcd(etcd, peer)
        self._start_apiserver(etcd, server)
        self._start_the_rest()
        return self.state

    def _prepare(self) -> None:
        """Writes the folder's fixed content: keys, tokens, kwok's stages. Existing files stay."""
        for name in ("etcd", "logs", "certificates"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / "serviceaccount.key").exists():
            write_private(self.folder / "serviceaccount.key", signing_key())
        if not (self.folder / "tokens.csv").exists():
            write_private(self.folder / "tokens.csv", f'{secrets.token_urlsafe(32)},admin,admin,"system:masters"\n')
        shutil.copyfile(STAGES, self.folder / "stages.yaml")

    def _start_etcd(self, port: int, peer: int) -> None:
        client, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        # fsync takes most of the time and only protects against a power cut, which does not matter here.
        self._spawn(
            "etcd",
            "--name=local",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=local={peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        # Start our etcd first: the API server would use the etcd of another cluster if it found one at the address.
        self._wait("etcd answers", lambda: _get(f"{client}/health", None))

    def _start_apiserver(self, etcd: int, port: int) -> None:
        key = self.folder / "serviceaccount.key"
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self.folder / 'certificates'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
            "--profiling=false",
        )
        certificate = self.folder / "certificates" / "apiserver.crt"
        self._wait("the API server is ready", lambda: _get(f"{self.state.server}/readyz", certificate))
        token = (self.folder / "tokens.csv").read_text().partition(",")[0]
        write_private(
            self.folder / "kubeconfig",
            kubeconfig(
                name=f"tierwise-{self.state.name}",
                server=self.state.server,
                certificate=certificate.read_text(),
                token=token,
            ),
        )

    def _start_the_rest(self) -> None:
        config = self.folder / "kubeconfig"
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--service-account-private-key-file={self.folder / 'serviceaccount.key'}",
            f"--root-ca-file={self.folder / 'certificates' / 'apiserver.crt'}",
            "--controllers=*",
            "--leader-elect=false",
            "--node-monitor-grace-period=1h",
            "--secure-port=0",
            # The default is a system folder, which the program would create.
            f"--flex-volume-plugin-dir={self.folder / 'flexvolume'}",
            *_RATES,
        )
        self._spawn("kube-scheduler", f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0", *_RATES)
        self._spawn(
            "kwok",
            f"--kubeconfig={config}",
            "--manage-all-nodes=true",
            f"--config={self.folder / 'stages.yaml'}",
            "--node-ip=10.0.0.1",
            "--cidr=10.244.0.0/16",
        )
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux", "type": "kwok"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}}
        self._run_kubectl("apply", "-f", "-", text=json.dumps(node))
        self._wait("the simulated node is ready", self._node_is_ready)
        self._wait("ServiceAccounts are made", lambda: self._kubectl_ok("get", "serviceaccount", "default"))

    def _node_is_ready(self) -> bool:
        wanted = '{.status.conditions[?(@.type=="Ready")].status} {.spec.taints}'
        out = self._run_kubectl("get", "node", NODE, "-o", f"jsonpath={wanted}", check=False)
        return out.strip() == "True"

    def _kubectl_ok(self, *arguments: str) -> bool:
        return bool(self._run_kubectl(*arguments, "-o", "name", check=False))

    def _run_kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        result = subprocess.run(
            [self._kubectl, f"--kubeconfig={self.folder / 'kubeconfig'}", "--request-timeout=20s", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode != 0:
            raise LocalClusterError(f"kubectl {' '.join(arguments)} failed: {result.stderr.strip()}")
        return result.stdout if result.returncode == 0 else ""

    def _spawn(self, name: str, *arguments: str) -> None:
        log = self.folder / "logs" / f"{name}.log"
        command: Sequence[str] = [str(self._components.path(name)), *arguments]
        process, self._children[name] = spawn(name, command, cwd=self.folder, log=log)
        self.state = self.state.with_process(process)
        save(self.state)

    def _wait(self, what: str, is_true: Callable[[], bool]) -> None:
        """Polls until `is_true`; ends at once when a component has ended."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_true():
            for name, child in self._children.items():
                if child.poll() is not None:
                    log = self.folder / "logs" / f"{name}.log"
                    text = log.read_text(errors="replace")
                    last = text.strip().rpartition("\n")[2][:300]
                    raise ComponentEndedError(
                        f"cluster '{self.state.name}': {name} ended with exit code {child.returncode}: {last}",
                        f"see {log}",
                        port_taken="address already in use" in text[-5000:],
                    )
            if time.monotonic() > deadline:
                raise LocalClusterError(
                    f"cluster '{self.state.name}': not true within {READY_SECONDS:.0f} s: {what}",
                    f"see the logs in {self.folder / 'logs'}; is the machine very busy?",
                )
            time.sleep(POLL_SECONDS)


def free_ports(count: int) -> tuple[int, ...]:
    """This many different ports of the loopback interface that are free now. Another process may still take one."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(int(each.getsockname()[1]) for each in sockets)
    for each in sockets:
        each.close()
    return ports


def is_ready(server: str, certificate: Path) -> bool:
    """Whether the API server says it is ready (checked against its own certificate)."""
    return _get(f"{server}/readyz", certificate)


def _get(url: str, certificate: Path | None) -> bool:
    """Whether a GET returns 200, without a proxy and within two seconds."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if certificate is not None:
        if not certificate.exists():
            return False
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(certificate))))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ssl.SSLError):
        return False
