"""Reads manifests with line numbers, so that every problem of a file names its key and line."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tierwise.api.names import API_VERSION
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError

MAX_KEYS = 100_000  # far above any manifest; with aliases of aliases a few lines can have billions of keys

_FLOAT = "tag:yaml.org,2002:float"
_NO_NUMBERS = (".inf", ".nan")

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at one place of a file. It prints as ``file.yaml:14: spec.tiers[1].exposure: …``."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key + ': ' if self.key else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, or one item of a ``kind: List``, which is at `place` in the document.

    `lines` maps the path of every key and item below `place` to its line (1-based).
    """

    file: str
    data: Any
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...] = field(default=())  # duplicate keys, and numbers that JSON does not have
    place: KeyPath = ()

    @property
    def kind(self) -> str:
        """The object's kind; empty when it has none."""
        return str(self.data.get("kind", "")) if isinstance(self.data, dict) else ""

    @property
    def name(self) -> str:
        """metadata.name; empty when it has none."""
        metadata = self.data.get("metadata") if isinstance(self.data, dict) else None
        return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""

    def line_of(self, path: KeyPath) -> int:
        """Line of the key, or of the nearest key above it that exists."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem of the key at `path`."""
        return Problem(self.file, self.line_of(path), key_text((*self.place, *path)), message)


class ManifestError(SpecError):
    """A file that cannot be used. `problems` are all problems that were found; the message is the first of them."""

    def __init__(self, problems: tuple[Problem, ...], remedy: str = "") -> None:
        more = f"\nand {len(problems) - 1} more: `tierwise lint` lists them" if len(problems) > 1 else ""
        super().__init__(str(problems[0]) + more, remedy, reason=Reason.INVALID_SPEC)
        self.problems = problems


def load_documents(path: str | Path) -> tuple[Document, ...]:
    """All documents of a YAML or JSON file that are not empty; a ``kind: List`` gives its items.

    Raises:
        ManifestError: not YAML, with the parser's line.
        OSError: the file cannot be read.
    """
    file = str(path)
    try:
        loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ManifestError((Problem(file, 1, "", "is not text in UTF-8; give a YAML file"),)) from error
    except yaml.YAMLError as error:
        raise ManifestError((Problem(file, 1, "", f"not YAML: {error}".splitlines()[0]),)) from error
    documents = []
    start = 1
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # check_node said so
            start = node.start_mark.line + 1
            lines: dict[KeyPath, int] = {}
            problems = tuple(_index(node, (), lines, file))
            data = loader.construct_document(node)
            if data is not None:
                documents += _items(Document(file, data, lines, problems))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError((Problem(file, line, "", f"not YAML: {error.problem}"),)) from error
    except yaml.YAMLError as error:
        raise ManifestError((Problem(file, start, "", f"not YAML: {error}".splitlines()[0]),)) from error
    except RecursionError as error:
        raise ManifestError((Problem(file, start, "", "is nested too deep for a manifest"),)) from error
    except (ValueError, TypeError, OverflowError) as error:  # a date such as 2026-13-45
        raise ManifestError((Problem(file, start, "", f"a value cannot be read: {error}"),)) from error
    finally:
        loader.dispose()
    return tuple(documents)


def _items(document: Document) -> list[Document]:
    """The document itself or, of a List, its items. The first item also has the problems of the List."""
    items = document.data.get("items") if document.kind == "List" else None
    if not isinstance(items, list) or not items:
        return [document]
    found: list[Document] = []
    for index, item in enumerate(items):
        here = ("items", index)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == here}
        problems = document.problems if index == 0 else ()
        found += _items(Document(document.file, item, lines, problems, (*document.place, *here)))
    return found


def load_one(path: str | Path, kind: str) -> Document:
    """The only document of `kind` in the file.

    Raises:
        ManifestError: none or several of that kind, another apiVersion, or duplicate keys.
    """
    documents = load_documents(path)
    found = [document for document in documents if document.kind == kind]
    if len(found) != 1:
        kinds = ", ".join(document.kind or "an object without kind" for document in documents) or "nothing"
        message = f"expected one {kind}, found {len(found)} (the file holds {kinds})"
        raise ManifestError((Problem(str(path), 1, "", message),), f"give a file with exactly one {kind}")
    document = found[0]
    problems = document.problems
    if document.data.get("apiVersion") != API_VERSION:
        problems += (document.problem(("apiVersion",), f"{document.data.get('apiVersion')!r} is not {API_VERSION}"),)
    if problems:
        raise ManifestError(problems)
    return document


def parse_spec(document: Document, model: type[Model]) -> Model:
    """The document's ``spec`` as `model`.

    Raises:
        ManifestError: with every problem and its line.
    """
    try:
        return model.model_validate(document.data.get("spec") or {})
    except ValidationError as error:
        raise ManifestError(problems_of(document, error, ("spec",))) from error


def problems_of(document: Document, error: ValidationError, prefix: KeyPath = ()) -> tuple[Problem, ...]:
    """Pydantic's errors about a part of the document (at `prefix`), with lines, in order of lines."""
    problems = []
    for detail in error.errors():
        path = _existing(document, (*prefix, *detail["loc"]))
        problems.append(document.problem(path, _sentence(detail["type"], detail["msg"], detail.get("input"))))
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def key_text(path: KeyPath) -> str:
    """``("spec", "tiers", 1, "name")`` → ``spec.tiers[1].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _index(
    node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], file: str, around: tuple[yaml.Node, ...] = ()
) -> Iterator[Problem]:
    line = node.start_mark.line + 1
    if any(outer is node for outer in around):
        raise ManifestError((Problem(file, line, key_text(path), "holds itself, by an alias; write it out"),))
    if len(lines) > MAX_KEYS:
        fact = f"the document has more than {MAX_KEYS} keys and items, each alias counted in full; split it"
        raise ManifestError((Problem(file, line, "", fact),))
    lines.setdefault(path, line)
    around = (*around, node)
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            below = (*path, key.value if isinstance(key, yaml.ScalarNode) else str(key.tag))
            line = key.start_mark.line + 1
            if below in seen:
                yield Problem(file, line, key_text(below), f"is given twice (first at line {lines[below]}); keep one")
            seen.add(below)
            lines[below] = line
            yield from _index(value, below, lines, file, around)
    elif isinstance(node, yaml.ScalarNode) and node.tag == _FLOAT and node.value.lower().lstrip("+-") in _NO_NUMBERS:
        yield Problem(file, line, key_text(path), f"{node.value} is no number that JSON has; give a finite one")
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*path, index)] = value.start_mark.line + 1
            yield from _index(value, (*path, index), lines, file, around)


def _existing(document: Document, path: KeyPath) -> KeyPath:
    """The path without the parts that pydantic adds for the branches of a union (``exposure.int``)."""
    kept: KeyPath = ()
    for position, part in enumerate(path):
        if (*kept, part) in document.lines or (position == len(path) - 1 and _is_mapping(document, kept)):
            kept = (*kept, part)
    return kept


def _is_mapping(document: Document, path: KeyPath) -> bool:
    value = document.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(value, dict)


def _sentence(kind: str, message: str, value: object) -> str:
    match kind:
        case "extra_forbidden":
            return "is not a known field; remove it or fix its spelling"
        case "missing":
            return "is missing; give it"
        case "string_type" if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value!r} is a number, not text; quote it"
        case _:
            text = message.removeprefix("Value error, ")
            shown = "" if isinstance(value, dict | list) or repr(value) in text else f"{value!r}: "
            return f"{shown}{text[0].lower()}{text[1:]}"
