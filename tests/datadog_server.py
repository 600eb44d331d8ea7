"""A stand-in for Datadog on loopback, with a truth of its own and faults on demand; it stops by itself."""

from __future__ import annotations

import errno
import gzip
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pandas as pd

FAULTS = (
    "429", "429 reset", "429 reset 3600", "429 fraction", "500", "503", "silence", "hang up", "refuse",
    "truncated", "truncated unsaid", "gzip", "truncated gzip", "html",
)  # fmt: skip


@dataclass
class World:
    """What the server knows. A value depends on metric, group and time only; `late` points appear afterwards."""

    step: int = 3600
    groups: tuple[str, ...] = ("a", "b")
    raised: dict[str, int] = field(default_factory=dict)
    """Metric -> seconds that the server gives instead of the interval asked for."""
    late: dict[tuple[str, str, int], float] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    """Metrics without any point."""
    only: dict[str, frozenset[int]] = field(default_factory=dict)
    """Metric -> the only seconds at which it has points."""
    hidden_before: int = 0
    """Seconds since 1970 from which on there are points."""
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    paging: str = ""
    """How a list of incidents says what follows (`_Handler._paged`); "stuck" never turns the page."""
    corrected: dict[int, float] = field(default_factory=dict)
    """Month of the year -> percentage of every SLO, where somebody corrected it."""

    def values(self, metric: str, group: str, at: np.ndarray) -> np.ndarray:
        """Values at the times `at`, seconds; NaN where there is a gap."""
        seed = sum(map(ord, metric + group))
        mixed = (at // 60 * 2_654_435_761 + seed * 40_503) % 1_000_003
        value = np.where(mixed % 29 == 0, np.nan, mixed / 100)
        value[at // 86400 % 50 == seed % 50] = np.nan  # a day without any point
        if metric in self.only:
            value[~np.isin(at, list(self.only[metric]))] = np.nan
        value[at < self.hidden_before] = np.nan
        for (m, g, when), changed in self.late.items():
            if (m, g) == (metric, group):
                value[at == when] = changed
        return value

    def reply(self, metric: str, first: int, last: int, step: int) -> dict[str, Any]:
        step = self.raised.get(metric, step)
        at = np.arange(-(-first // step) * step, last, step, dtype=np.int64)
        table = [self.values(metric, group, at) for group in self.groups]
        there = ~np.isnan(table).all(axis=0) if metric not in self.silent else np.zeros(len(at), bool)
        values = [[None if np.isnan(v) else float(v) for v in column[there]] for column in table]
        series = [
            {"group_tags": [f"service:{group}"], "query_index": 0, "unit": None} for group in self.groups
        ]
        found = {"series": series, "times": (at[there] * 1000).tolist(), "values": values}
        if not there.any():
            found = {"series": [], "times": [], "values": []}
        return {"data": {"id": "0", "type": "timeseries_response", "attributes": found}}

    def reply_v1(self, metric: str, first: int, last: int, expression: str) -> dict[str, Any]:
        about = self.reply(metric, first, last, self.step)["data"]["attributes"]
        common = {
            "metric": metric,
            "interval": self.raised.get(metric, self.step),
            "expression": expression,
            "unit": None,
        }
        series = [
            {**common, "scope": one["group_tags"][0], "tag_set": one["group_tags"], "length": len(about["times"]),
             "pointlist": [[float(at), value] for at, value in zip(about["times"], values, strict=True)]}
            for one, values in zip(about["series"], about["values"], strict=True)
        ]  # fmt: skip
        return {"status": "ok", "res_type": "time_series", "query": expression, "series": series}

    def truth(self, metrics: list[str], first: int, last: int) -> pd.DataFrame:
        """The points that a perfect archive holds, in the order of the store."""
        parts = []
        for metric in metrics:
            step = self.raised.get(metric, self.step)
            at = np.arange(-(-first // step) * step, last, step, dtype=np.int64)
            table = {group: self.values(metric, group, at) for group in self.groups}
            there = ~np.isnan(list(table.values())).all(axis=0)
            if metric in self.silent:
                there[:] = False
            parts += [
                pd.DataFrame({"metric": metric, "scope": f"service:{g}", "at": at[there] * 1_000_000, "value": v[there],
                              "interval_s": float(step)})
                for g, v in table.items()
            ]  # fmt: skip
        rows = pd.concat(parts, ignore_index=True)
        rows["at"] = pd.to_datetime(rows["at"], unit="us", utc=True).astype("datetime64[us, UTC]")
        return rows.sort_values(["metric", "scope", "interval_s", "at"], ignore_index=True)


class Server(ThreadingHTTPServer):
    """The fault "refuse" closes the listening socket for a moment, so that new connections are refused by the system."""

    daemon_threads = True
    request_queue_size = 64
    REFUSED_S = 0.06

    def __init__(self, world: World, *, faults: float = 0.0, seed: int = 1, secret: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world, self.faults, self.secret = world, faults, secret
        self.chance, self.guard = random.Random(seed), threading.Lock()
        self.seen: list[tuple[str, Any]] = []
        self.struck: list[str] = []
        self.forbidden = False
        self.refused = ""
        self.slow_s, self.slow_after = 0.0, 0  # seconds per call, from which call on
        self.refusals = 0
        self.away, self.stopping = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def strike(self) -> str | None:
        """The fault that the next request gets, if any."""
        with self.guard:
            if self.chance.random() >= self.faults:
                return None
            self.struck.append(fault := self.chance.choice(FAULTS))
            return fault

    def run(self) -> None:
        """Accepts until `stopping` is set."""
        self.socket.settimeout(0.05)
        while not self.stopping.is_set():
            if self.away.is_set():
                self.socket.close()
                with socket.socket() as probe:
                    self.refusals += probe.connect_ex(self.server_address) == errno.ECONNREFUSED
                time.sleep(self.REFUSED_S)
                self.socket = socket.socket()
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(self.server_address)
                self.socket.listen(self.request_queue_size)
                self.socket.settimeout(0.05)
                self.away.clear()
            try:
                request, address = self.socket.accept()
            except TimeoutError:
                continue
            request.settimeout(None)
            self.process_request(request, address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed or went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(orjson.loads(self.rfile.read(length)) if length else None)

    def _serve(self, body: Any) -> None:
        parts = urlsplit(self.path)
        with self.server.guard:
            self.server.seen.append((parts.path, body or parse_qs(parts.query)))
        if self.server.forbidden:
            self._send(403, orjson.dumps({"errors": [f"Forbidden: key {self.server.secret} has no access"]}))
            return
        if self.server.slow_s and len(self.server.seen) > self.server.slow_after:
            time.sleep(self.server.slow_s)
        fault = self.server.strike()
        if fault is not None and self._fault(fault):
            return
        if parts.path == self.server.refused:
            self._deliver(None, None)
            return
        reply = self._answer(parts.path, body, parse_qs(parts.query))
        self._deliver(reply, fault)

    def _fault(self, fault: str) -> bool:
        """Answers with `fault`; False where the reply itself carries it."""
        limit = {"X-RateLimit-Limit": "1600", "X-RateLimit-Period": "3600", "X-RateLimit-Remaining": "0"}
        reset = {"429 reset": "1", "429 reset 3600": "3600", "429 fraction": "0.05"}
        if fault.startswith("429"):
            more = {"X-RateLimit-Reset": reset[fault]} if fault in reset else {}
            self._send(429, b'{"errors":["Too many requests"]}', {**limit, **more})
        elif fault in ("500", "503"):
            self._send(int(fault), b"<html>oops</html>")
        elif fault == "silence":
            time.sleep(1.0)
            self.close_connection = True
        elif fault in ("hang up", "refuse"):
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )  # a reset instead of a clean end
            if fault == "refuse":
                self.server.away.set()
                time.sleep(0.05)  # until the listening socket is closed, at the latest when its wait ends
            self.connection.close()
            self.close_connection = True
        elif fault == "html":
            self._send(200, b"<html>Sign in</html>")
        else:
            return False
        return True

    def _deliver(self, reply: Any, fault: str | None) -> None:
        if reply is None:
            self._send(404, b'{"errors":["Not found"]}')
            return
        raw = orjson.dumps(reply)
        cut = len(raw) // 2
        if fault == "truncated":
            self._send(200, raw[:cut], {"Content-Length": str(len(raw))})
            self.close_connection = True
        elif fault == "truncated unsaid":
            self._send(200, raw[:cut], {"Connection": "close"}, length=False)
            self.close_connection = True
        elif fault in ("gzip", "truncated gzip"):
            packed = gzip.compress(raw)
            packed = packed if fault == "gzip" else packed[: len(packed) // 2]
            self._send(200, packed, {"Content-Encoding": "gzip"})
        else:
            self._send(
                200,
                raw,
                {"X-RateLimit-Limit": "1600", "X-RateLimit-Period": "3600", "X-RateLimit-Remaining": "900"},
            )

    def _send(
        self, status: int, raw: bytes, headers: dict[str, str] | None = None, *, length: bool = True
    ) -> None:
        self.send_response(status)
        given = {"Content-Type": "application/json", **(headers or {})}
        if length:
            given.setdefault("Content-Length", str(len(raw)))
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _answer(self, path: str, body: Any, asked: dict[str, list[str]]) -> Any:
        if path == "/api/v2/query/timeseries":
            about = body["data"]["attributes"]
            metric = about["queries"][0]["query"].split("{")[0].split(":")[-1]
            return self.server.world.reply(
                metric, about["from"] // 1000, about["to"] // 1000, about["interval"] // 1000
            )
        if path == "/api/v1/query":
            metric = asked["query"][0].split("{")[0].split(":")[-1]
            return self.server.world.reply_v1(
                metric, int(asked["from"][0]), int(asked["to"][0]), asked["query"][0]
            )
        return self._records(path, body, asked)

    def _records(self, path: str, body: Any, asked: dict[str, list[str]]) -> Any:
        """Pages, smaller than asked for; events come reordered, and two of each page come again on the next."""
        have = self.server.world.records

        def page(name: str, size: str, offset: str, most: int) -> list[Any]:
            first, step = int(asked.get(offset, ["0"])[0]), min(int(asked.get(size, ["10"])[0]), most)
            return have.get(name, [])[first : first + step]

        if path == "/api/v2/incidents":
            return self._paged(
                page("incidents", "page[size]", "page[offset]", 7), int(asked["page[offset]"][0])
            )
        if path == "/api/v2/incidents/search":
            found = [{"data": one} for one in page("searched", "page[size]", "page[offset]", 5)]
            return {"data": {"attributes": {"incidents": found}}}
        if path.startswith("/api/v2/incidents/"):
            uid, what = path.split("/")[4:6]
            return {"data": have.get(f"{what} {uid}", [])}
        if path == "/api/v1/monitor":
            first, step = int(asked["page"][0]), int(asked["page_size"][0])
            return have.get("monitors", [])[first * step : (first + 1) * step]
        if path == "/api/v2/catalog/relation":
            return {"data": page("relations", "page[limit]", "page[offset]", 9)}
        if path == "/api/v1/slo":
            return {"data": page("slos", "limit", "offset", 3), "error": None}
        if path.startswith("/api/v1/slo/"):
            month = pd.Timestamp(int(asked["from_ts"][0]), unit="s", tz="UTC").month
            value = None if month == 2 else self.server.world.corrected.get(month, 99.0 + month / 100)
            errors = [{"error_message": "no data", "error_type": "X"}] if value is None else []
            return {"data": {"overall": {"sli_value": value, "errors": errors}}, "errors": None}
        if path == "/api/v2/dora/deployments":
            about = body["data"]["attributes"]
            inside = [d for d in have.get("deployments", [])
                      if about["from"][:19] <= d["attributes"]["started_at"][:19] < about["to"][:19]]  # fmt: skip
            return {"data": inside[: min(about["limit"], 1000)]}
        if path == "/api/v2/events/search":
            about, first = body["filter"], int(body["page"].get("cursor", "0"))
            inside = [e for e in have.get("events", [])
                      if about["from"][:19] <= e["attributes"]["timestamp"][:19] < about["to"][:19]]  # fmt: skip
            self.server.chance.shuffle(some := inside[max(first - 2, 0) : first + 6])
            after = {"meta": {"page": {"after": str(first + 6)}}} if first + 6 < len(inside) else {}
            return {"data": some, **after}
        return None

    def _paged(self, found: list[Any], first: int) -> dict[str, Any]:
        """A page of incidents, and what it says of those after it."""
        world, after = self.server.world, first + len(found)
        if world.paging == "stuck":
            return {"data": world.records["incidents"][:7], "meta": {"asked": len(self.server.seen)}}
        total = len(world.records["incidents"])
        about: dict[str, dict[str, int]] = {
            "next": {"next_offset": after} if after < total else {"size": len(found)},
            "next, always": {"next_offset": after},
            "total": {"total": total},
            "nothing useful": {},
        }
        return {"data": found, **({"meta": {"pagination": about[world.paging]}} if world.paging else {})}


@contextmanager
def serving(world: World, **options: Any) -> Iterator[Server]:
    """A server that ends with the block."""
    server = Server(world, **options)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        thread.join(5)
        server.server_close()
