"""The command line. Heavy imports happen inside the commands that need them."""

from __future__ import annotations

import errno
from typing import Any

import click

from .. import __version__
from ..errors import InputError
from . import (
    archive,
    capacity,
    causes,
    evaluate,
    experiments,
    gameday,
    plan,
    records,
    reports,
    series,
    start,
    times,
)


class _Refusal(click.ClickException):
    """An InputError as a user sees it."""

    exit_code = 2


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise _Refusal(str(error)) from None
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise click.ClickException(
                    f"{error.filename}: {error.strerror}. Name another place, or ask for the right to use this one."
                ) from None
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise click.ClickException(
                "The disk is full. Make room and run the same command again: what was written before stands."
            ) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of the work, not of the alphabet

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands under the question that they answer, each with its whole first sentence."""
        for question, answers in _COMMANDS.items():
            named = [(str(one.name), one.get_short_help_str(200)) for one in answers if not one.hidden]
            formatter.write(f"\n{question}\n")
            with formatter.indentation():
                formatter.write_dl(named, col_max=16)


@click.command(hidden=True)
@click.argument("page", type=click.Choice(["data-dictionary", "gameday-file"]))
def docs(page: str) -> None:
    """Print a generated page of docs/."""
    if page == "data-dictionary":
        from .. import schema

        click.echo(schema.data_dictionary(), nl=False)
    else:
        from ..sources import gamedays as source

        click.echo(source.documentation(), nl=False)


_COMMANDS = {
    "Begin": (start.init, start.sample, start.demo),
    "Read what there is": (
        records.ingest, archive.sync, records.problems, records.reports, records.status, records.links, records.corrections,
        archive.store_group,
    ),
    "What keeps failing, and are we getting better?": (
        causes.causes, causes.label, times.times, times.compare, times.placebo, times.restated,
    ),
    "How much room is left, and when did it begin?": (
        capacity.capacity, capacity.headroom, capacity.scalability, capacity.what_if, capacity.forecast, capacity.windows,
        capacity.impact, series.onsets, series.dependencies, series.roots,
    ),
    "What did a GameDay show?": (gameday.gameday, reports.render, reports.verify),
    "What should we rehearse next?": (
        plan.ledger, plan.plan, experiments.probe, experiments.confirm, evaluate.evaluate, docs,
    ),
}  # fmt: skip


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main() -> None:
    """What keeps failing, are we getting better, and what should we rehearse next?

    Start with `resilience init DIR`, put reports, series and gameday.yml files into its data/ folder, then
    `resilience ingest` and `resilience render --all`. Or see it first: `resilience demo` in an empty folder.
    """


for _answers in _COMMANDS.values():
    for _command in _answers:
        main.add_command(_command)
