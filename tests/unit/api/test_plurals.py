"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from tierwise.plurals import agreeing, plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 pods"), (1, "1 pod"), (2, "2 pods")])
def test_one_is_singular_and_everything_else_is_not(count: int, text: str):
    assert plural(count, "pod") == text


def test_a_noun_may_have_a_plural_of_its_own():
    assert plural(2, "slice x metric", "slices x metrics") == "2 slices x metrics"
    assert [agreeing(count, "crashes", "crash") for count in (0, 1, 2)] == ["crash", "crashes", "crash"]
