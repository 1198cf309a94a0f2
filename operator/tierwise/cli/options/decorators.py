"""How options are put on a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def with_default(
    flags: str | tuple[str, ...],
    kind: click.ParamType[Any],
    default: object,
    text: str,
    **more: Any,  # noqa: ANN401  # click's own
) -> Callable[[F], F]:
    """An option that has a default and shows it."""
    names = (flags,) if isinstance(flags, str) else flags
    return click.option(*names, type=kind, default=default, show_default=True, help=text, **more)


def applied(options: tuple[Callable[[Any], Any], ...], function: F) -> F:
    """A command with options, in their order."""
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    found: F = decorated
    return found
