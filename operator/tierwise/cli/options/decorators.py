"""Decorators that add options to a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Options = TypeVar("Options")


def gathered(kind: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command get its options as one value: a dataclass with a field for each of them.

    Options without a field in `kind` stay keyword arguments.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind is a dataclass

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(*args: Any, **given: Any) -> None:  # noqa: ANN401  # click's own
            options = kind(**{name: given.pop(name) for name in names})
            function(*args, options, **given)

        return command

    return decorate


def with_default(
    flags: str | tuple[str, ...],
    kind: click.ParamType[Any],
    default: object,
    text: str,
    **more: Any,  # noqa: ANN401  # click's own
) -> Callable[[F], F]:
    """Add an option with a default that the help text shows."""
    names = (flags,) if isinstance(flags, str) else flags
    return click.option(*names, type=kind, default=default, show_default=True, help=text, **more)


def applied(options: tuple[Callable[[Any], Any], ...], function: F) -> F:
    """Add the options to a command, in their order."""
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    found: F = decorated
    return found
