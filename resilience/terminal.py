"""What the command line shows: progress, tables for people, JSON and CSV for machines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd


PATIENCE_S = 2.0  # what takes longer says what it is doing


@contextmanager
def progress(
    what: str, *, every_s: float = 0.0, after_s: float = 0.0
) -> Iterator[Callable[[str, int, int], None]]:
    """A progress line on a terminal; elsewhere plain lines, one per step, or where `every_s` is given no more often.

    With `after_s` plain lines begin then, with the step that is being done: what takes less says nothing.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        began, last, told_s, now = time.monotonic(), "", float("-inf"), ""

        def tell() -> None:
            nonlocal last, told_s
            if now != last:
                click.echo(f"{what}: {now}", err=True)
                last, told_s = now, time.monotonic()

        def plain(step: str, done: int, of: int) -> None:
            nonlocal now
            now = step
            if time.monotonic() - max(told_s + every_s, began + after_s) >= 0:
                tell()

        waiting = threading.Timer(after_s, tell)
        if after_s:
            waiting.daemon = True
            waiting.start()
        try:
            yield plain
        finally:
            waiting.cancel()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, at="")

        def live(step: str, done: int, of: int) -> None:
            bar.update(
                task,
                description=f"{what}: {step}",
                completed=done,
                total=of or None,
                at=f"{done}/{of}" if of else "",
            )

        yield live


def safe(text: Any) -> str:
    """`text` without control characters: a report must not steer a terminal."""
    return "".join(c for c in str(text) if c.isprintable())


def show(rows: pd.DataFrame, form: str, text: str = "") -> None:
    """A table for people, or JSON or CSV for machines; the sentence goes with the table only."""
    if form == "json":
        click.echo(rows.to_json(orient="records", date_format="iso", double_precision=6, indent=1))
    elif form == "csv":
        click.echo(rows.to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        if text:
            click.echo(text)
        _print_table(rows)


def with_ranges(table: pd.DataFrame) -> pd.DataFrame:
    """Each figure with its interval in one cell, for people: '117 (74.7 to 199)'."""
    shown = table[["group", "n", "n_open", "n_missing"]].copy()
    for name in ("median", "geomean", "mean"):
        columns = [f"{name}_min", f"{name}_low", f"{name}_high"]
        shown[f"{name}, min"] = [
            ""
            if point != point
            else f"{point:,.4g}"
            if low != low
            else f"{point:,.4g} ({low:,.4g} to {high:,.4g})"
            for point, low, high in table[columns].itertuples(index=False)
        ]
    return shown


def _print_table(rows: pd.DataFrame) -> None:
    import pandas as pd
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if rows.empty:
        return
    numeric: Mapping[str, bool] = {c: pd.api.types.is_numeric_dtype(rows[c]) for c in rows}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows:
        table.add_column(Text(str(column)), justify="right" if numeric[column] else "left", overflow="fold")
    for record in rows.itertuples(index=False):
        cells = [
            "–"
            if pd.isna(v)
            else f"{v:,.4g}"
            if isinstance(v, float) and abs(v) < 1e4
            else f"{v:,.0f}"
            if isinstance(v, float)
            else str(v)
            for v in record
        ]
        table.add_row(*(Text(safe(cell)) for cell in cells))
    # Not a terminal: as wide as it needs to be, so that nothing is cut.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
