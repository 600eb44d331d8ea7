"""The Datadog API over the network: raw JSON replies, one call at a time, with patience that has a limit.

The only module that names datadog_api_client. The client's typed models are slow and turn a record of an unknown
type into something empty, so replies are kept as bytes and read by orjson. Keys come from the environment only
(DD_API_KEY, DD_APP_KEY, DD_SITE) and are taken out of everything that is handed on.
"""

from __future__ import annotations

import random
import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException, OpenApiException
from datadog_api_client.v1.api.monitors_api import MonitorsApi
from datadog_api_client.v1.api.service_level_objectives_api import ServiceLevelObjectivesApi
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.api.events_api import EventsApi
from datadog_api_client.v2.api.incidents_api import IncidentsApi
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.api.software_catalog_api import SoftwareCatalogApi
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from ..errors import InputError
from .datadog import loads

MAX_BYTES = 200_000_000
"""Largest reply that is read, decompressed."""
_CHUNK = 1 << 18

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOKEN = re.compile(r"[^\s\"',:;=(){}\[\]]{20,}")
_SITE = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")

_CALLS: dict[str, tuple[type, str]] = {
    "timeseries": (MetricsApi, "query_timeseries_data"),
    "incidents": (IncidentsApi, "list_incidents"),
    "incident_search": (IncidentsApi, "search_incidents"),
    "impacts": (IncidentsApi, "list_incident_impacts"),
    "attachments": (IncidentsApi, "list_incident_attachments"),
    "events": (EventsApi, "search_events"),
    "monitors": (MonitorsApi, "list_monitors"),
    "slos": (ServiceLevelObjectivesApi, "list_slos"),
    "slo_history": (ServiceLevelObjectivesApi, "get_slo_history"),
    "relations": (SoftwareCatalogApi, "list_catalog_relation"),
    "deployments": (DORAMetricsApi, "list_dora_deployments"),
}
_UNSTABLE = ("list_incidents", "search_incidents", "list_incident_attachments")


class Refused(InputError):
    """The API answered, and asking again in the same way is useless (a wrong query, no access)."""


class Unreachable(InputError):
    """The API could not be asked, or kept failing, for as long as we are willing to wait. Run again to go on."""


@dataclass(frozen=True)
class Reply:
    """One reply: its bytes as they came (decompressed, keys removed) and what they say."""

    raw: bytes
    data: Any


@dataclass(frozen=True)
class Patience:
    """`wait_s` caps every single wait, whatever the server asks for; `tries` counts all attempts of one call.

    `timeout_s` is the longest silence, `whole_s` the longest time that one reply may take to arrive. `limit_s`: for how
    long in all a call may wait for a rate limit whose end the server states, before its attempts count.
    """

    tries: int = 8
    wait_s: float = 60.0
    first_s: float = 0.5
    timeout_s: float = 60.0
    whole_s: float = 600.0
    limit_s: float = 0.0


@dataclass(frozen=True)
class Limit:
    """A rate limit as the headers of replies state it: `calls` per `period_s` seconds; `name` is Datadog's, if any."""

    name: str
    calls: int
    period_s: int


class Api:
    """Calls by short name, each with retries; safe to use from several threads.

    Raises InputError where a key is missing from the environment, `Refused` and `Unreachable` as they say.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        host: str | None = None,
        patience: Patience = Patience(),
        parallel: int = 4,
    ) -> None:
        missing = [name for name in ("DD_API_KEY", "DD_APP_KEY") if not environ.get(name)]
        if missing:
            raise InputError(
                f"{' and '.join(missing)} not set in the environment.",
                remedy="Export the keys of your Datadog account; they are never read from a file.",
            )
        site = environ.get("DD_SITE") or "datadoghq.com"
        if not _SITE.fullmatch(site):
            raise InputError(
                "DD_SITE is not a site.", remedy="Use one such as datadoghq.com or datadoghq.eu."
            )
        self._keys = [environ[name].encode() for name in ("DD_API_KEY", "DD_APP_KEY")]
        configuration = Configuration(
            host=host or f"https://api.{site}",
            api_key={"apiKeyAuth": environ["DD_API_KEY"], "appKeyAuth": environ["DD_APP_KEY"]},
        )
        configuration.preload_content = False
        configuration.check_input_type = False
        configuration.request_timeout = (patience.timeout_s, patience.timeout_s)
        # The loop below retries: it also covers a body that is cut off, which the client's own retries cannot see.
        # Redirects are not followed, because the keys would go with them.
        configuration.retry_policy = Retry(total=False)
        for operation in _UNSTABLE:
            configuration.unstable_operations[operation] = True
        warnings.filterwarnings("ignore", message="Using unstable operation")
        client = ApiClient(configuration)
        client.rest_client.pool_manager.connection_pool_kw["maxsize"] = parallel
        self._calls: dict[str, Callable[..., Any]] = {
            name: getattr(api(client), method) for name, (api, method) in _CALLS.items()
        }
        self._patience = patience
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._free_at: dict[str, float] = {}
        self.calls = 0
        self.retries = 0
        self.budget = ""
        """The rate limit that spoke last, in words."""
        self.limits: dict[str, Limit] = {}
        """The limit of each call by its short name, as far as replies stated one."""

    def close(self) -> None:
        """Wakes every wait; calls that are still going end with `Unreachable`."""
        self._stop.set()

    def call(self, name: str, **parameters: Any) -> Reply:
        """The reply to one call; waits and asks again while that can help."""
        said, attempt, again, waited = "no answer", 0, False, 0.0
        while attempt < self._patience.tries:
            self._hold(name)
            with self._lock:
                self.calls += 1
                self.retries += again
            wait, again = self._patience.first_s * 2**attempt, True
            try:
                return self._read(self._calls[name](**parameters), name)
            except ApiException as error:
                headers = dict(error.headers or {})
                said = f"HTTP {error.status}"
                if error.status not in _PASSING:
                    raise self._refused(name, error) from None
                if error.status == 429:
                    stated = self._limit(name, headers, spent=True)
                    wait = max(wait, stated)
                    if stated and waited < self._patience.limit_s:
                        waited += self._sleep(min(wait, self._patience.wait_s))
                        continue
            except (HTTPError, OSError) as error:
                said = type(error).__name__  # its text may hold the address with its parameters
            except OpenApiException as error:
                raise Refused(
                    f"{name}: the client refuses this call: {type(error).__name__}.",
                    remedy="Report it: the request is ours, not yours.",
                ) from None
            except _Broken as error:
                said = str(error)
            attempt += 1
            if attempt < self._patience.tries:
                self._sleep(min(wait, self._patience.wait_s))
        raise Unreachable(
            f"{name}: gave up after {self._patience.tries} attempts, the last one: {said}.",
            remedy="What was committed stays; run the same command again to go on from there.",
        )

    def _hold(self, name: str) -> None:
        """Waits while a limit that this call shares is known to be used up, at most the cap."""
        with self._lock:
            wait = self._free_at.get(name, 0.0) - time.monotonic()
        if wait > 0:
            self._sleep(min(wait, self._patience.wait_s))

    def _sleep(self, seconds: float) -> float:
        """Waits for `seconds` and a bit more, unless the calls are stopped; the seconds."""
        jitter = random.uniform(0, 0.1 * seconds + 0.01)  # noqa: S311 (spreads retries, keeps no secret)
        if self._stop.wait(seconds + jitter):
            raise Unreachable("Stopped.", remedy="Run the same command again to go on.")
        return seconds + jitter

    def _limit(self, name: str, headers: Mapping[str, str], *, spent: bool = False) -> float:
        """Seconds until the limit in `headers` starts anew, where it is used up; remembers it for the other threads."""
        found = {k.lower(): v for k, v in headers.items()}
        limit, period, left = (
            int(value)
            if re.fullmatch(r"[0-9]{1,9}", value := found.get(f"x-ratelimit-{k}", "").strip())
            else None
            for k in ("limit", "period", "remaining")
        )
        if limit is not None and period:
            self.budget = f"{'?' if left is None else left} of {limit} calls left per {period} s"
            called = found.get("x-ratelimit-name", "")
            called = (
                called if re.fullmatch(r"[a-z0-9_]{1,60}", called) and not self._holds_key(called) else ""
            )
            self.limits[name] = Limit(called, limit, period)
        if not (spent or left == 0):
            return 0.0
        asked = found.get("x-ratelimit-reset") or found.get("retry-after") or ""
        try:
            reset = float(asked)
        except ValueError:
            return 0.0
        if not 0 <= reset < 1e9:
            return 0.0
        if limit is not None and period and reset > 1:
            self.budget += f" (anew in {reset:.0f} s)"
        reset = min(reset, self._patience.wait_s)
        with self._lock:
            self._free_at[name] = time.monotonic() + reset
        return reset

    def _holds_key(self, text: str) -> bool:
        return any(key.decode(errors="replace") in text for key in self._keys)

    def _read(self, response: Any, name: str) -> Reply:
        """The whole body, bounded in bytes and in time; `_Broken` where it is not whole."""
        if not isinstance(response, tuple):
            response = (response,)
        http = response[0]
        until = time.monotonic() + self._patience.whole_s
        parts, size = [], 0
        try:
            while part := http.read(_CHUNK, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > MAX_BYTES:
                    raise Refused(
                        f"{name}: the reply is larger than {MAX_BYTES // 10**6} MB.",
                        remedy="Ask for fewer groups, or a longer interval.",
                    )
                if time.monotonic() > until or self._stop.is_set():
                    raise _Broken("the reply took too long")
        finally:
            http.release_conn() if size <= MAX_BYTES else http.close()
        raw = b"".join(parts)
        for key in self._keys:
            if len(key) >= 8:
                raw = raw.replace(key, b"[removed]")
        self._limit(name, dict(http.headers))
        try:
            return Reply(raw, loads(raw))
        except orjson.JSONDecodeError:
            raise _Broken("a reply that is cut off or not JSON") from None

    def _refused(self, name: str, error: ApiException) -> Refused:
        """What the server said, without anything like a key; no more than 120 characters of it."""
        body = error.body if isinstance(error.body, (bytes, str)) else b""
        try:
            errors = orjson.loads(body)["errors"]
            text = "; ".join(
                e if isinstance(e, str) else str(e.get("detail") or e.get("title")) for e in errors[:3]
            )
        except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
            text = ""
        for key in self._keys:
            text = text.replace(key.decode(errors="replace"), "[removed]")
        said = f": {_TOKEN.sub('[removed]', text[:2000])[:120]}" if text else ""
        remedy = (
            "Check DD_API_KEY, DD_APP_KEY, DD_SITE and the scopes of the application key."
            if error.status in (401, 403)
            else "Correct the query in datadog.yml, or switch this part off there."
        )
        return Refused(f"{name}: Datadog answered HTTP {error.status}{said}.", remedy=remedy)


class _Broken(Exception):
    """A reply that did not arrive whole: worth another attempt."""
