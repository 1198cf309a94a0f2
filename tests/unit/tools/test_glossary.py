"""Every word of the glossary is a word that is used."""

from __future__ import annotations

import re

import pytest

from tierwise.tools.generate import ROOT

GLOSSARY = ROOT / "docs/concepts/glossary.md"
WORDS = re.findall(r"^\| ([a-z][a-z -]*) \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)[1:]
PAGES = [path for path in (ROOT / "docs").rglob("*.md") if path != GLOSSARY]
CODE = list((ROOT / "operator/tierwise").rglob("*.py"))
USED = "\n".join(path.read_text(encoding="utf-8") for path in (*PAGES, *CODE)).lower()


@pytest.mark.parametrize("word", WORDS)
def test_the_word_is_used(word: str):
    assert re.search(rf"\b{word}s?\b", USED)


def test_words_stand_once():
    assert len(set(WORDS)) == len(WORDS) > 30
