"""`tierwise lint`: checks a manifest before it is applied to a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.cli.manifests.checks import KINDS, check_files
from tierwise.cli.manifests.gitops import TOOLS, needs
from tierwise.cli.manifests.yaml_lines import Document, Problem
from tierwise.cli.output.formats import print_facts
from tierwise.plurals import plural

if TYPE_CHECKING:
    from tierwise.cli.options.manifest_traffic import OfTraffic

EXIT_PROBLEMS, EXIT_NOTHING = 1, 2


@click.command(name="lint")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, path_type=Path, allow_dash=False)
)
@click.option(
    "--gitops",
    type=click.Choice(TOOLS),
    help="Also print the settings with which this tool does not change the delivered image and parameters.",
)
@click.option(
    "--store",
    metavar="DSN",
    help="Also read the last day's traffic of the present version from this prediction log, as `tierwise plan` does, "
    "and say of which tiers and dimensions no slice could be judged on its own within maxDuration.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.pass_context
def command(
    context: click.Context, files: tuple[Path, ...], gitops: str | None, store: str | None, output: str
) -> None:
    """Check manifests offline: which key at which line is wrong, and what to do.

    Reads the YAML files given, and all *.yaml and *.yml files of a folder. Finds what the API server would refuse and
    what would stall the operator: unknown metrics, dimensions and datasets, features that come later, SQL that is
    refused. Other kinds of object are ignored.

    With --store, a tier of which no slice could be judged is a problem too, and a dimension without such a slice a
    warning; each with the maxDuration and the margin that would change it.

    Exit code: 0 no problems (warnings change nothing), 1 problems, 2 wrong usage, also files that hold no object of any
    kind.

    \b
    Examples:
      tierwise lint bot-score.yaml datasets.yaml
      tierwise lint deploy/ --gitops argocd
      tierwise lint bot-score.yaml datasets.yaml --store clickhouse://user@ch:8123/ml
    """
    paths = list(_manifests(files))
    problems, documents = check_files(paths)
    warnings: tuple[Problem, ...] = ()
    if store is not None and not problems:
        silent = _of_store(store, documents)
        problems, warnings = list(silent.problems), silent.warnings
    ours = [document for document in documents if document.kind in KINDS]
    if output == "text":
        _print_text(paths, Found(problems, warnings), ours, gitops)
    else:
        print_facts(_facts(paths, Found(problems, warnings), ours, gitops), output)
    if problems:
        context.exit(EXIT_PROBLEMS)
    if not any(document.kind not in ("", "List") for document in documents):
        click.echo(
            "Error: the files hold no object at all\nGive files with manifests; empty ones pass no check.", err=True
        )
        context.exit(EXIT_NOTHING)


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong, and what a person may want to change."""

    problems: Sequence[Problem]
    warnings: Sequence[Problem]


def _of_store(store: str, documents: Sequence[Document]) -> OfTraffic:
    # Imported here: an adapter's libraries take a second, and --help needs none of them.
    from tierwise.adapters.prediction_logs.recorded import open_recorded_store
    from tierwise.cli.options.manifest_traffic import check_traffic

    with open_recorded_store(store) as log:
        return check_traffic(documents, log, datetime.now(UTC))


def _manifests(files: Iterable[Path]) -> Iterable[Path]:
    for path in files:
        if not path.is_dir():
            yield path
            continue
        found = sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml") and each.is_file())
        if not found:
            raise click.UsageError(f"{path} has no *.yaml file; give a file, or a folder with manifests.")
        yield from found


def _snippets(documents: Sequence[Document], tool: str) -> list[str]:
    texts: list[str] = []
    for document in documents:
        if document.kind == "ModelDeployment":
            try:
                spec = ModelDeploymentSpec.model_validate(document.data.get("spec") or {})
            except ValidationError:
                continue  # its problems have been reported
            texts += needs(tool, spec)
    return list(dict.fromkeys(texts))


def _print_text(paths: Sequence[Path], found: Found, ours: Sequence[Document], tool: str | None) -> None:
    problems = found.problems
    for problem in (*problems, *found.warnings):
        click.echo(str(problem))
    if tool is not None:
        for text in _snippets(ours, tool):
            click.echo(text)
    counted = f"{plural(len(ours), 'object')} in {plural(len(paths), 'file')}"
    if problems:
        click.echo(f"{plural(len(problems), 'problem')} ({counted})", err=True)
    elif not ours:
        click.echo(f"nothing to check: no {', '.join(KINDS)} in {plural(len(paths), 'file')}", err=True)
    else:
        click.echo(f"no problems ({counted})", err=True)
    if found.warnings:
        click.echo(f"{len(found.warnings)} {'warning' if len(found.warnings) == 1 else 'warnings'}", err=True)
    if tool is None and any(document.kind == "ModelDeployment" for document in ours):
        hint = "Are the workloads managed by Argo CD, Flux or Helm? --gitops argocd|flux|helm prints what they need."
        click.echo(hint, err=True)


def _facts(paths: Sequence[Path], found: Found, ours: Sequence[Document], tool: str | None) -> dict[str, object]:
    objects = [{"file": d.file, "line": d.line_of(("kind",)), "kind": d.kind, "name": d.name} for d in ours]
    facts: dict[str, object] = {
        "schema": "tierwise.io/lint/v1",
        "files": [str(path) for path in paths],
        "objects": objects,
        "problems": [_problem(problem) for problem in found.problems],
        "warnings": [_problem(problem) for problem in found.warnings],
    }
    if tool is not None:
        facts["gitops"] = {"tool": tool, "snippets": _snippets(ours, tool)}
    return facts


def _problem(found: Problem) -> dict[str, object]:
    return {"file": found.file, "line": found.line, "key": found.key, "message": found.message}
