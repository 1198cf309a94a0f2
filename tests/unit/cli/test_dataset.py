"""`tierwise dataset import`: what describes a dataset becomes a manifest that lint accepts; what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result

from tierwise.adapters.files.index_column import header_with_index
from tierwise.cli.commands.offline.dataset import command
from tierwise.cli.manifests.checks import check_files
from tierwise.errors import SpecError

OWN = """
name: Bot score, validation
table: ml.validation
columns: {predicted_at: timestamp, model_version: string, is_bot: int8, bot_score: float, browser: string,
          asnType: string}
label: is_bot
score: bot_score
time: predicted_at
slices: [browser, asnType]
threshold: 0.7
thresholds: {recall: 0.9}
where: "split = 'validation'"
"""

# Under 1 KB, of a billion values.
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

README = """---
license: apache-2.0
dataset_info:
  features:
    - name: text
      dtype: string
    - name: language
      dtype: string
    - name: is_short
      dtype: bool
    - name: label
      dtype:
        class_label:
          names: {'0': world, '1': sports, '2': business}
---
# News
"""


def imported(path: Path, *more: str) -> Result:
    return CliRunner().invoke(command, ["import", str(path), *more], catch_exceptions=False)


def manifest(path: Path, *more: str) -> dict[str, Any]:
    done = imported(path, *more)
    assert done.exit_code == 0, done.output
    written = path.parent / "made.yaml"
    written.write_text(done.stdout)
    problems, _ = check_files([written])
    assert problems == []
    return yaml.safe_load(done.stdout)


def test_a_description_of_our_own_becomes_a_dataset(tmp_path: Path):
    (tmp_path / "set.yaml").write_text(OWN)
    made = manifest(tmp_path / "set.yaml")
    assert made["metadata"]["name"] == "bot-score-validation"
    assert made["spec"] == {
        "table": "ml.validation",
        "columns": {
            "time": "predicted_at",
            "model": "",
            "version": "model_version",
            "tier": "",
            "score": "bot_score",
            "label": "is_bot",
        },
        "where": "split = 'validation'",
        "threshold": 0.7,
        "dimensions": [
            {"name": "browser", "expression": "browser"},
            {"name": "asn_type", "expression": "asnType"},
        ],
        "thresholds": [{"metric": "recall", "threshold": 0.9}],
    }


def test_a_dataset_of_numbers_says_so(tmp_path: Path):
    (tmp_path / "delays.yaml").write_text(
        "columns: [delay, predicted]\nlabel: delay\nscore: predicted\ntarget: Number\ndomain: {min: -60, max: 900}\n"
    )
    spec = manifest(tmp_path / "delays.yaml")["spec"]
    assert (spec["target"], spec["domain"]) == ("Number", {"min": -60, "max": 900})


def test_features_of_hugging_face_become_classes_and_dimensions(tmp_path: Path):
    (tmp_path / "README.md").write_text(README)
    made = manifest(tmp_path / "README.md", "--name", "News", "--slice", "language", "--slice", "is_short")
    assert made["metadata"]["name"] == "news"
    assert made["spec"]["scale"] == {"kind": "Classes"}
    assert made["spec"]["classes"] == ["0", "1", "2"]
    assert [item["name"] for item in made["spec"]["dimensions"]] == ["language", "is_short"]
    done = imported(tmp_path / "README.md")
    assert "note: classes are numbers: 0 is 'world', 1 is 'sports', 2 is 'business'" in done.stderr
    assert (
        "note: not sliced by text, language: it cannot be told how many values there are; give --slice" in done.stderr
    )
    assert "note: there are no predictions in it; write each version's to column score of" in done.stderr


def test_dataset_info_of_two_classes_is_a_score_and_a_label(tmp_path: Path):
    features = {
        "sentence": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["negative", "positive"], "_type": "ClassLabel"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps({"dataset_name": "sst2", "features": features}))
    made = manifest(tmp_path / "dataset_info.json", "-o", "json")
    assert made["metadata"]["name"] == "sst2"
    assert "scale" not in made["spec"]
    assert "label 0 is 'negative', 1 is 'positive'" in imported(tmp_path / "dataset_info.json").stderr


def test_columns_of_a_parquet_file_with_few_values_are_dimensions(tmp_path: Path):
    rows = 400
    table = pa.table(
        {
            "ts": pa.array([0] * rows, pa.timestamp("ms")),
            "model_version": ["v1", "v2"] * (rows // 2),
            "id": [str(i) for i in range(rows)],
            "label": pa.array([0, 1] * (rows // 2), pa.int8()),
            "score": [0.5] * rows,
            "carrier": ["AA", "HA"] * (rows // 2),
            "comment": [f"text {i}" for i in range(rows)],
            "terminal": pa.array([i % 4 for i in range(rows)], pa.int32()),
        }
    )
    pq.write_table(table, tmp_path / "flights.parquet")
    made = manifest(tmp_path / "flights.parquet")
    assert made["spec"]["columns"]["requestId"] == "id"
    assert [item["name"] for item in made["spec"]["dimensions"]] == ["carrier", "terminal"]
    assert "not sliced by comment" in imported(tmp_path / "flights.parquet").stderr


def categorical(values: list[str], categories: list[str]) -> pa.DictionaryArray:
    """As pandas writes a categorical column."""
    return pa.DictionaryArray.from_arrays(pa.array([categories.index(v) for v in values], pa.int8()), categories)


def test_categorical_columns_of_pandas_are_columns_of_their_values(tmp_path: Path):
    table = pa.table(
        {
            "label": categorical(["cat", "dog"] * 100, ["cat", "dog", "bird"]),
            "score": categorical(["dog", "cat"] * 100, ["cat", "dog", "bird"]),
            "carrier": categorical(["AA", "HA"] * 100, ["AA", "HA"]),
            "size": pa.DictionaryArray.from_arrays(pa.array([0, 1] * 100, pa.int8()), pa.array([10, 20])),
            "__index_level_0__": list(range(200)),
        }
    )
    pq.write_table(table, tmp_path / "pets.parquet")
    spec = manifest(tmp_path / "pets.parquet")["spec"]
    assert [item["name"] for item in spec["dimensions"]] == ["carrier", "size"]
    assert (spec["scale"], spec["classes"]) == ({"kind": "Classes"}, ["cat", "dog", "bird"])


def test_a_categorical_label_of_two_texts_says_how_to_write_it(tmp_path: Path):
    table = pa.table({"label": categorical(["no", "yes"] * 10, ["no", "yes"]), "score": [0.5] * 20})
    pq.write_table(table, tmp_path / "set.parquet")
    assert "note: label is 'no' or 'yes'; a yes/no label is 0 or 1" in imported(tmp_path / "set.parquet").stderr


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_a_text_file_as_pandas_writes_it_has_no_column_of_its_index(tmp_path: Path, suffix: str, delimiter: str):
    header = ["", "ts", "model_version", "score", "label", "carrier"]
    rows = [[str(i), "2026-03-01 06:00:00", "v1", "0.5", "1", "HA"] for i in range(300)]
    path = tmp_path / f"flights{suffix}"
    path.write_text("\n".join(delimiter.join(row) for row in [header, *rows]))
    made = manifest(path)
    assert made["metadata"]["name"] == "flights"
    assert made["spec"]["columns"] == {
        "time": "ts", "model": "", "version": "model_version", "tier": "", "score": "score", "label": "label",
    }  # fmt: skip
    assert [item["name"] for item in made["spec"]["dimensions"]] == ["carrier"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (",score,label", ("row_index", "score", "label")),
        ('"",score,row_index', ("row_index_", "score", "row_index")),
        ("score,label", None),
        (",score,", None),
        (',"a,b"', None),
        ("", None),
    ],
)
def test_only_a_first_column_without_a_name_is_an_index(tmp_path: Path, header: str, names: tuple[str, ...] | None):
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\n1,2,3\n")
    assert header_with_index(path, "CSVWithNames") == names
    assert header_with_index(path, "Parquet") is None


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "", "cannot be read"),
        ("a.csv", "score,flag\n0.5,1\n", r"which column is the label \(columns: score, flag\)"),
        ("a.yaml", "columns: [a, b]", r"which column is the label \(columns: a, b\); give --label COLUMN"),
        ("a.yaml", "columns: [a, b]\nlabel: c", r"there is no column 'c' \(columns: a, b\); give --label"),
        ("a.yaml", f"columns: {[f'c{i}' for i in range(900)]}", r"c48, c49, …\); give --label"),
        ("a.yaml", "name: x", "neither columns nor features"),
        ("a.yaml", "[1, 2]", "is no object"),
        ("a.yaml", "a: [", "cannot be read"),
        ("a.json", "{", "cannot be read"),
        ("README.md", "# no yaml", "has no YAML between two lines of ---"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.yaml", BOMB, "more than 100000 keys and items, aliases written out"),
        ("a.yaml", "columns: &a [*a]", "a value holds itself, by an alias"),
        ("a.yaml", "[" * 5000 + "]" * 5000, "is nested too deep"),
        ("a.json", "[" * 100_000 + "]" * 100_000, "is nested too deep"),
        ("README.md", f"---\n{BOMB}---\n", "more than 100000 keys and items"),
        (
            "a.json",
            '{"columns": ["label"], "threshold": NaN}',
            "threshold is nan, no number that JSON has; give a finite",
        ),
        ("a.yaml", "columns: [label]\nthresholds: {recall: -.inf}", r"thresholds\.recall is -inf, no number"),
        ("a.json", f'{{"columns": ["label"], "threshold": 1{"0" * 400}}}', "threshold is a number of more than 308"),
        ("a.yaml", "columns: [label]\nwhere: ''", r"spec\.where: is empty"),
        ("a.yaml", "columns: [label]\nlabel: label\ntable: 'a b'", r"spec\.table: 'a b' has another form"),
    ],
)
def test_what_cannot_be_read_or_told_is_said_with_a_remedy(tmp_path: Path, name: str, text: str, complaint: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=complaint):
        imported(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("columns: 3", "columns is 3; give a list of names, or name to type"),
        ("columns: abc", "columns is 'abc'; give a list of names"),
        ("columns:", "columns is None; give a list"),
        ("columns: []", "columns is a list of 0; give a list"),
        ("columns: [[label], score]", "columns is a list of 2, one of them a list; give a list"),
        ("columns: [label, score]\nlabel: [1, 2]", "label is a list of 2, one of them 1; give the name of a column"),
        ("columns: [label, score]\nslices: score", "slices is 'score'; give a list of columns"),
        ("columns: [label, score]\nclasses: 5", "classes is 5; give a list of names"),
        ("columns: [label, score]\nthreshold: x", "threshold is 'x'; give a number such as 0.5"),
        ("columns: [label, score]\nthresholds: 3", "thresholds is 3; give metric to number"),
        ("columns: [label, score]\nthresholds: {recall: x}", "thresholds is .*; give metric to number"),
        ("columns: [label, score]\ntable: {x: 1}", "table is .*; give a text"),
        ("features: [{name: y, dtype: {class_label: {names: 5}}}]", "the classes of 'y' are 5; give a list of names"),
        ("features: [{name: y, dtype: {class_label: {names: {a: b}}}}]", "the classes of 'y' are .*; give a list"),
    ],
)
def test_a_key_of_another_form_is_named_with_the_one_it_should_have(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(SpecError, match=rf"d\.yaml: {complaint}"):
        imported(tmp_path / "d.yaml")


def test_null_stands_for_a_key_that_is_not_given(tmp_path: Path):
    (tmp_path / "d.yaml").write_text("columns: [label, score]\nthreshold:\ntable:\nslices:\n")
    assert manifest(tmp_path / "d.yaml")["spec"]["dimensions"] == []


def test_a_file_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(SpecError, match=r"none\.yaml: no such file"):
        imported(tmp_path / "none.yaml")


def test_a_column_that_was_asked_for_and_is_not_there_is_told(tmp_path: Path):
    pq.write_table(pa.table({"label": [0, 1], "site": ["a", "b"]}), tmp_path / "set.parquet")
    done = imported(tmp_path / "set.parquet", "--score", "prob", "--slice", "site", "--slice", "country")
    assert "note: there is no column prob, country in it; write it with each prediction" in done.stderr
