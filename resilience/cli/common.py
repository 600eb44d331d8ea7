"""What several commands share: options, the workspace and its store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..store import Store
    from ..workspace import Workspace

CLOCKS = ("detect", "acknowledge", "mitigate", "restore", "repair", "inform")


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store", "root", metavar="DIR|URL", help="Store to read [default: data/store of the workspace]."
    )(command)


def form_option(command: Callable[..., Any]) -> Callable[..., Any]:
    forms = click.Choice(["table", "json", "csv"])
    return click.option(
        "--format", "form", type=forms, default="table", show_default=True, help="How to print it."
    )(command)


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a command that prints from the store."""
    return store_option(form_option(command))


def computing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a command whose per-series work other processes can do."""
    jobs = click.option(
        "--jobs",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Processes that share the work.",
    )
    scheduler = click.option(
        "--scheduler", metavar="tcp://HOST:PORT", help="Dask scheduler whose workers do the work instead."
    )
    return jobs(scheduler(command))


def workspace_here() -> Workspace:
    from .. import workspace

    return workspace.find(Path.cwd())


def store_at(root: str | None) -> Store:
    from ..store import Store

    return Store(root or workspace_here().store)


def counted(commit: Any) -> Iterator[tuple[int, str]]:
    for word in ("inserted", "updated", "deleted"):
        if n := getattr(commit, word):
            yield n, word
