"""What exported experiments call, and what people say after them: probes, steps by hand, dependencies confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import InputError
from ..terminal import safe
from .common import store_at, workspace_here

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("metric")
@click.argument("scope")
@click.option(
    "--statistic", default="mean", show_default=True, help="mean, median, min, max, sum or p95 of the points."
)
@click.option("--minutes", default=20.0, show_default=True, help="Over the minutes before --at.")
@click.option("--low", type=float, help="Lowest value that is steady.")
@click.option("--high", type=float, help="Highest value that is steady.")
@click.option("--per-minute", is_flag=True, help="Counts per minute, whatever the interval.")
@click.option("--at", metavar="MOMENT", default="", help="End of the window [default: now].")
@click.option(
    "--from",
    "source",
    type=click.Choice(["datadog", "store"]),
    default="datadog",
    show_default=True,
    help="Where to measure.",
)
@click.option("--host", help="Another server than Datadog's, for tests.", hidden=True)
@click.option("--store", "root", metavar="DIR|URL", help="Store to read with --from store.")
def probe(
    metric: str, scope: str, statistic: str, minutes: float, low: float | None, high: float | None, per_minute: bool,
    at: str, source: str, host: str | None, root: str | None,
) -> None:  # fmt: skip
    """Measure one steady-state probe now: exit code 0 inside its limits, 1 outside, 2 without enough data.

    Exported Chaos Toolkit experiments call it. Keys come from DD_API_KEY, DD_APP_KEY and DD_SITE in the environment.
    """
    from datetime import UTC, datetime

    import pandas as pd

    from .. import evidence, views
    from ..analysis import probing

    end = evidence.moment(at) or pd.Timestamp(datetime.now(UTC))
    if source == "store":
        between = (end - pd.Timedelta(minutes=minutes), end)
        points = views.table(
            store_at(root), "series", where={"metric": [metric], "scope": [scope]}, between=between
        )
    else:
        points = _measured(metric, scope, end, minutes, host)
    found = probing.probe(
        points, at=end, minutes=minutes, statistic=statistic, low=low, high=high, per_minute=per_minute
    )
    click.echo(f"{metric} {scope}: {found.text}")
    raise SystemExit(found.code)


def _measured(metric: str, scope: str, end: pd.Timestamp, minutes: float, host: str | None) -> pd.DataFrame:
    """Points of the last minutes from Datadog, at one minute."""
    import os

    import pandas as pd

    from ..sources import datadog
    from ..sources.datadog_api import Api

    tags = ",".join(scope.split(","))
    count = any(word in metric for word in ("hits", "count", "requests"))
    how = f"sum:{metric}{{{tags}}}.as_count()" if count else f"avg:{metric}{{{tags}}}"
    start = end - pd.Timedelta(minutes=minutes)
    request = {
        "data": {
            "type": "timeseries_request",
            "attributes": {
                "from": int(start.timestamp() * 1000), "to": int(end.timestamp() * 1000), "interval": 60_000,
                "queries": [{"data_source": "metrics", "name": "a", "query": how}], "formulas": [{"formula": "a"}],
            },
        }
    }  # fmt: skip
    reply = Api(os.environ, host=host).call("timeseries", body=request)
    read = datadog.points(request, reply.data, where="Datadog", interval_s=60.0)
    frames = [
        pd.DataFrame(
            {"at": pd.to_datetime(p.at, unit="us", utc=True), "value": p.value, "interval_s": p.interval_s}
        )
        for p in read
    ]
    empty = pd.DataFrame({"at": pd.to_datetime([], utc=True), "value": [], "interval_s": []})
    return pd.concat(frames, ignore_index=True) if frames else empty


@click.command()
@click.argument("text", required=False)
@click.option(
    "--dependency",
    nargs=2,
    metavar="SERVICE FOLLOWER",
    help="FOLLOWER depends on SERVICE though nobody declared it: record that an experiment showed it.",
)
@click.option("--dismiss", is_flag=True, help="With --dependency: record that it does not.")
@click.option(
    "--why", default="", metavar="TEXT", help="What showed it, e.g. the GameDay and its experiment."
)
@click.option("--by", "who", metavar="NAME", help="Who says so [default: the login name].")
@click.option("--store", "root", metavar="DIR|URL", help="Store to write to, if not the workspace's.")
def confirm(
    text: str | None, dependency: tuple[str, str] | None, dismiss: bool, why: str, who: str | None, root: str | None
) -> None:  # fmt: skip
    """Ask a person to do TEXT by hand and to say so; or record what was found out about a dependency.

    With TEXT, as exported experiments call it: exit code 1 where nobody can be asked or the answer is no. With --dependency
    the answer is added to data/labels/dependencies.csv and to the store: the ledger and the plan count the dependency
    as declared from then on, or never propose it again.
    """
    import sys

    if dependency is not None:
        if text is not None:
            raise click.UsageError("Give TEXT or --dependency, not both.")
        click.echo(_decide(dependency, dismiss, why, who, root))
        return
    if dismiss or why or who:
        raise click.UsageError("--dismiss, --why and --by belong to --dependency SERVICE FOLLOWER.")
    if text is None:
        raise click.UsageError("Give TEXT, or --dependency SERVICE FOLLOWER.")
    if not sys.stdin.isatty():
        click.echo(f"Nobody to ask: {text}", err=True)
        raise SystemExit(1)
    raise SystemExit(0 if click.confirm(f"{text}. Done?") else 1)


def _decide(pair: tuple[str, str], dismiss: bool, why: str, who: str | None, root: str | None) -> str:
    """Append the answer to its file and read the file into the store; the sentence that says so."""
    import getpass
    from datetime import UTC, datetime

    from .. import evidence, pipeline
    from ..sources import dependency_verdicts, labels_file

    service, follower = (name.strip() for name in pair)
    if not service or not follower or service == follower:
        raise InputError(
            "A dependency has two services.", remedy="Name the one that fails, then the one that follows."
        )
    store, workspace = store_at(root), workspace_here()
    known = evidence.services(store)
    if unknown := [name for name in (service, follower) if name not in known]:
        raise InputError(
            f"No report, series, graph or GameDay names {safe(', '.join(unknown))}.",
            remedy="Write the name as `resilience ledger --all` does.",
        )
    verdict = "dismissed" if dismiss else "confirmed"
    path = workspace.root / "data" / dependency_verdicts.FOLDER / dependency_verdicts.NAME
    answer = {
        "service": service, "follower": follower, "verdict": verdict, "decided_by": who or getpass.getuser(),
        "decided_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "reason": why,
    }  # fmt: skip
    labels_file.append(path, answer, list(answer))
    done = pipeline.ingest(store, [path], base=workspace.root)
    if len(done.refused):
        row = done.refused.iloc[0]
        raise InputError(
            str(row["message"]), where=str(row["source_uri"]), line=row["line"], remedy=str(row["remedy"])
        )
    depends = "does not depend" if dismiss else "depends"
    return (
        f"{verdict.capitalize()}: {safe(follower)} {depends} on {safe(service)} (data/{dependency_verdicts.FOLDER}/"
        f"{dependency_verdicts.NAME}). A later line about the same two services replaces it."
    )
