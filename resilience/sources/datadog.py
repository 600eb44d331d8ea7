"""Saved replies of the Datadog timeseries API, v1 and v2, as the `series` table.

A v1 reply is saved as it is. A v2 reply names neither metric nor expression, so it is saved together with its request:
``{"request": <body>, "response": <reply>}``, both as they went over the wire.
"""

from __future__ import annotations

import gc
import re
from array import array
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ..errors import InputError
from ..schema import ROLLUPS
from . import foreign
from .points import EPOCH_FIRST, EPOCH_LAST, FileRead, Points, SeriesRead, join_tags, read_files

MAX_BYTES = 500_000_000
LARGEST = 1e300  # beyond it a value is a broken number, not a measurement

_QUERY = re.compile(
    r"(?:(?P<space>[a-z][a-z0-9_]{0,15}):)?(?P<metric>[A-Za-z][A-Za-z0-9_./-]{0,199})\{[^{}]*\}"
    r"(?: by \{[^{}]*\})?(?P<calls>(?:\.[a-z_]+\([^()]*\))*)"
)
_ROLLUP = re.compile(r"\.rollup\(\s*([a-z]+)")
_TOKEN = re.compile(r"[^\s\"',:;=]{20,}")


def read_saved(path: str | Path, *, base: str | Path | None = None) -> SeriesRead:
    """Series of one saved reply, or of every ``*.json`` in a folder.

    - metric: v1 as replied; v2 from the query. A formula of several queries has no metric of its own: it is named by
      the formula with the queries' expressions in it. So is a query wrapped in functions.
    - scope: v1 as replied, sorted; v2 the sorted group tags; `*` where there are none.
    - rollup: `.rollup(max, ...)`, else sum for `.as_count()`, else avg (what Datadog does) where the expression states
      an aggregator; `unknown` in any other case, such as a formula.
    - interval_s: v1 as replied; v2 the largest step that all its times lie on (points may be missing), the request's
      interval where there are fewer than two.
    - unit: short names joined by '/', null where Datadog states none.

    Null stays null. Raises InputError, for one file, where it is not such a reply, is cut off, is an error reply, or
    holds values that Datadog does not send; in a folder that file becomes a problem.
    """
    return read_files(Path(path), ".json", None if base is None else Path(base), _read)


def _read(path: Path, name: str) -> FileRead:
    reply = _Reply(name)
    data = reply.json(path)
    if "request" in data and "response" in data:
        points = reply.v2(reply.a(dict, data, "request"), reply.a(dict, data, "response"))
    elif isinstance(data.get("data"), dict) and "series" in (data["data"].get("attributes") or {}):
        raise reply.error(
            "This v2 reply was saved without its request, so nothing says which metric it holds.",
            'Save it as {"request": <body>, "response": <reply>}.',
        )
    elif "series" not in data:
        raise reply.error(*foreign.about_json(data))
    else:
        points = reply.v1(data)
    seen: set[tuple[Any, ...]] = set()
    for p in points:
        key = (p.metric, p.scope, p.interval_s, p.rollup)
        if key in seen:
            raise reply.error(
                f"Two queries give the same metric {p.metric[:80]!r}, scope {p.scope[:80]!r} and rollup.",
                "Group by the tag that tells them apart, or query them under different rollups.",
            )
        seen.add(key)
    return FileRead("datadog", name, points, [])


def loads(raw: bytes) -> Any:
    """`orjson.loads` with the garbage collector at rest: a v1 reply is 1500 small lists per series, and walking them
    again and again takes longer than reading them. Raises orjson.JSONDecodeError."""
    resting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(raw)
    finally:
        if resting:
            gc.enable()


def plain(expression: str) -> bool:
    """Whether `expression` is one query of one metric, without functions around it."""
    return _QUERY.fullmatch(expression.strip()) is not None


def points(request: dict[str, Any], response: Any, *, where: str, interval_s: float) -> list[Points]:
    """Series of one v2 reply that was asked for at `interval_s`; `where` names it in errors. Raises InputError.

    The interval is the one asked for, unless at least eight steps, all on multiples of a longer one as Datadog's
    intervals are, show that the server raised it: in a shorter reply, or with a nightly job that reports at 02:00,
    points are missing and the interval is as asked.
    """
    reply = _Reply(where, interval_s)
    if not isinstance(response, dict):
        raise reply.error("The reply is not an object.")
    return reply.v2(request, response)


def points_v1(response: Any, *, where: str) -> list[Points]:
    """Series of one v1 reply. Raises InputError."""
    reply = _Reply(where)
    if not isinstance(response, dict):
        raise reply.error("The reply is not an object.")
    return reply.v1(response)


class _Reply:
    """Checks one file; every error names it and shows at most 80 characters of it, without anything like a key."""

    def __init__(self, name: str, asked_s: float | None = None) -> None:
        self.name, self.asked_s = name, asked_s

    def error(self, what: str, remedy: str = "Download the reply again.") -> InputError:
        return InputError(what, where=self.name, remedy=remedy)

    def a(self, kind: type | tuple[type, ...], holder: dict[str, Any], key: str) -> Any:
        """`holder[key]`, which must be of `kind`."""
        value = holder.get(key) if isinstance(holder, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = {dict: "an object", list: "a list", str: "a text"}.get(kind, "a number")  # type: ignore[call-overload]
            found = "missing" if value is None else type(value).__name__
            raise self.error(f"{key!r} of the reply is not {wanted} but {found}.")
        return value

    def json(self, path: Path) -> dict[str, Any]:
        if path.stat().st_size > MAX_BYTES:
            raise self.error(f"The file is larger than {MAX_BYTES // 10**6} MB.", "Save shorter windows.")
        raw = path.read_bytes()
        if raw.lstrip()[:1] == b"<":
            raise self.error(
                "This is HTML, not a reply of the API.", "Sign in or check the address, then save it again."
            )
        try:
            data = loads(raw)
        except orjson.JSONDecodeError as error:
            raise self.error(
                f"The JSON is cut off or broken at line {error.lineno}, column {error.colno}.",
                "Download the reply again.",
            ) from None
        if not isinstance(data, dict):
            raise self.error(*foreign.about_json(data))
        for part in (data, data.get("response")):
            self._refuse_error_reply(part)
        return data

    def _refuse_error_reply(self, part: Any) -> None:
        if not isinstance(part, dict):
            return
        said = part.get("errors") or part.get("error")
        if said or part.get("status") == "error":
            text = "; ".join(map(str, said)) if isinstance(said, list) else str(said or "no reason given")
            raise self.error(
                f"Datadog replied with an error: {_TOKEN.sub('[removed]', text[:2000])[:80]}.",
                "Correct the query or the access rights and ask again.",
            )

    def v1(self, data: dict[str, Any]) -> list[Points]:
        return [self._v1_series(series) for series in self.a(list, data, "series")]

    def _v1_series(self, series: dict[str, Any]) -> Points:
        metric = self.a(str, series, "metric")
        pairs = self.a(list, series, "pointlist")
        if set(map(type, pairs)) - {list} or set(map(len, pairs)) - {2}:
            raise self.error(f"A point of {metric[:80]!r} is not a pair of time and value.")
        table = self._floats(list(chain.from_iterable(pairs)), metric).reshape(-1, 2)
        expression = series.get("expression")
        return Points(
            metric,
            join_tags(str(self.a(str, series, "scope")).split(",")),
            self._interval(self.a((int, float), series, "interval"), metric),
            _rollup(expression) if isinstance(expression, str) else "unknown",
            self._unit(series.get("unit")),
            self._times(table[:, 0], metric),
            table[:, 1],
        )

    def v2(self, request: dict[str, Any], response: dict[str, Any]) -> list[Points]:
        asked = self.a(dict, self.a(dict, request, "data"), "attributes")
        answer = self.a(dict, self.a(dict, response, "data"), "attributes")
        names = self._names(asked)
        series, values = self.a(list, answer, "series"), self.a(list, answer, "values")
        times = self.a(list, answer, "times")
        at = self._times(self._floats(times, "times"), "times")
        if len(series) != len(values) or not all(
            isinstance(v, list) and len(v) == len(times) for v in values
        ):
            raise self.error(
                f"{len(series)} series, {len(values)} lists of values and {len(times)} times do not fit together."
            )
        points, step = [], self._step(at, asked) if series else 0.0
        for one, value in zip(series, values, strict=True):
            index = self.a(int, one, "query_index")
            if not 0 <= index < len(names):
                raise self.error(
                    f"query_index {index} has no query in the request.",
                    "Save the reply with its own request.",
                )
            metric, rollup = names[index]
            tags = one.get("group_tags") or []
            if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                raise self.error("'group_tags' of the reply is not a list of texts.")
            points.append(
                Points(
                    metric,
                    join_tags(tags),
                    step,
                    rollup,
                    self._unit(one.get("unit")),
                    at,
                    self._floats(value, metric),
                )
            )
        return points

    def _names(self, asked: dict[str, Any]) -> list[tuple[str, str]]:
        """Metric and rollup of each `query_index`: it counts formulas, or queries where there is no formula."""
        queries: dict[str, tuple[str, str, str]] = {}
        for i, query in enumerate(self.a(list, asked, "queries")):
            if not isinstance(query, dict):
                raise self.error(
                    "A query of the request is not an object.", "Save the request as it was sent."
                )
            queries[str(query.get("name", f"query{i}"))] = self._query(query)
        formulas = asked.get("formulas")
        if not formulas:
            return [(metric, rollup) for metric, rollup, _ in queries.values()]
        if not isinstance(formulas, list):
            raise self.error("'formulas' of the request is not a list.", "Save the request as it was sent.")
        return [self._formula(self.a(str, formula, "formula").strip(), queries) for formula in formulas]

    def _query(self, query: dict[str, Any]) -> tuple[str, str, str]:
        """Metric, rollup and expression of a query; those of other data sources are named `source.what`."""
        source = self.a(str, query, "data_source")
        if source in ("metrics", "cloud_cost") or "query" in query:
            expression = self.a(str, query, "query").strip()
            plain = _QUERY.fullmatch(expression)
            return _metric(plain) if plain else expression, _rollup(expression), expression
        computed = query.get("compute")
        how = str(computed.get("aggregation")) if isinstance(computed, dict) else "unknown"
        what = next((str(query[k]) for k in ("metric", "stat", "measure") if query.get(k)), how)
        name = f"{source}.{what}"
        return name, how if how in ROLLUPS else "unknown", name

    def _formula(self, formula: str, queries: dict[str, tuple[str, str, str]]) -> tuple[str, str]:
        if formula in queries:
            return queries[formula][:2]
        named = re.sub(
            r"[A-Za-z_]\w*", lambda word: queries[word[0]][2] if word[0] in queries else word[0], formula
        )
        return named, "unknown"

    def _step(self, at: np.ndarray, asked: dict[str, Any]) -> float:
        steps = np.diff(np.sort(at))
        shared = float(np.gcd.reduce(steps)) / 1e6 if len(steps) else 0.0
        if self.asked_s is not None:
            raised = (
                len(steps) >= 8
                and shared > self.asked_s
                and np.mean(steps == shared * 1e6) >= 0.5
                and not (at % (shared * 1e6)).any()
            )
            return shared if raised else self.asked_s
        if shared:
            return shared
        return self._interval(self.a((int, float), asked, "interval") / 1000, "the request")

    def _interval(self, seconds: float, metric: str) -> float:
        if not 0 < seconds <= 31 * 86400:
            raise self.error(f"The interval of {metric[:80]!r} is {seconds:g} s.")
        return float(seconds)

    def _floats(self, values: list[Any], metric: str) -> np.ndarray:
        """Numbers and nulls as float64 with NaN; the types are looked at without a loop in Python."""
        try:
            # `array` itself refuses texts, nulls and lists, which saves half the time; only true and false pass, as 1 and 0
            floats = np.frombuffer(array("d", values))
            checked = not ((floats == 0) | (floats == 1)).any()
        except (TypeError, OverflowError):
            checked = False
        if not checked:
            wrong = set(map(type, values)) - {int, float, type(None)}
            if wrong:
                raise self.error(
                    f"A value of {metric[:80]!r} is of type {wrong.pop().__name__}, not a number."
                )
            floats = np.array(values, dtype=np.float64)
        if (np.abs(floats) > LARGEST).any():
            raise self.error(f"A value of {metric[:80]!r} is beyond {LARGEST:g}: a broken number.")
        return floats

    def _times(self, ms: np.ndarray, metric: str) -> np.ndarray:
        at = ms * 1000
        if not ((at >= EPOCH_FIRST) & (at <= EPOCH_LAST)).all():
            raise self.error(
                f"A time of {metric[:80]!r} is missing or not in milliseconds between 2000 and 2100.",
                "Save the reply as the API gave it: its times are milliseconds since 1970.",
            )
        whole = at.astype(np.int64)
        if not (np.diff(whole) > 0).all() and len(np.unique(whole)) != len(whole):
            raise self.error(f"A time of {metric[:80]!r} stands twice.")
        return whole

    def _unit(self, unit: Any) -> str | None:
        """`[unit, per-unit]`, each null or an object with a name."""
        if unit is None:
            return None
        if not isinstance(unit, list) or not all(u is None or isinstance(u, dict) for u in unit):
            raise self.error("'unit' of the reply is not a list of units.")
        names = [
            str(u.get("short_name") or u.get("name"))
            for u in unit
            if u and (u.get("short_name") or u.get("name"))
        ]
        return "/".join(names) or None


def _metric(query: re.Match[str]) -> str:
    """The metric of a plain query; a percentile of it is another metric: `p95:name`."""
    space = query["space"] or ""
    return f"{space}:{query['metric']}" if re.fullmatch(r"p\d{2,3}", space) else query["metric"]


def _rollup(expression: str) -> str:
    """How time was aggregated, from a plain query; 'unknown' where it does not say."""
    plain = _QUERY.fullmatch(expression.strip())
    if plain is None:
        return "unknown"
    stated = _ROLLUP.findall(plain["calls"])
    if stated:
        return stated[-1] if stated[-1] in ROLLUPS else "unknown"
    if ".as_count(" in plain["calls"]:
        return "sum"
    return "avg" if plain["space"] in ("avg", "sum", "min", "max") else "unknown"
