"""Keys, tokens and kubeconfigs of a local control plane."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import yaml

# A private key of the curve P-256 in SEC 1's DER form is fixed bytes around 32 random ones (RFC 5915); the public key
# is optional there and computed by the reader. So no cryptography package is needed.
_EC_HEAD = bytes.fromhex("30310201010420")
_EC_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def signing_key() -> str:
    """A new P-256 private key as PEM: signs the tokens of ServiceAccounts."""
    scalar = secrets.randbelow(_P256_ORDER - 1) + 1
    der = _EC_HEAD + scalar.to_bytes(32, "big") + _EC_TAIL
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN EC PRIVATE KEY-----\n{lines}\n-----END EC PRIVATE KEY-----\n"


def kubeconfig(*, name: str, server: str, certificate: str, token: str, namespace: str = "default") -> str:
    """A kubeconfig with one context; `certificate` is the PEM of whoever signed the API server's certificate."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": base64.b64encode(certificate.encode()).decode(),
                    },
                }
            ],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
            "current-context": name,
        },
        sort_keys=False,
    )
