"""What keeps failing, and labelling reports."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..terminal import safe, show
from .common import reading, store_at, workspace_here

if TYPE_CHECKING:
    import pandas as pd


_KEYS = "abcdefghijklmnopqrstuvwx"
_AGAIN = 10  # answers after which the order of the remaining reports is made anew
_SHOWN = 1200  # characters of a report that are shown before 'v'


@click.command()
@click.option("--by", "who", help="Your name in the file [default: the login name].")
@click.option("--double", is_flag=True, help="Ask about reports that only others labelled: a second opinion.")
@click.option(
    "--disagreements",
    "contradicted",
    is_flag=True,
    help="List labels that the model contradicts with confidence.",
)
@reading
def label(who: str | None, double: bool, contradicted: bool, root: str | None, form: str) -> None:
    """Say what caused a report, by one key each; those that would teach the classifier most come first.

    Answers are appended to data/labels/root_cause.csv at once, with who, when and taxonomy version: stop at any time and go
    on later. The classifier's own guess is not shown before you answer. Then `resilience ingest`.
    """
    import pandas as pd

    from .. import views
    from ..analysis import learning, taxonomy
    from ..sources import labels as source

    workspace, store = workspace_here(), store_at(root)
    incidents = views.incidents(store, kind="real")
    path = workspace.root / "data" / "labels" / "root_cause.csv"
    known = views.labels(store)
    if path.is_file() and path.stat().st_size:
        given = views.counted_by(store, source.read(path))
        known = pd.concat([known, given]).drop_duplicates(
            ["incident_id", "labelled_by"], keep="last", ignore_index=True
        )
    if contradicted:
        rows = learning.disagreements(incidents, known)
        words = "The model, which never saw the label, is at least 70 % sure of another class. Either may be wrong."
        show(rows, form, words if len(rows) else "No label is contradicted with confidence.")
        return
    if incidents.empty:
        raise InputError("There is no report to label.", remedy="Run `resilience ingest` first.")
    _ask(incidents, known, path, who or _login(), double, taxonomy.packaged())


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise InputError("Your login name is not known.", remedy="Give --by NAME.") from None


def _ask(
    incidents: pd.DataFrame, known: pd.DataFrame, path: Path, who: str, double: bool, taxonomy: Any
) -> None:
    """Ask until nothing is left or the person stops; every answer is on the disk before the next question."""
    from ..sources import labels_file

    names = [*taxonomy.names, "unknown"]
    keys = dict(zip(_KEYS, names, strict=False))
    about = incidents.set_index("incident_id")
    answered: list[str] = []
    skipped: set[str] = set()
    queue = _queue(incidents, known, who, double)
    click.echo(
        f"{len(queue)} reports to label as {safe(who)}, those that would teach most first. One key per answer."
    )
    asked: str | None = None
    while queue or asked:
        asked = asked or queue.pop(0)
        _show(about.loc[asked], asked, names)
        answer = _answer(about.loc[asked], keys, can_go_back=bool(answered))
        if answer is None:
            break
        if answer == "skip":
            skipped.add(asked)
        elif answer == "back":
            queue.insert(0, asked)
            asked = answered.pop()
            click.echo(f"Again: {safe(asked)}. The later answer counts.")
            continue
        else:
            row = {
                "incident_id": asked, "failure_class": answer[0], "second_class": answer[1], "labelled_by": who,
                "labelled_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "taxonomy_version": taxonomy.version,
            }  # fmt: skip
            labels_file.append(path, row)
            answered.append(asked)
            click.echo(f"  {answer[0]}{f' and {answer[1]}' if answer[1] else ''}")
            known = _with(known, row)
            if len(answered) % _AGAIN == 0:
                queue = [i for i in _queue(incidents, known, who, double) if i not in skipped]
        asked = None
    left = len([i for i in queue if i not in skipped]) + bool(asked)
    click.echo(f"{len(answered)} answers in {path}; {left} reports left. Then: `resilience ingest`.")


def _queue(incidents: pd.DataFrame, known: pd.DataFrame, who: str, double: bool) -> list[str]:
    from ..analysis import learning

    mine = set(known.loc[known["labelled_by"] == who, "incident_id"])
    if not double:
        return list(learning.ask_next(incidents, known)["incident_id"])
    others = set(known["incident_id"]) - mine
    return [name for name in incidents["incident_id"] if name in others]


def _with(known: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from .. import schema

    new = schema.frame("labels", [{**row, "second_class": row["second_class"] or None}])
    rows = pd.concat([known, new], ignore_index=True)
    return rows.drop_duplicates(["incident_id", "labelled_by"], keep="last", ignore_index=True)


def _show(row: Any, name: str, names: list[str]) -> None:
    from ..analysis.causes import report_texts

    told = report_texts(row.to_frame().T)[0]
    click.echo("\n" + click.style(f"{safe(name)}: {safe(row['title'])}", bold=True))
    for line in told[:_SHOWN].splitlines()[1:]:
        if safe(line).strip():
            click.echo(f"  {safe(line)}")
    if len(told) > _SHOWN:
        click.echo("  [...]")
    width = max(map(len, names)) + 5
    choices = [f"{key} {given}".ljust(width) for key, given in zip(_KEYS, names, strict=False)]
    for start in range(0, len(choices), 4):
        click.echo("  " + "".join(choices[start : start + 4]).rstrip())
    click.echo("  Capital letter: main cause, then a second one. v whole report, . skip, - back, q stop")


def _answer(row: Any, keys: dict[str, str], *, can_go_back: bool) -> tuple[str, str] | str | None:
    """(main cause, second cause or ''), 'skip', 'back', or None to stop."""
    while True:
        key = _key()
        if key is None or key == "q":
            return None
        if key in keys:
            return keys[key], ""
        if key.lower() in keys and keys[key.lower()] != "unknown":
            main = keys[key.lower()]
            click.echo(f"  {main}, and the second cause?")
            second = _key()
            if second is None:
                return None
            if second.lower() in keys and keys[second.lower()] not in (main, "unknown"):
                return main, keys[second.lower()]
            click.echo("  That is no second cause; nothing was noted. Answer again.")
        elif key == ".":
            return "skip"
        elif key == "-" and can_go_back:
            return "back"
        elif key == "v":
            click.echo("\n".join(safe(line) for line in str(row["text"]).splitlines()))
        else:
            click.echo(f"  {safe(key)!r} is no answer.")


def _key() -> str | None:
    """One key, or None where the person ends the input (Ctrl-C, Ctrl-D, no more input)."""
    stdin = sys.stdin
    if not stdin.isatty():  # answers from a file or a pipe, a character each
        while (key := stdin.read(1)) in ("\n", "\r"):
            continue
        return key or None
    try:
        key = click.getchar()
    except (EOFError, KeyboardInterrupt):
        return None
    return None if key in ("", "\x03", "\x04") else key


@click.command()
@click.option("--incidents", "each", is_flag=True, help="One row per incident instead of the distribution.")
@reading
def causes(each: bool, root: str | None, form: str) -> None:
    """What keeps failing: expected incidents per failure class, or the class of each incident."""
    from .. import views
    from ..analysis import causes as analysis

    store = store_at(root)
    found = analysis.classify(views.incidents(store, kind="real"), views.labels(store))
    if each:
        show(found.table[[c for c in found.table if not c.startswith("p_")]], form, found.text)
    else:
        spread = analysis.distribution(found)
        show(spread.table, form, spread.text)
