"""Sync against a stand-in server over real sockets: exact in spite of faults, cheap the second time, silent about keys."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from resilience import sync, sync_records
from resilience.cli import main
from resilience.errors import InputError
from resilience.sources import datadog_config
from resilience.sources.datadog_api import Api, Patience
from resilience.store import Store

from .datadog_server import Server, World, serving

KEYS = {
    "DD_API_KEY": "0123456789abcdef0123456789abcdef",
    "DD_APP_KEY": "fedcba9876543210" + "fedcba9876543210abcdef01",
}
SINCE, UNTIL = datetime(2020, 1, 1, 5, tzinfo=UTC), datetime(2020, 5, 1, 12, 20, tzinfo=UTC)
HASTY = Patience(tries=12, wait_s=0.05, first_s=0.01, timeout_s=0.5)


def config(metrics: list[str], interval: int = 3600) -> datadog_config.Config:
    queries = [
        {"name": m, "expression": f"avg:{m}{{*}} by {{service}}", "interval": interval} for m in metrics
    ]
    return datadog_config.Config.model_validate({"queries": queries})


def run(
    server: Server,
    root: Path,
    wanted: datadog_config.Config,
    since: datetime = SINCE,
    until: datetime = UNTIL,
) -> sync.Synced:
    api = Api(KEYS, host=server.url, patience=HASTY)
    return sync.series(api, Store(root), wanted, since, until, say=lambda *_: None)


def stored(root: Path) -> pd.DataFrame:
    return Store(root).load("series")[["metric", "scope", "at", "value", "interval_s"]]


def truth(world: World, metrics: list[str], since: datetime = SINCE, until: datetime = UNTIL) -> pd.DataFrame:
    last = int(until.timestamp()) // world.step * world.step
    rows = world.truth(metrics, int(since.timestamp()), last)
    keys = ["metric", "scope", "interval_s", "at"]
    return rows.sort_values(keys, ignore_index=True)[["metric", "scope", "at", "value", "interval_s"]]


def same(root: Path, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(stored(root), expected, check_dtype=False)


def test_a_second_run_asks_once_per_query_and_commits_nothing(tmp_path: Path) -> None:
    names = ["m0", "m1", "m2"]
    world = World(silent=frozenset({"m2"}))
    with serving(world) as server:
        first = run(server, tmp_path, config(names))
        assert len(server.seen) == 3 * 3  # 121 days at 1 hour, 60 days a window, aligned
        versions = Store(tmp_path).versions()
        server.seen.clear()
        again = run(server, tmp_path, config(names))
        assert (len(server.seen), again.commits, Store(tmp_path).versions()) == (3, [], versions)
        assert first.points == again.points + len(stored(tmp_path)) - again.points
        server.seen.clear()
        later = datetime(2020, 5, 8, 12, tzinfo=UTC)
        run(server, tmp_path, config(names), until=later)
        assert len(server.seen) == 3
    same(tmp_path, truth(world, names, until=later))


def test_points_that_come_late_or_change_are_read_again(tmp_path: Path) -> None:
    world = World()
    with serving(world) as server:
        run(server, tmp_path, config(["m0"]))
        for back in (1, 5, 100, 300):
            world.late["m0", "a", int(UNTIL.timestamp()) // 3600 * 3600 - back * 3600] = -1.0 * back
        done = run(server, tmp_path, config(["m0"]))
    (commit,) = done.commits
    assert commit.inserted + commit.updated == 4
    same(tmp_path, truth(world, ["m0"]))


@pytest.mark.parametrize("hours", [30, 9, 3])
def test_a_raised_interval_is_seen_however_short_the_first_or_last_window_is(
    tmp_path: Path, hours: int
) -> None:
    """The reply does not say its interval; a window of few points asks for more than it keeps, and where that is too
    little as well, the run that knows better takes away what stood under the interval asked for."""
    world = World(raised={"m0": 6 * 3600})
    edge = datetime(2020, 1, 1, tzinfo=UTC)  # a multiple of the longer interval
    late = datetime(
        2020, 3, 30 if hours < 10 else 31, hours % 24, tzinfo=UTC
    )  # few points after the last edge
    with serving(world) as server:
        run(server, tmp_path / "long", config(["m0"]), edge, late)
        same(tmp_path / "long", truth(world, ["m0"], edge, late))
        world.hidden_before = int(edge.timestamp())  # the metric is new: no earlier points to ask for
        short = edge + timedelta(hours=hours)
        run(server, tmp_path / "short", config(["m0"]), edge, short)
        run(server, tmp_path / "short", config(["m0"]), edge, late)
        same(tmp_path / "short", truth(world, ["m0"], edge, late))
        assert run(server, tmp_path / "short", config(["m0"]), edge, late).commits == []


def test_a_metric_at_two_intervals_keeps_both(tmp_path: Path) -> None:
    twice = {"name": "m0", "expression": "avg:m0{*} by {service}"}
    both = datadog_config.Config.model_validate(
        {"queries": [{**twice, "interval": "1h"}, {**twice, "interval": "4h"}]}
    )
    with serving(World()) as server:
        run(server, tmp_path, both)
        there = stored(tmp_path)
        assert set(there["interval_s"]) == {3600, 14400}
        assert run(server, tmp_path, both).commits == []
    same(tmp_path, there)


def test_a_nightly_job_keeps_its_interval_when_the_clocks_change(tmp_path: Path) -> None:
    """One point a day looks like a day's interval; but Datadog's intervals begin on their multiples, jobs do not."""
    nights = pd.date_range("2020-01-01T03:00", "2020-05-01", tz="Europe/Berlin", freq="D").tz_convert("UTC")
    world = World(only={"m0": frozenset(int(at.timestamp()) for at in nights)})
    with serving(world) as server:
        run(server, tmp_path, config(["m0"]), until=datetime(2020, 3, 20, tzinfo=UTC))
        run(server, tmp_path, config(["m0"]))
    found = stored(tmp_path)
    assert set(found["interval_s"]) == {3600}
    same(tmp_path, truth(world, ["m0"]))


def test_a_changed_expression_is_read_from_the_start(tmp_path: Path) -> None:
    with serving(World()) as server:
        run(server, tmp_path, config(["m0"]))
        server.seen.clear()
        changed = datadog_config.Config.model_validate(
            {"queries": [{"name": "m0", "expression": "avg:m1{*} by {service}", "interval": "1h"}]}
        )
        run(server, tmp_path, changed)
        assert len(server.seen) == 3


def test_a_server_that_is_not_there_is_given_up_and_the_next_run_goes_on(tmp_path: Path) -> None:
    world = World()
    with serving(world) as server:
        api = Api(KEYS, host="http://127.0.0.1:9", patience=Patience(tries=3, wait_s=0.02, first_s=0.01))
        done = sync.series(api, Store(tmp_path), config(["m0", "m1"]), SINCE, UNTIL, say=lambda *_: None)
        assert done.failed
        assert all("gave up after 3 attempts" in line for line in done.failed)
        assert stored(tmp_path).empty
        run(server, tmp_path, config(["m0", "m1"]))
    same(tmp_path, truth(world, ["m0", "m1"]))


def command(folder: Path, *arguments: str, keys: dict[str, str] = KEYS) -> tuple[int, str]:
    runner = CliRunner(env={**keys, "DD_SITE": ""})
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = runner.invoke(main, ["sync", "datadog", *arguments])
    finally:
        os.chdir(before)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


YML = "since: 2020-01-01\nqueries:\n  - {name: m0, expression: 'avg:m0{*} by {service}', interval: 1h}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "resilience.yml").write_text("title: T\n", encoding="utf-8")
    (tmp_path / "datadog.yml").write_text(YML, encoding="utf-8")
    return tmp_path


def test_no_key_anywhere_when_the_server_repeats_it(workspace: Path) -> None:
    for name, key in KEYS.items():
        with serving(World(), secret=key) as server:
            server.forbidden = True
            code, said = command(
                workspace, "--host", server.url, "--until", "2020-02-01", "--max-wait", "0.05"
            )
            assert code == 2
            assert "HTTP 403" in said
            assert "DD_API_KEY" in said
            assert len(server.seen) == 1
        for secret in KEYS.values():
            assert secret not in said, name
            for path in workspace.rglob("*"):
                assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_dry_run_counts_the_calls_that_are_then_made(workspace: Path) -> None:
    with serving(World()) as server:
        code, said = command(workspace, "--dry-run", "--until", "2020-05-01", keys={})
        assert code == 0
        assert not server.seen
        code, _ = command(workspace, "--host", server.url, "--until", "2020-05-01")
        assert code == 0
        assert said.startswith(f"{len(server.seen)} call(s) for 1 of 1 metric queries")
        code, said = command(workspace, "--dry-run", "--until", "2020-05-01", keys={})
        assert said.startswith("1 call(s)")


def test_the_documented_file_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "datadog-sync.md").read_text(encoding="utf-8")
    (path := tmp_path / "datadog.yml").write_text(
        page.split("```yaml\n")[1].split("```")[0], encoding="utf-8"
    )
    found = datadog_config.read(path)
    assert [query.sent for query in found.queries][1].endswith(".rollup(max, 300)")
    assert set(sync_records.parts(found)) == {
        "incidents", "events", "monitors", "slos", "relations", "deployments",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("api_key: x\n", "Keys do not belong"),
        ("queries: [{name: a, expression: 'avg:a{*}', interval: 0}]", "greater than or equal to 1"),
        ("queries: [{name: a, expression: 'avg:a{*}.rollup(max, 60)', rollup: max}]", "stated twice"),
        ("queries: [{name: a, expression: 'abs(avg:a{*})', rollup: max}]", "plain expression"),
        ("queries: [{name: a, expression: 'avg:a{*}'}, {name: a, expression: 'avg:b{*}'}]", "two queries"),
        ("zone: Mars/Base", "not an IANA zone"),
        ("host: http://example.com", "in the clear"),
        ("incident: true", "not a known key"),
        ("- a", "valid dictionary"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (path := tmp_path / "datadog.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=complaint):
        datadog_config.read(path)
