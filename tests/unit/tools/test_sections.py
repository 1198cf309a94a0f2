"""Generated sections: what people wrote around them stays, and a lost mark is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierwise.tools.sections import with_section

PAGE = "before\n<!-- kinds: generated, run `make generated` -->\nold\n<!-- end of kinds -->\nafter\n"
CHART = "a\n{{- /* kinds: generated, run `make generated` */}}\n{{- /* end of kinds */}}\nb\n"


def test_the_text_between_the_marks_is_replaced_and_all_else_stays():
    written = with_section(PAGE, "kinds", "| a |\n", Path("page.md"))
    assert written == PAGE.replace("\nold\n", "\n\n| a |\n\n")
    assert with_section(written, "kinds", "| a |\n", Path("page.md")) == written
    assert with_section(CHART, "kinds", "- x\n", Path("c.tpl")) == CHART.replace(
        "`make generated` */}}\n", "`make generated` */}}\n- x\n"
    )


@pytest.mark.parametrize("lost", ["<!-- kinds: generated, run `make generated` -->", "<!-- end of kinds -->"])
def test_a_page_that_lost_a_mark_is_named(lost: str):
    with pytest.raises(ValueError, match=r"page\.md lacks"):
        with_section(PAGE.replace(lost, ""), "kinds", "", Path("page.md"))


def test_a_file_without_known_comments_cannot_have_a_section():
    with pytest.raises(ValueError, match=r"'\.json'"):
        with_section("{}", "kinds", "", Path("page.json"))
