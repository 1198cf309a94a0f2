"""Complaints about manifests name the key and the line."""

from __future__ import annotations

import pytest

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.manifests.yaml_lines import ManifestError, load_documents, load_one, parse_spec

DATASET = """\
apiVersion: tierwise.io/v1alpha1
kind: MonitoringDataset
metadata: {name: humans}
spec:
  table: requests
  threshold: high
  scale:
    bins: 1
  dimensions:
    - {name: browser, expression: browser}
    - name: asn_type
      expresion: asn
"""


def write(tmp_path, text):
    path = tmp_path / "mds.yaml"
    path.write_text(text)
    return path


def test_every_problem_has_its_key_and_line(tmp_path):
    path = write(tmp_path, DATASET)
    with pytest.raises(ManifestError) as caught:
        parse_spec(load_one(path, "MonitoringDataset"), MonitoringDatasetSpec)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (6, "spec.threshold"),
        (8, "spec.scale.bins"),
        (11, "spec.dimensions[1].expression"),
        (12, "spec.dimensions[1].expresion"),
    ]
    assert str(caught.value.problems[0]).startswith(f"{path}:6: spec.threshold: 'high'")
    assert "is missing" in caught.value.problems[2].message
    assert "not a known field" in caught.value.problems[3].message


def test_a_number_where_text_belongs_asks_for_quotes(tmp_path):
    path = write(tmp_path, DATASET.replace("table: requests", "table: 20260301"))
    with pytest.raises(ManifestError, match=r":5: spec.table: 20260301 is a number, not text; quote it"):
        parse_spec(load_one(path, "MonitoringDataset"), MonitoringDatasetSpec)


def test_duplicate_keys_are_refused(tmp_path):
    path = write(tmp_path, DATASET.replace("  threshold: high", "  table: other"))
    with pytest.raises(ManifestError, match=r":6: spec.table: is given twice \(first at line 5\)"):
        load_one(path, "MonitoringDataset")


def test_broken_yaml_says_where(tmp_path):
    with pytest.raises(ManifestError, match=r"mds.yaml:2: not YAML"):
        load_documents(write(tmp_path, "a: [1\nb: 2\n"))


def test_a_file_without_the_kind_says_what_it_holds(tmp_path):
    path = write(tmp_path, "kind: Pod\n---\nkind: Service\n")
    with pytest.raises(ManifestError, match=r"expected one MonitoringDataset, found 0 \(the file holds Pod, Service\)"):
        load_one(path, "MonitoringDataset")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{k}: &{k} [{','.join([f'*{j}'] * 10)}]\n" for j, k in
         zip("abcdefgh", "bcdefghi", strict=True)), "more than 100000 keys and items"),
        ("a: &a\n  b: *a\n", ":1: a.b: holds itself"),
        ("[" * 5000 + "]" * 5000, "nested too deep"),
        ("a: 1\nb: 2026-13-45\n", "cannot be read: month must be in 1..12"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: \x00b", ":1: not YAML"),
        ("!!python/object/apply:os.system ['id']", ":1: not YAML"),
        ("{? [a, b] : c}", ":1: not YAML"),
    ],
)  # fmt: skip
def test_yaml_that_no_manifest_needs_is_told_at_once(tmp_path, text, complaint):
    with pytest.raises(ManifestError) as caught:
        load_documents(write(tmp_path, text))
    assert complaint in str(caught.value)


def test_what_is_no_text_is_told(tmp_path):
    path = tmp_path / "mds.yaml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ManifestError, match="is not text in UTF-8"):
        load_one(path, "MonitoringDataset")
