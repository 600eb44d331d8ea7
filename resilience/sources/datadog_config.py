"""`datadog.yml`: what `resilience sync datadog` asks for. It holds no key, and a text that looks like one is refused."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ..errors import InputError
from . import datadog, yaml_text
from .points import join_tags

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HERE = {"127.0.0.1", "localhost", "::1"}
_MAY_ROLL_UP = ("avg", "sum", "min", "max", "count", "last")


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,6})\s{0,3}([smhd])", value.strip())):
        return int(found[1]) * _SECONDS[found[2]]
    return value


Interval = Annotated[int, BeforeValidator(_seconds), Field(ge=1, le=86400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Query(_Part):
    """One metric to archive. `name` is its metric in the `series` table; the name in Datadog is a good choice."""

    name: str = Field(min_length=1, max_length=200)
    expression: str = Field(min_length=3, max_length=2000)
    rollup: str | None = None
    interval: Interval = 60

    @model_validator(mode="after")
    def _says_how_to_roll_up(self) -> Query:
        if self.rollup is None:
            return self
        if self.rollup not in _MAY_ROLL_UP:
            raise ValueError(f"rollup is one of {', '.join(_MAY_ROLL_UP)}")
        if ".rollup(" in self.expression:
            raise ValueError("rollup is stated twice, here and in the expression; keep one")
        if not datadog.plain(self.expression):
            raise ValueError("rollup can only be added to a plain expression; write .rollup() inside it")
        return self

    @property
    def sent(self) -> str:
        """The expression as it is sent: with the rollup in it, over the interval asked for."""
        if self.rollup is None:
            return self.expression.strip()
        return f"{self.expression.strip()}.rollup({self.rollup}, {self.interval})"

    @property
    def mark(self) -> str:
        """Name of its watermark: another expression or interval is another query, and is read from the start."""
        identity = "\0".join((self.name, self.sent, str(self.interval)))
        return "datadog-" + hashlib.sha256(identity.encode()).hexdigest()[:24]


class Services(_Part):
    """Which tags name a service, the first that is there wins, and what to call it."""

    tags: list[str] = Field(default=["service"], max_length=20)
    names: dict[str, str] = Field(default_factory=dict)

    def of(self, tags: list[str]) -> str | None:
        """The service that `key:value` tags name, or None."""
        for wanted in self.tags:
            for tag in tags:
                key, _, value = tag.partition(":")
                if key == wanted and value:
                    return self.names.get(value, value)
        return None

    def scope(self, scope: str) -> str:
        """A series' scope with the tag that names the service written as `service:<name>`."""
        tags = scope.split(",")
        service = self.of(tags)
        if service is None:
            return scope
        drop = next(
            t for want in self.tags for t in tags if t.partition(":")[0] == want and t.partition(":")[2]
        )
        rest = [tag for tag in tags if tag != drop]
        return join_tags([*rest, f"service:{service}"])


class Config(_Part):
    """The whole file."""

    zone: str = "UTC"
    since: date | datetime | None = None
    host: str | None = None
    queries: list[Query] = Field(default_factory=list, max_length=2000)
    services: Services = Services()
    incidents: bool = False
    events: bool = False
    events_query: str = Field(default="*", max_length=2000)
    monitors: bool = False
    slos: bool = False
    relations: bool = False
    deployments: bool = False

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("it is not an IANA zone such as Europe/Berlin") from None
        return zone

    @field_validator("host")
    @classmethod
    def _keeps_keys_private(cls, host: str | None) -> str | None:
        return host if host is None else checked_host(host)

    @model_validator(mode="after")
    def _tells_queries_apart(self) -> Config:
        seen: set[tuple[str, int]] = set()
        for query in self.queries:
            if (query.name, query.interval) in seen:
                raise ValueError(f"two queries are named {query.name[:60]!r} at one interval; rename one")
            seen.add((query.name, query.interval))
        return self

    def moment(self, value: str | date | datetime) -> datetime:
        """UTC of a date or moment; without an offset it is meant in `zone`. Raises InputError."""
        try:
            if isinstance(value, str):
                value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            raise InputError(
                f"{str(value)[:40]!r} is not a date or moment.",
                remedy="Write 2020-01-31 or 2020-01-31T08:00+01:00.",
            ) from None
        if not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if value.tzinfo is None:
            value = value.replace(tzinfo=ZoneInfo(self.zone))
        return value.astimezone(UTC)


def checked_host(host: str) -> str:
    """`host` where keys may be sent: https, or http on this machine. Raises ValueError."""
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("it is not an address such as https://api.datadoghq.eu")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise ValueError("keys would travel in the clear; use https (http only on this machine)")
    return host.rstrip("/")


def read(path: Path) -> Config:
    """The checked file. Raises InputError with line and remedy."""
    if not path.is_file():
        raise InputError(
            "There is no such file.", where=path.name, remedy="Write one: docs/datadog-sync.md shows how."
        )
    data, line_of = yaml_text.load(path, path.name)
    if data is None:
        data = {}
    if isinstance(data, dict):
        for name in data:
            if re.search(r"key|secret|token", str(name).lower()):
                raise InputError(
                    "Keys do not belong into a file.",
                    where=path.name,
                    line=line_of((name,)),
                    remedy="Remove it, make a new key, and export DD_API_KEY and DD_APP_KEY instead.",
                )
    return yaml_text.validate(Config, data, line_of, path.name)
