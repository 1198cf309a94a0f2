"""Every reason is known in full: what it means, what a person does, and where the docs say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tierwise.api.reasons import Reason
from tierwise.tools.generate import ROOT

PAGE = Path(ROOT) / "docs/reference/reasons.md"
PRODUCT = Path(ROOT) / "operator/tierwise"


def _rows() -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows
    return rows


def test_every_reason_has_one_row_in_the_docs():
    named = [name for row in _rows() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(Reason)


def test_every_row_says_what_to_do():
    assert [row[0] for row in _rows() if len(row) < 4 or not row[-1].strip()] == []


@pytest.mark.parametrize("reason", Reason)
def test_what_is_not_mere_progress_says_what_a_person_does(reason: Reason):
    facts = reason.facts
    assert facts.meaning.endswith(".")
    assert facts.severity == "info" or reason is Reason.ROLLING_BACK or facts.remedy


def test_every_reason_is_given_by_some_code():
    registry = PRODUCT / "api/reasons.py"
    code = "".join(path.read_text() for path in PRODUCT.rglob("*.py") if path != registry)
    assert [reason for reason in Reason if not re.search(rf"\bReason\.{reason.name}\b", code)] == []
