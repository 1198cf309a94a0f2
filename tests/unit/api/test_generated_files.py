"""The generated files are those of the models, and the check names what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierwise.tools import generate


def test_the_checkout_is_current():
    assert generate.problems(generate.ROOT) == []


def test_written_files_pass_the_check(tmp_path: Path):
    assert generate.main(["--write"], root=tmp_path) == 0
    assert generate.main(["--check"], root=tmp_path) == 0
    assert generate.write(tmp_path) == [], "writing again changes nothing"


def test_the_check_names_a_file_that_differs_is_missing_or_has_no_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    generate.write(tmp_path)
    (tmp_path / "crds/tierwise.io_modelrollouts.yaml").write_text("kind: Other\n")
    (tmp_path / "charts/tierwise/crds/tierwise.io_modeldeployments.yaml").unlink()
    (tmp_path / "crds/tierwise.io_old.yaml").write_text("kind: Other\n")
    assert generate.main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [
        "crds/tierwise.io_modelrollouts.yaml: differs from its source; run `make generated`",
        "charts/tierwise/crds/tierwise.io_modeldeployments.yaml: is missing; run `make generated`",
        "crds/tierwise.io_old.yaml: it has no source; delete it",
    ]
