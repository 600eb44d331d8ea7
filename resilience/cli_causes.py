"""Labelling reports, and how far the classes can be trusted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import InputError
from .terminal import progress, safe, show

if TYPE_CHECKING:
    import pandas as pd

    from .store import Store
    from .workspace import Workspace

_KEYS = "abcdefghijklmnopqrstuvwx"
_AGAIN = 10  # answers after which the order of the remaining reports is made anew
_PATH = click.Path(path_type=Path, exists=True)
_PARTS = ("setting", "class", "coverage", "report")
_SHOWN = 1200  # characters of a report that are shown before 'v'


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a command that prints from the store."""
    forms = click.Choice(["table", "json", "csv"])
    form = click.option(
        "--format", "form", type=forms, default="table", show_default=True, help="How to print it."
    )
    where = "Store to read [default: data/store of the workspace]."
    return click.option("--store", "root", metavar="DIR|URL", help=where)(form(command))


def workspace_here() -> Workspace:
    from . import workspace

    return workspace.find(Path.cwd())


def store_of(root: str | None) -> Store:
    from .store import Store

    return Store(root or workspace_here().store)


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

    from . import views
    from .analysis import learning, taxonomy
    from .sources import labels as source

    workspace, store = workspace_here(), store_of(root)
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
    from .sources import labels_file

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
    from .analysis import learning

    mine = set(known.loc[known["labelled_by"] == who, "incident_id"])
    if not double:
        return list(learning.ask_next(incidents, known)["incident_id"])
    others = set(known["incident_id"]) - mine
    return [name for name in incidents["incident_id"] if name in others]


def _with(known: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from . import schema

    new = schema.frame("labels", [{**row, "second_class": row["second_class"] or None}])
    rows = pd.concat([known, new], ignore_index=True)
    return rows.drop_duplicates(["incident_id", "labelled_by"], keep="last", ignore_index=True)


def _show(row: Any, name: str, names: list[str]) -> None:
    from .analysis.causes import report_texts

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


@click.group()
def evaluate() -> None:
    """How far the library's own answers can be trusted. See `resilience evaluate causes --help`."""


@evaluate.command("causes")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--labels",
    "path",
    type=click.Path(path_type=Path),
    help="Their classes [default: FOLDER/labels.csv].",
)
@click.option("--learn", "teachers", multiple=True, type=(_PATH, _PATH),
              metavar="FOLDER LABELS", help="Also learn from this other corpus; may be repeated.")  # fmt: skip
@click.option(
    "--repeats",
    type=click.IntRange(1, 20),
    default=5,
    show_default=True,
    help="How often the five folds are dealt.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the folds.")
@click.option("--by", "part", type=click.Choice(_PARTS), default="setting", show_default=True,
              help="What to print: scores, scores per class, risk against coverage, or every report.")  # fmt: skip
@reading
def evaluate_causes(
    folder: Path | None, path: Path | None, teachers: tuple[tuple[Path, Path], ...], repeats: int, seed: int, part: str,
    root: str | None, form: str,
) -> None:  # fmt: skip
    """Score the classifier on reports it had not seen: the store's labels, or those of FOLDER with a CSV of classes."""
    from .analysis import evaluation
    from .analysis.causes import report_texts

    with progress("Scoring") as say:
        say("reading", 0, 0)
        given = _labelled_folder(folder, path) if folder else _labelled_store(root)
        others = {}
        for other, classes in teachers:
            there = _corpus(other, classes)
            others[there.name] = (report_texts(there.incidents), there.cause)
        say("folds", 0, 0)
        found = evaluation.evaluate(given, repeats=repeats, seed=seed, teachers=others)
    if part == "class":
        show(found.by_class, form, found.text)
    elif part == "coverage":
        show(found.curve, form, found.text)
    elif part == "report":
        show(found.rows, form, found.text)
    elif form != "table":
        show(found.table, form)
    else:
        _tell(found.table, found.text)


def _tell(table: pd.DataFrame, text: str) -> None:
    """Two narrow tables in place of a wide one."""
    shown = table.assign(
        macro_f1=[f"{r.macro_f1:.2f} ({r.low:.2f} to {r.high:.2f})" for r in table.itertuples()],
        half=table["accuracy_at_half"],
        ece=[f"{r.ece:.2f} (by chance up to {r.ece_chance_95:.2f})" for r in table.itertuples()],
        log_loss=[f"{r.log_loss:.2f} ({r.prior_log_loss:.2f})" for r in table.itertuples()],
        brier=[f"{r.brier:.2f} ({r.prior_brier:.2f})" for r in table.itertuples()],
    )
    names = ["setting", "text", "rows"]
    scores = ["n", "macro_f1", "majority_f1", "accuracy", "right_any", "top2", "half"]
    show(shown[names + scores], "table", text)
    show(
        shown[[*names, "answered", "accuracy_answered", "log_loss", "brier", "ece"]],
        "table",
        "In brackets: what knowing only the shares of the classes gives, and a perfect model's error at this n.",
    )


def _corpus(folder: Path, labels: Path) -> Any:
    from .sources import corpus

    return corpus.read(folder, labels)


def _labelled_folder(folder: Path, labels: Path | None) -> Any:
    from .analysis import taxonomy

    found = _corpus(folder, labels or folder / "labels.csv")
    for line in found.left_out:
        click.echo(f"Left out: {line}.", err=True)
    known = True if found.name in taxonomy.packaged().written_from else None
    read = [known if mark is None else mark for mark in found.read]
    return _labelled(found.incidents, found.cause, found.others, found.group, read)


def _labelled_store(root: str | None) -> Any:
    """Reports of the store with a label; where people disagree, the class that most gave (then the first by name)."""
    from . import views

    store = store_of(root)
    incidents, labels = views.incidents(store, kind="real"), views.labels(store)
    votes = labels.groupby(["incident_id", "failure_class"], sort=True).size().reset_index(name="n")
    votes = votes.sort_values(["incident_id", "n", "failure_class"], ascending=[True, False, True])
    first = votes.drop_duplicates("incident_id").set_index("incident_id")["failure_class"]
    rows = incidents[incidents["incident_id"].isin(first.index)].reset_index(drop=True)
    said = labels.groupby("incident_id")[["failure_class", "second_class"]].agg(lambda v: set(v.dropna()))
    others = [tuple(set().union(*said.loc[name])) for name in rows["incident_id"]]
    cause = list(first.loc[rows["incident_id"]])
    if rows["simulated"].any():
        click.echo(
            "Simulated reports, worded by this project: these scores say nothing about yours.", err=True
        )
    return _labelled(rows, cause, others, list(rows["incident_id"]), [None] * len(rows))


def _labelled(
    rows: pd.DataFrame, cause: list[str], others: list[Any], group: list[str], read: list[bool | None]
) -> Any:
    from .analysis import evaluation
    from .analysis.causes import report_texts, summaries

    texts = {
        "report": report_texts(rows),
        "summary": summaries(rows),
        "masked": report_texts(rows, masked=True),
    }
    return evaluation.Labelled(
        list(rows["incident_id"]), texts, cause, others, group, rows["started_at"], read
    )
