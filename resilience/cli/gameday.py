"""GameDays: a file to begin with, what other tools recorded, which there are, and each drill as a postmortem."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..files import write_whole
from ..terminal import show
from .common import reading, store_at, store_option, workspace_here

if TYPE_CHECKING:
    from ..sources.slack_export import Channel

_PATH = click.Path(path_type=Path)
_STYLES, _PLACES = ("informed", "uninformed"), ("production", "staging", "isolated")


@click.group()
def gameday() -> None:
    """Prepare, import, list GameDays; write a drill's postmortem. See `resilience gameday new --help`."""


@gameday.command("new")
@click.argument("gameday_id")
@click.option("--title", help="Title [default: the id].")
@click.option("--date", help="Local date, e.g. 2021-12-09.")
@click.option("--zone", help="IANA zone of its clock times [default: the workspace's].")
@click.option("--style", type=click.Choice(_STYLES), help="Told in advance, or not.")
@click.option(
    "--environment", type=click.Choice(_PLACES), help="Where experiments run unless one says otherwise."
)
def new(
    gameday_id: str, title: str | None, date: str | None, zone: str | None, style: str | None, environment: str | None
) -> None:  # fmt: skip
    """Write data/gamedays/GAMEDAY_ID/gameday.yml with every field, each with its meaning, to be filled."""
    from ..sources import gameday_draft

    file, where = _file(gameday_id), zone or workspace_here().zone
    given = {
        "title": title,
        "date": _date(date),
        "zone": _zone(where),
        "style": style,
        "environment": environment,
    }
    known = {name: value for name, value in given.items() if value}
    _write(file, gameday_draft.write(known, title=f"{gameday_id}: made by `resilience gameday new`"))
    click.echo(f"Wrote {_shown(file)}. Fill it, then `resilience ingest`.")


@gameday.command("import")
@click.argument("gameday_id")
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.option("--title", help="Title [default: the id].")
@click.option("--date", help="Local date [default: the only day that the files tell of].")
@click.option("--zone", help="IANA zone of its clock times [default: the workspace's].")
@click.option("--channel", help="Which channel, where the Slack export holds several.")
@click.option(
    "--reaction", "reactions", multiple=True, metavar="EMOJI=ENVIRONMENT",
    help="What a reaction votes for, where messages do not say it; may be repeated.",
)  # fmt: skip
@click.option("--times-in", help="IANA zone of a journal's times that name none; older releases wrote UTC.")
def imported(
    gameday_id: str, paths: tuple[Path, ...], title: str | None, date: str | None, zone: str | None,
    channel: str | None, reactions: tuple[str, ...], times_in: str | None,
) -> None:  # fmt: skip
    """Draft data/gamedays/GAMEDAY_ID/gameday.yml from PATHS: Chaos Toolkit journals (.json), a Slack export (ZIP, folder).

    Journals give experiments, Slack gives votes by reaction and timelines by message. A person finishes the file.
    """
    from ..sources import chaos_journal, gameday_import, slack_export

    file, where = _file(gameday_id), _zone(zone or workspace_here().zone)
    stated = dict(_reaction(one) for one in reactions)
    journals: list[dict[str, Any]] = []
    channels: list[Channel] = []
    for path in paths:
        if path.suffix.lower() == ".json":
            journals.append(chaos_journal.read(path, path.name, times_in=times_in and _zone(times_in)))
        else:
            channels.append(slack_export.read(path, channel=channel, reactions=stated))
    if len(channels) > 1:
        raise InputError(
            f"{len(channels)} Slack exports were given.", remedy="Give one, of the GameDay's channel."
        )
    day = {"date": _date(date)} if date else {}
    _write(
        file,
        gameday_import.draft(title or gameday_id, day, journals, channels[0] if channels else None, where),
    )
    read = [f"{len(journals)} journal{'s' if len(journals) != 1 else ''}"] if journals else []
    read += [f"{len(one.messages)} messages of #{one.name}" for one in channels]
    click.echo(
        f"Wrote {_shown(file)} from {' and '.join(read)}. It is a draft: finish it, then `resilience ingest`."
    )


@gameday.command("list")
@reading
def listed(root: str | None, form: str) -> None:
    """GameDays in the store, each with its experiments and their verdicts."""
    import pandas as pd

    from .. import views
    from ..analysis import gameday as analysis

    store = store_at(root)
    days = store.load("gamedays").sort_values(["held_on", "gameday_id"])
    rows: list[dict[Any, Any]] = []
    for day in days.itertuples():
        result = analysis.analyse(views.gameday_tables(store, day.gameday_id))
        about = {"gameday": day.gameday_id, "held_on": f"{day.held_on:%Y-%m-%d}", "style": day.style}
        columns = ["position", "experiment_key", "title", "environment", "verdict", "outcome", "reason"]
        rows += [{**about, **record} for record in result.table[columns].to_dict("records")]
    show(pd.DataFrame(rows), form, "" if rows else "No GameDay is in the store.")


@gameday.command("postmortem")
@click.argument("gameday_id")
@click.argument("experiment_key", required=False)
@click.option("--out", type=_PATH, help="Folder to write to [default: data/incidents/drills].")
@click.option("--names", is_flag=True, help="Keep the names of people instead of their roles.")
@store_option
def postmortem(
    gameday_id: str, experiment_key: str | None, out: Path | None, names: bool, root: str | None
) -> None:
    """Write the postmortem of EXPERIMENT_KEY, or of every experiment that ran, in the form of a real incident's.

    `resilience ingest` reads it back as a drill, which is never pooled with incidents.
    """
    from .. import views
    from ..report import postmortem as report

    tables = views.gameday_tables(store_at(root).pinned(), gameday_id)
    ran = tables["experiments"].dropna(subset="fault_started_at").sort_values("position")
    keys = (
        [experiment_key] if experiment_key else list(ran.loc[ran["outcome"] != "not_run", "experiment_key"])
    )
    if not keys:
        raise InputError(
            f"No experiment of {gameday_id} has run.", remedy="Add fault.started to its gameday.yml."
        )
    folder = out or workspace_here().root / "data" / "incidents" / "drills"
    made = {report.incident_id(gameday_id, key): report.postmortem(tables, key, names=names) for key in keys}
    for name, text in made.items():
        _write(folder / f"{name}.md", text, over=True)
        click.echo(f"Wrote {_shown(folder / f'{name}.md')}")


def _file(gameday_id: str) -> Path:
    from ..sources import gamedays

    file = workspace_here().root / "data" / "gamedays" / gamedays.checked_id(gameday_id) / "gameday.yml"
    if file.exists():
        raise InputError(
            "The file is there already.", where=_shown(file), remedy="Edit it, or choose another id."
        )
    return file


def _write(file: Path, text: str, *, over: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not over and file.exists():
        raise InputError("The file is there already.", where=_shown(file), remedy="Edit it.")
    write_whole(file, text)


def _shown(file: Path) -> str:
    root = workspace_here().root.resolve()
    whole = file.resolve()
    return str(whole.relative_to(root)) if whole.is_relative_to(root) else str(file)


def _date(text: str | None) -> str | None:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise InputError(f"{text!r:.40} is not a date.", remedy="Write it as 2021-12-09.") from None


def _zone(name: str) -> str:
    from zoneinfo import available_timezones

    if name not in available_timezones():
        raise InputError(f"{name!r:.60} is not a zone.", remedy="Use an IANA name such as Europe/Berlin.")
    return name


def _reaction(text: str) -> tuple[str, str]:
    emoji, _, place = text.partition("=")
    if not emoji or place not in _PLACES:
        raise InputError(
            f"--reaction {text!r:.60} is not EMOJI=ENVIRONMENT.",
            remedy="For example --reaction factory=production.",
        )
    return emoji.strip(":"), place
