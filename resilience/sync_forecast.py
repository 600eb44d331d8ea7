"""What a sync would cost, told without asking anybody: calls, and the rate limit that the last sync saw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson

from .files import write_whole
from .sources.datadog_api import Limit
from .sources.datadog_config import Config
from .store import Store
from .sync import plan

_SERIES = "timeseries"


def forecast(
    config: Config,
    store: Store,
    since: datetime,
    until: datetime,
    others: list[str],
    limits: Mapping[str, Limit],
) -> str:
    """How many calls a sync would take, in words, and against which limit; `limits` as `remembered` gives them."""
    todo = plan(config, store, since, until)
    calls = sum(map(len, todo.values()))
    lines = [
        f"{calls} call(s) for {len(todo)} of {len(config.queries)} metric queries, {since:%Y-%m-%d %H:%M} to "
        f"{until:%Y-%m-%d %H:%M} UTC."
    ]
    lines += [f"  {len(found):5} {query.name}" for query, found in todo.items()]
    if others:
        lines.append(
            f"  and at least one each for {', '.join(others)}; how many pages they have is not known before."
        )
    return "\n".join([*lines, _against(calls, limits.get(_SERIES))])


def _against(calls: int, limit: Limit | None) -> str:
    if limit is None:
        return (
            "Series count against your organisation's rate limit of timeseries queries. Datadog sets it per organisation "
            "and states it in the headers of each reply, and no sync has seen one yet: the first one follows it, and "
            "after that it stands here."
        )
    named = f" ({limit.name})" if limit.name else ""
    periods = -(-calls // max(limit.calls, 1))
    least = (periods - 1) * limit.period_s
    return (
        f"Series count against your organisation's rate limit of timeseries queries{named}: {limit.calls:,} per "
        f"{_span(limit.period_s)}, as the last sync saw it. "
        + (f"At least {_span(least)}." if least > 0 else "They fit into one such period.")
    )


def _span(seconds: int) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def remember(path: Path, limits: Mapping[str, Limit]) -> None:
    """Writes the limits of a sync into `path`, whole or not at all; those of calls it did not make stay."""
    if not limits:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, orjson.dumps({**remembered(path), **limits}, option=orjson.OPT_SORT_KEYS))


def remembered(path: Path) -> dict[str, Limit]:
    """Limits by the short name of the call; none where there is no such file or it was spoilt."""
    try:
        found = orjson.loads(path.read_bytes())
        return {
            str(name): Limit(str(one["name"])[:60], int(one["calls"]), int(one["period_s"]))
            for name, one in found.items()
        }
    except (OSError, orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError):
        return {}
