"""A workspace, and the simulated marketplace to see it work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from ..terminal import progress
from .common import store_at, workspace_here
from .plan import freeze_plan_reveal, ledger
from .records import ingest
from .reports import render
from .times import placebo


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", default="Resilience", show_default=True, help="Name that pages carry.")
@click.option(
    "--zone", default="UTC", show_default=True, help="IANA zone of your business, e.g. Europe/Berlin."
)
def init(folder: Path, title: str, zone: str) -> None:
    """Make FOLDER a workspace: data folders, notebooks, reports/ and an annotated resilience.yml."""
    from .. import workspace

    made = workspace.create(folder, title=title, zone=zone)
    click.echo(
        f"Made {made.root.resolve()}. Put your files under its data/, then run `resilience ingest` there."
    )


def _simulated(command: Callable[..., Any]) -> Callable[..., Any]:
    from ..sample import SIZES, WORLDS

    seed = click.option("--seed", default=2019, show_default=True, help="Seed of the simulated world.")
    world = click.option(
        "--world",
        type=click.Choice(list(WORLDS)),
        default="base",
        show_default=True,
        help="Which world: what people write down and what GameDays change.",
    )
    size = click.option(
        "--size",
        type=click.Choice(list(SIZES)),
        default="full",
        show_default=True,
        help="150 services and about 300 reports, or 36 and 180.",
    )
    return seed(world(size(command)))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@_simulated
def sample(folder: Path, seed: int, world: str, size: str) -> None:
    """Write the simulated marketplace into FOLDER/data: two years of reports, series, two GameDays, its truth."""
    _write_sample(folder, seed, world, size)
    click.echo(f"Wrote a simulated marketplace to {folder / 'data'}; its truth is in data/truth.json.")


@click.command()
@_simulated
@click.pass_context
def demo(ctx: click.Context, seed: int, world: str, size: str) -> None:
    """Write the sample here, ingest it, judge its history and a plan, render every report; say where the gallery is."""
    from ..sample.world import ZONE
    from ..workspace import CONFIG, create

    workspace = workspace_here()
    if not (workspace.root / CONFIG).is_file():
        workspace = create(workspace.root, title="Resilience demo", zone=str(ZONE))
    _write_sample(workspace.root, seed, world, size)
    ctx.invoke(ingest, paths=(), mapping=None, kind=None, root=None)
    click.echo("Would a date on which nothing happened have looked like an improvement?")
    ctx.invoke(placebo, source=None, date=None, clock="restore", window=182.0, seed=0, out=None, root=None)
    click.echo("Frozen at 30 November 2020: what would have been planned, and what failed afterwards?")
    click.echo(freeze_plan_reveal(store_at(None).pinned(), workspace.zone))
    ctx.invoke(ledger, state=None, everything=False, page=True, as_of="", root=None, form="table")
    ctx.invoke(
        render, report_id=None, everything=True, force=False, why=False, at_once=4, timeout=600, root=None
    )


def _write_sample(folder: Path, seed: int, world: str, size: str) -> None:
    import json

    from .. import sample

    mine, truth = folder / "data" / "incidents", folder / "data" / "truth.json"
    wanted = {"seed": seed, "world": world, "size": size}
    if truth.is_file():
        known = json.loads(truth.read_text(encoding="utf-8"))
        if (there := {key: known.get(key) for key in wanted}) != wanted:
            raise InputError(
                f"This folder holds another sample: {', '.join(f'{k} {v}' for k, v in there.items())}.",
                where=str(truth),
                remedy="Use an empty folder for another.",
            )
    if mine.is_dir() and any(mine.iterdir()) and not truth.is_file():
        raise InputError(
            "This folder holds incident reports that are not the sample's.",
            where=str(mine),
            remedy="Simulated and real data are never mixed: use an empty folder.",
        )
    with progress("Simulating") as say:
        sample.write(folder, seed=seed, world=world, size=size, progress=lambda what: say(what, 0, 0))
