"""`resilience sync datadog`, the records: incidents, events, monitors, SLOs, catalog relations, deployments.

Each reply is archived as it came before anything is made of it. Lists that cannot be asked for by date are fetched
whole (a call per hundred records or more); events and deployments go on from a watermark in the commit of their rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pandas as pd

from . import schema
from .archive import Archive
from .errors import InputError
from .reconcile import DOUBTS, reconcile
from .sources import datadog_incidents, datadog_records, trackers
from .sources.datadog_api import Api, Refused, Reply, Unreachable
from .sources.datadog_config import Config
from .sources.datadog_incidents import Beside
from .sources.datadog_records import Records
from .sources.tracked import Collector
from .store import Store
from .sync import Say, Synced

PAGE = {"incidents": 100, "incident_search": 100, "monitors": 1000, "slos": 1000, "relations": 100}
EVENTS = 1000
_PAGES = 100_000
_STALE = 3  # pages in a row that bring no new record: the server does not turn pages
LATE = timedelta(days=31)
"""How long after a month of an SLO is over it is read again: status corrections are entered afterwards."""


def parts(config: Config) -> list[str]:
    """Names of the parts that are switched on, in the order in which they are fetched."""
    names = ("incidents", "monitors", "relations", "deployments", "slos", "events")
    return [name for name in names if getattr(config, name)]


def records(
    api: Api, store: Store, archive: Archive, config: Config, since: datetime, until: datetime, *, say: Say
) -> Synced:
    """Fetches every part that is switched on. A part that is refused is listed, and the others go on.

    Stops where Datadog cannot be reached. Returns what was done; raises only what the store raises.
    """
    wanted = parts(config)
    fetch = _Fetch(api, store, archive, config, since, until)
    for i, name in enumerate(wanted):

        def tell(i: int = i, name: str = name) -> None:
            budget = f", {api.budget}" if api.budget else ""
            say(f"{name}: {api.calls} calls, {fetch.result.records:,} records{budget}", i, len(wanted))

        fetch.tell = tell
        tell()
        try:
            getattr(fetch, name)()
        except Unreachable as error:
            fetch.result.failed.append(f"{name}: {error}")
            break
        except InputError as error:
            fetch.result.failed.append(f"{name}: {error}")
    return fetch.result


class _Fetch:
    def __init__(
        self, api: Api, store: Store, archive: Archive, config: Config, since: datetime, until: datetime
    ) -> None:
        self._api, self._store, self._archive, self._config = api, store, archive, config
        self._since, self._until = since, until
        self.result = Synced()
        self.tell: Callable[[], None] = lambda: None

    def incidents(self) -> None:
        """The list has them all, the search adds the time in each state; then the other sources' rows are linked."""
        found: dict[str, dict[str, Any]] = {}
        broken = []
        query: dict[str, Any] = {"query": "state:(active OR stable OR resolved)"}
        for part, item, more in (("incidents", _listed, {}), ("incident_search", _searched, query)):
            for records, _ in self._pages(part, item, "page_size", "page_offset", **more):
                for record in records:
                    uid = _at(record, "id")
                    if not isinstance(uid, (str, int)) or isinstance(uid, bool):
                        broken.append(record)
                    elif part == "incidents" or str(uid) not in found:
                        found[str(uid)] = record
                    elif isinstance(about := found[str(uid)].get("attributes"), dict):
                        about.setdefault("field_analytics", _at(record, "attributes", "field_analytics"))
        beside = {
            uid: Beside(self._beside("impacts", uid, record), self._beside("attachments", uid, record))
            for uid, record in sorted(found.items())
        }
        given = [found[uid] for uid in sorted(found)] + broken
        out = datadog_incidents.collect(given, "datadog incidents", beside, self._config.services.names)
        self._store_incidents(out)

    def _store_incidents(self, out: Collector) -> None:
        read = trackers.frames(out)
        ids = list(read.incidents["incident_id"])
        self.result.records += len(ids)
        self._note(self._store.upsert("incidents", read.incidents))
        parts = {
            "incident_services": trackers.members(read.incidents, "services", "service"),
            "incident_teams": trackers.members(read.incidents, "teams", "team"),
            "incident_names": read.names,
            "timeline": schema.frame("timeline", out.timeline),
        }
        for table, rows in parts.items():
            self._note(self._store.upsert(table, rows, replacing=("incident_id", ids)))
        self._note(self._store.upsert("problems", read.problems, replacing=("source_uri", [out.uri])))
        commits, doubts = reconcile(self._store, None)
        for commit in commits:
            self._note(commit)
        self._note(self._store.upsert("problems", doubts, replacing=("source_uri", [DOUBTS])))

    def _beside(self, part: str, uid: str, record: dict[str, Any]) -> list[Any]:
        """Impacts or attachments of an incident: not asked for where it says that it has none, or nothing changed."""
        stated = _at(record, "relationships", part, "data")
        if isinstance(stated, list) and not stated:
            return []
        request = {"incident": uid, "modified": _at(record, "attributes", "modified")}
        digest = self._archive.last(part, request)
        over = _at(record, "attributes", "resolved") is not None
        if digest is not None and over:
            reply = orjson.loads(self._archive.read(part, digest))
        else:
            reply = self._kept(part, request, self._api.call(part, incident_id=uid))[0]
        found = _at(reply, "data")
        return found if isinstance(found, list) else []

    def monitors(self) -> None:
        self._all("monitors", datadog_records.monitor, lambda page: page, "page_size", "page", by_page=True)

    def relations(self) -> None:
        self._all(
            "relations",
            datadog_records.relation,
            lambda page: _at(page, "data"),
            "page_limit",
            "page_offset",
            include_discovered=True,
        )

    def _all(
        self,
        part: str,
        read: Callable[[Records, Any], None],
        item: Callable[[Any], Any],
        *names: str,
        **more: Any,
    ) -> None:
        into = Records(self._config.services, part)
        for records, where in self._pages(part, item, *names, **more):
            into.where = where
            for record in records:
                read(into, record)
        self._commit(into)

    def slos(self) -> None:
        """One row per SLO and calendar month; what is stored is asked for again only `LATE` after the month's end."""
        into = Records(self._config.services, "slos")
        there = self._store.load("slo_history")
        done = set(zip(there["slo_id"], there["month_at"], there["until_at"], strict=True))
        months = list(_months(self._since, self._until))
        today = months[-1][1] if months else None
        for records, where in self._pages("slos", lambda page: _at(page, "data"), "limit", "offset"):
            for slo in records:
                into.where = where
                if (known := into.record(slo)) is None:
                    continue
                made = into.time(known[0], known[1], "created_at")
                for month, end in months:
                    settled = self._until - end > LATE or end == today
                    if (settled and (known[0], month, end) in done) or (made is not None and end <= made):
                        continue
                    span = {"from_ts": int(month.timestamp()), "to_ts": int(end.timestamp())}
                    try:
                        reply = self._api.call("slo_history", slo_id=known[0], **span)
                    except Refused as error:
                        into.trouble(
                            known[0], None, f"its history of {month:%Y-%m} was refused: {error.what}"
                        )
                        continue
                    data, into.where = self._kept("slo_history", {"slo": known[0], **span}, reply)
                    datadog_records.slo_month(into, slo, data, month, end)
        self._commit(into)

    def deployments(self) -> None:
        def ask(first: datetime, last: datetime) -> Iterator[tuple[list[Any], str]]:
            about = {"from": _iso(first), "to": _iso(last), "limit": EVENTS}
            body = {"data": {"type": "dora_deployments_list_request", "attributes": about}}
            data, where = self._kept("deployments", about, self._api.call("deployments", body=body))
            found = _items(_at(data, "data"), "deployments")
            if len(found) >= EVENTS and last - first > timedelta(minutes=1):
                middle = first + (last - first) / 2  # there is no cursor: ask for halves
                yield from ask(first, middle)
                yield from ask(middle, last)
                return
            if len(found) >= EVENTS:
                self.result.failed.append(
                    f"deployments: Datadog gives at most {EVENTS} of a minute, and {_iso(first)} has as many; more may "
                    "be missing."
                )
            yield found, where

        self._onwards(
            "deployments", "", datadog_records.deployment, ask, timedelta(days=30), timedelta(days=7)
        )

    def events(self) -> None:
        query = self._config.events_query

        def ask(first: datetime, last: datetime) -> Iterator[tuple[list[Any], str]]:
            cursor, seen = None, set()
            for _ in range(_PAGES):
                page = {"limit": EVENTS, **({"cursor": cursor} if cursor else {})}
                about = {"query": query, "from": _iso(first), "to": _iso(last)}
                body = {"filter": about, "page": page, "sort": "timestamp"}
                data, where = self._kept("events", {**about, **page}, self._api.call("events", body=body))
                found = _items(_at(data, "data"), "events")
                yield found, where
                cursor = _at(data, "meta", "page", "after")
                if not found or not isinstance(cursor, str) or cursor in seen:
                    return
                seen.add(cursor)

        self._onwards("events", query, datadog_records.event, ask, timedelta(days=7), timedelta(days=1))

    def _onwards(
        self,
        table: str,
        query: str,
        read: Callable[[Records, Any], None],
        ask: Callable[[datetime, datetime], Iterator[tuple[list[Any], str]]],
        window: timedelta,
        late: timedelta,
    ) -> None:
        """Window after window from the watermark, less `late`; each window is one commit with its watermark."""
        name = f"datadog-{table}-{query}"
        mark = self._store.mark(table, name)
        first = self._since
        if mark is not None:
            first = max(first, datetime.fromtimestamp(mark, tz=first.tzinfo) - late)
        while first < self._until:
            last = min(first + window, self._until)
            into = Records(self._config.services, table)
            for records, where in ask(first, last):
                into.where = where
                for record in records:
                    read(into, record)
            marks = {name: int(last.timestamp())}
            self._commit(into, table, marks)
            reached = self._store.mark(table, name) or 0
            if marks[name] - reached > late.total_seconds():
                self._note(self._store.advance(table, marks))
            first = last

    def _pages(
        self, part: str, item: Callable[[Any], Any], size: str, at: str, *, by_page: bool = False, **more: Any
    ) -> Iterator[tuple[list[Any], str]]:
        """Pages until one is empty or says that it is the last. A page that repeats an earlier one is asked for again."""
        step, offset, told, known, stale = PAGE[part], 0, set[str](), set[str](), 0
        for _ in range(_PAGES):
            request = {**more, size: step, at: offset}
            reply = self._api.call(part, **request)
            if hashlib.sha256(reply.raw).hexdigest() in told:
                reply = self._api.call(part, **request)
            data, where = self._kept(part, request, reply)
            found = _items(item(data), part)
            digest = hashlib.sha256(reply.raw).hexdigest()
            ids = {str(_at(record, "id")) for record in found}
            stale = stale + 1 if ids <= known else 0
            if found and (digest in told or stale > _STALE):
                self.result.failed.append(
                    f"{part}: page {offset} repeats earlier ones. Run the command again."
                )
                return
            told.add(digest)
            known |= ids
            if found:
                yield found, where
            if not found or _is_last(data, offset + len(found), len(found) < step):
                return
            offset += (
                1 if by_page else len(found)
            )  # a short page is not the last: servers give fewer than asked for

    def _kept(self, part: str, request: dict[str, Any], reply: Reply) -> tuple[Any, str]:
        """What the reply says, once it is archived, and the name of the archived file."""
        path = self._archive.put(part, request, reply.raw).as_posix()
        self.tell()
        return reply.data, path

    def _commit(self, into: Records, marked: str = "", marks: dict[str, int] | None = None) -> None:
        frames = into.frames()
        problems = frames.pop("problems")
        for table, rows in frames.items():
            self.result.records += len(rows)
            self._note(self._store.upsert(table, rows, marks=marks if table == marked else None))
        whole = None if marked else ("source_uri", [f"datadog {into.part}"])
        self._note(self._store.upsert("problems", problems, replacing=whole))

    def _note(self, commit: Any) -> None:
        if commit.version is not None:
            self.result.commits.append(commit)


def _at(value: Any, *names: str) -> Any:
    """What lies under a path of keys, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _listed(page: Any) -> Any:
    return _at(page, "data")


def _searched(page: Any) -> Any:
    found = _at(page, "data", "attributes", "incidents")
    return [_at(one, "data") for one in found] if isinstance(found, list) else None


def _is_last(data: Any, reached: int, short: bool) -> bool:
    """Whether a page says that none follows, after `reached` records; a full one (not `short`) is not believed.

    Where it says nothing, an empty page is the end.
    """
    pages, links = _at(data, "meta", "pagination"), _at(data, "links")
    if isinstance(pages, dict):
        total = pages.get("total")
        if isinstance(total, int) and reached < total:
            return False
        return short and pages.get("next_offset") is None
    return short and isinstance(links, dict) and "self" in links and not links.get("next")


def _items(value: Any, part: str) -> list[Any]:
    """The records of a page; a reply without a list is not an empty list."""
    if isinstance(value, list):
        return value
    raise Refused(
        f"{part}: the reply holds no list of records.",
        remedy="It is kept in data/raw/datadog; check that the address is Datadog's.",
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _months(since: datetime, until: datetime) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """First moment and end of each calendar month (UTC); the last ends at the midnight before `until`."""
    month = pd.Timestamp(since).tz_convert("UTC").normalize().replace(day=1).as_unit("us")
    today = pd.Timestamp(until).tz_convert("UTC").normalize().as_unit("us")
    while month < today:
        end = month + pd.offsets.MonthBegin(1)
        yield month, min(end, today)
        month = end
