"""Commands shown in the docs exist, with the flags shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierwise.tools import docs_check

PAGE = """\
Run `tierwise lint FILE… --gitops argocd` first.

```sh
$ tierwise lint bot-score.yaml -o json | jq .problems
kubectl tierwise lint deploy/ \\
  --gitops flux
TIERWISE_STORE=x tierwise lint a.yaml && make lint
```

    make unit CLUSTER=simulated

Prose about `make` and tierwise: `kubectl get mdep`.
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "page.md").write_text(text)
    (tmp_path / "Makefile").write_text("lint: ## lint\nunit:\n")
    return docs_check.problems(tmp_path)


def test_right_commands_pass(tmp_path: Path):
    assert problems(tmp_path, PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("lint FILE…", "lnt FILE…", "docs/page.md:1: `tierwise` has no command 'lnt'; see `tierwise --help`"),
        ("-o json", "--format json", "docs/page.md:4: `tierwise lint` has no option --format; see"),
        ("--gitops flux", "--git flux", "docs/page.md:6: `tierwise lint` has no option --git; see"),
        ("make lint", "make lnt", "docs/page.md:7: make has no target 'lnt'; `make help` lists them"),
        ("make unit", "make all", "docs/page.md:10: make has no target 'all'"),
    ],
)
def test_wrong_commands_are_told_with_page_and_line(old: str, new: str, complaint: str, tmp_path: Path):
    found = problems(tmp_path, PAGE.replace(old, new))
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path):
    (tmp_path / "README.md").write_text("")
    good = "See [the readme](../README.md#top) and [the web](https://example.com/x)."
    assert problems(tmp_path, good) == []
    assert problems(tmp_path, "See [it](gone.md).") == ["docs/page.md:1: the link to gone.md leads nowhere"]
