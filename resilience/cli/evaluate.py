"""How far the library's own answers can be trusted: classes and plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..terminal import PATIENCE_S, progress, show
from .common import reading, store_at, workspace_here

if TYPE_CHECKING:
    import pandas as pd


_PATH = click.Path(path_type=Path, exists=True)
_PARTS = ("setting", "class", "coverage", "report")


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
    from ..analysis import evaluation
    from ..analysis.causes import report_texts

    with progress("Scoring") as say:
        say("reading", 0, 0)
        given = _labelled_folder(folder, path) if folder else _labelled_store(root)
        others = {}
        for other, classes in teachers:
            there = _corpus(other, classes)
            others[there.name] = (report_texts(there.incidents), there.cause)
        found = evaluation.evaluate(given, repeats=repeats, seed=seed, teachers=others, progress=say)
    if part == "class":
        show(found.by_class, form, found.text)
    elif part == "coverage":
        show(found.curve, form, found.text)
    elif part == "report":
        show(found.rows, form, found.text)
    elif form != "table":
        show(found.table, form)
    else:
        _tell(found)


def _tell(found: Any) -> None:
    """Narrow tables in place of a wide one, then the classes and the risk at some coverages, in held-out folds."""
    from ..analysis import evaluation

    table, text = found.table, found.text
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
    show(found.by_class, "table", "Each class in held-out folds:")
    risk = evaluation.at_coverages(found.curve)
    show(risk, "table", "Of the surest reports, how many are classed wrongly (held-out folds, first deal):")


def _corpus(folder: Path, labels: Path) -> Any:
    from ..sources import corpus

    return corpus.read(folder, labels)


def _labelled_folder(folder: Path, labels: Path | None) -> Any:
    from ..analysis import taxonomy

    found = _corpus(folder, labels or folder / "labels.csv")
    for line in found.left_out:
        click.echo(f"Left out: {line}.", err=True)
    known = True if found.name in taxonomy.packaged().written_from else None
    read = [known if mark is None else mark for mark in found.read]
    return _labelled(found.incidents, found.cause, found.others, found.group, read)


def _labelled_store(root: str | None) -> Any:
    """Reports of the store with a label; where people disagree, the class that most gave (then the first by name)."""
    from .. import views
    from ..analysis import taxonomy
    from ..analysis.causes import under_current_names

    store = store_at(root)
    incidents, labels = views.incidents(store, kind="real"), views.labels(store)
    labels, _ = under_current_names(labels, taxonomy.packaged())
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
    from ..analysis import evaluation
    from ..analysis.causes import report_texts, summaries

    texts = {
        "report": report_texts(rows),
        "summary": summaries(rows),
        "masked": report_texts(rows, masked=True),
    }
    return evaluation.Labelled(
        list(rows["incident_id"]), texts, cause, others, group, rows["started_at"], read
    )


@evaluate.command("plan")
@click.option("--horizon", default=6, show_default=True, help="Months after each origin that are uncovered.")
@click.option("--seed", default=0, show_default=True, help="Seed of ties and resampled futures.")
@reading
def evaluate_plan(horizon: int, seed: int, root: str | None, form: str) -> None:
    """Does the ranking find what fails next? Rolling origins against random, recency and two kinds of frequency."""
    from .. import evidence

    judged = evidence.judge(evidence.read(store_at(root).pinned()), seed=seed, horizon_months=horizon)
    show(judged.table, form, judged.text)


@evaluate.command("probes")
@click.option(
    "--after",
    metavar="MOMENT",
    default="",
    help="Limits from what was known then [default: half a year before the end].",
)
@click.option(
    "--minutes", type=click.FloatRange(1, 240), default=20.0, show_default=True, help="Of one window."
)
@click.option(
    "--most",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Ordinary windows of a service, at most.",
)
@reading
def evaluate_probes(after: str, minutes: float, most: int, root: str | None, form: str) -> None:
    """Do the probes that `plan --export` writes hold in ordinary windows, and break in incidents, of the time after?"""
    import pandas as pd

    from .. import evidence, planning

    store = store_at(root).pinned()
    since = evidence.moment(after) or evidence.latest(store) - pd.DateOffset(months=6)
    with progress("Trying", after_s=PATIENCE_S) as say:
        zone = workspace_here().zone
        found = planning.try_probes(store, since, zone, minutes, most, lambda step: say(step, 0, 0))
    show(found.table, form, found.text)
