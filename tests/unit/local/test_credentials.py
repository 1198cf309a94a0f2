"""Keys and kubeconfigs of the local control plane."""

from __future__ import annotations

import base64

import yaml

from tierwise.local.credentials import kubeconfig, signing_key, write_private


def test_a_signing_key_is_fresh_and_of_the_form_of_rfc_5915():
    one, other = signing_key(), signing_key()
    assert one != other
    lines = one.splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    der = base64.b64decode("".join(lines[1:-1]))
    # SEQUENCE of 49 bytes: version 1, 32 bytes of key, the curve's object identifier.
    assert (der[0], der[1], len(der)) == (0x30, 49, 51)
    assert der[2:5] == bytes([2, 1, 1])
    assert der.endswith(bytes.fromhex("2a8648ce3d030107"))


def test_a_kubeconfig_verifies_the_server(tmp_path):
    text = kubeconfig(name="x", server="https://127.0.0.1:6443", certificate="PEM", token="secret", namespace="ns")
    config = yaml.safe_load(text)
    cluster = config["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
    assert "insecure-skip-tls-verify" not in cluster
    assert config["contexts"][0]["context"]["namespace"] == "ns"


def test_a_private_file_is_private_also_when_it_was_not(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
