"""The client alone against small servers: limits, redirects, silence, and keys that a server sends back."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resilience import sync_forecast
from resilience.sources.datadog_api import Api, Limit, Patience, Refused, Unreachable

from .test_sync import KEYS

Answer = tuple[int, bytes, dict[str, str]]
GOOD: Answer = (200, b"[]", {})


@contextmanager
def answering(answer: Callable[[int], Answer | None]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server whose n-th reply is `answer(n)`, None for silence; its address, and the headers that it was sent."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

        def do_GET(self) -> None:
            asked.append({name.lower(): value for name, value in self.headers.items()})
            given = answer(len(asked))
            if given is None:
                time.sleep(1)
                return
            status, raw, headers = given
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def api(host: str, **patience: float) -> Api:
    return Api(
        KEYS, host=host, patience=Patience(**{"wait_s": 0.02, "first_s": 0.01, "timeout_s": 0.3, **patience})
    )  # type: ignore[arg-type]


def limited(left: str = "0", reset: str = "3600", name: str = "query_timeseries") -> Answer:
    headers = {"Limit": "1600", "Period": "3600", "Remaining": left, "Reset": reset, "Name": name}
    return 429, b"{}", {f"X-RateLimit-{key}": value for key, value in headers.items()}


def test_a_limit_of_an_hour_is_asked_about_again_after_the_longest_wait_and_then_given_up() -> None:
    with answering(lambda n: limited()) as (host, asked):
        client = api(host)
        with pytest.raises(Unreachable, match="gave up after 8 attempts, the last one: HTTP 429"):
            client.call("monitors")
        assert (len(asked), client.retries) == (8, 7)
        assert client.budget == "0 of 1600 calls left per 3600 s (anew in 3600 s)"


def test_a_limit_is_waited_out_on_request_however_many_attempts_that_takes() -> None:
    with answering(lambda n: limited() if n < 30 else GOOD) as (host, asked):
        assert api(host, limit_s=60).call("monitors").data == []
        assert len(asked) == 30
    with answering(lambda n: limited()) as (host, asked):
        with pytest.raises(Unreachable):
            api(host, limit_s=0.2).call("monitors")
        assert 8 < len(asked) < 30, "the attempts count once the time is over"
    with answering(lambda n: (429, b"{}", {})) as (host, asked):
        with pytest.raises(Unreachable):
            api(host, limit_s=60).call("monitors")
        assert len(asked) == 8, "a limit that does not say when it ends is any other fault"


@pytest.mark.parametrize("reset", ["0.05", "-5", "nan", "inf", "1e400", "soon", "", "9" * 400])
def test_any_reset_is_survived(reset: str) -> None:
    with answering(lambda n: limited(reset=reset) if n == 1 else GOOD) as (host, asked):
        assert api(host).call("monitors").data == []
        assert len(asked) == 2


def test_a_used_up_limit_holds_the_next_call_before_it_is_made() -> None:
    spent = {**limited(reset="1")[2]}
    with answering(lambda n: (200, b"[]", spent)) as (host, _):
        client, began = api(host, wait_s=0.4), time.monotonic()
        client.call("monitors")
        client.call("monitors")
        assert time.monotonic() - began >= 0.4
        assert client.retries == 0


@pytest.mark.parametrize("key", KEYS.values())
def test_no_key_in_a_reply_an_error_or_the_progress(key: str) -> None:
    told = {f"X-RateLimit-{name}": key for name in ("Limit", "Period", "Remaining", "Reset", "Name")}
    body = f'{{"errors": ["{key} is not {key[:30]}"], "key": "{key}"}}'.encode()
    for status in (200, 400, 403, 404, 429, 500):
        with answering(lambda n, status=status: (status, body, {**told, "X": key})) as (host, _):  # type: ignore[misc]
            client, said = api(host, tries=2), ""
            try:
                said = client.call("monitors").raw.decode()
            except (Refused, Unreachable) as error:
                said = f"{error} {error!r} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}"
            assert key not in said + client.budget + repr(client.limits) + str(client.limits), status


def test_keys_do_not_follow_a_redirect() -> None:
    with answering(lambda n: GOOD) as (elsewhere, asked):
        for status in (301, 302, 307, 308):
            moved = (status, b"", {"Location": f"{elsewhere}/api/v1/monitor"})
            with (
                answering(lambda n, moved=moved: moved) as (host, _),
                pytest.raises(Refused, match=f"HTTP {status}"),
            ):  # type: ignore[misc]
                api(host).call("monitors")
        assert asked == []


@pytest.mark.parametrize(
    "broken",
    [
        None,
        (200, gzip.compress(b"[" + b"1," * 50_000 + b"1]", mtime=0)[:100], {"Content-Encoding": "gzip"}),
        (200, gzip.compress(b"[]", mtime=0)[:-4], {"Content-Encoding": "gzip"}),
        (200, b"not gzip", {"Content-Encoding": "gzip"}),
        (200, b"[]", {"Content-Encoding": "br"}),
        (200, b"[1, 2", {"Content-Length": "6000"}),
        (200, b"[1, 2", {}),
        (200, b"", {}),
        (204, b"", {}),
        (200, b"[]", {"Content-Length": "many"}),
        (503, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ],
    ids=lambda value: "silence" if value is None else f"{value[0]} {value[1][:6]!r} {value[2]}",
)
def test_what_does_not_arrive_whole_is_asked_for_again(broken: Answer | None) -> None:
    with answering(lambda n: broken if n == 1 else (200, b'[{"id": 1}]', {})) as (host, asked):
        assert api(host).call("monitors").data in ([{"id": 1}], [])
        assert len(asked) in (1, 2)


def test_a_compressed_reply_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resilience.sources.datadog_api.MAX_BYTES", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    with answering(lambda n: (200, bomb, {"Content-Encoding": "gzip"})) as (host, asked):
        with pytest.raises(Refused, match="larger than"):
            api(host).call("monitors")
        assert len(asked) == 1


def test_the_limit_that_a_sync_saw_is_told_by_the_next_dry_run(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "limits.json"
    assert sync_forecast.remembered(path) == {}
    with answering(lambda n: (200, b"[]", limited("1200", "5")[2])) as (host, _):
        client = api(host)
        client.call("monitors")
    sync_forecast.remember(path, client.limits)
    sync_forecast.remember(path, {"timeseries": Limit("", 100, 60)})
    found = sync_forecast.remembered(path)
    assert found == {"monitors": Limit("query_timeseries", 1600, 3600), "timeseries": Limit("", 100, 60)}
    path.write_bytes(b'{"monitors": [1]')
    assert sync_forecast.remembered(path) == {}
