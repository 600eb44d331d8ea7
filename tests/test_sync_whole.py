"""Everything at once: series and records in one run, every fault among them, late points, and then nothing left to do."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.metrics_api import MetricsApi

from resilience.sources import datadog
from resilience.store import Store

from .datadog_server import FAULTS, World, serving
from .sizes import FULL
from .test_sync import KEYS, SINCE, UNTIL, config, run, same, stored, truth
from .test_sync_records import fetch, full_world

FIRST = datetime(2018, 5, 1, 12, tzinfo=UTC) if FULL else SINCE
NAMES = [f"m{i}" for i in range(60 if FULL else 8)]


def test_everything_with_every_fault_equals_the_truth_and_the_next_run_commits_nothing(
    tmp_path: Path,
) -> None:
    world, wanted = full_world(), config(NAMES)
    world.raised, world.silent = {"m1": 4 * 3600}, frozenset({"m2"})
    with serving(world, faults=0.4) as server:
        records, _ = fetch(server.url, tmp_path)
        done = run(server, tmp_path, wanted, FIRST)
        assert records.failed + done.failed == []
        same(tmp_path, truth(world, NAMES, FIRST))
        chance, last = random.Random(3), int(UNTIL.timestamp()) // 3600
        late = [
            (chance.choice(NAMES[3:]), chance.choice("ab"), (last - chance.randint(1, 359)) * 3600)
            for _ in range(40)
        ]
        world.late = {key: -float(i) for i, key in enumerate(late)}
        records, _ = fetch(server.url, tmp_path)
        done = run(server, tmp_path, wanted, FIRST)
        assert records.failed + done.failed + records.commits == []
        assert sum(c.inserted + c.updated for c in done.commits) == len(set(late))
        same(tmp_path, truth(world, NAMES, FIRST))
        assert set(server.struck) == set(FAULTS) if FULL else len(set(server.struck)) >= 10, server.struck
        assert server.refusals >= (3 if FULL else 1)
        server.faults = 0.0
        versions = Store(tmp_path).versions()
        server.seen.clear()
        assert run(server, tmp_path, wanted, FIRST).commits + fetch(server.url, tmp_path)[0].commits == []
        assert Store(tmp_path).versions() == versions
        assert sum(path == "/api/v2/query/timeseries" for path, _ in server.seen) == len(NAMES)
    tables = Store(tmp_path)
    sizes = {
        "incidents": 23,
        "events": 120,
        "monitors": 5,
        "service_edges": 31,
        "deployments": 1500,
        "slo_history": 16,
    }
    assert {table: len(tables.load(table)) for table in sizes} == sizes
    messages = " ".join(tables.load("problems")["message"])
    assert "every 3600 s, Datadog gave every 14400 s" in messages


def test_the_old_endpoint_saved_as_a_file_gives_the_same_points(tmp_path: Path) -> None:
    world, since, until = World(), datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
    with serving(world) as server:
        run(server, tmp_path / "store", config(["m0"]), since, until)
        keys = {"apiKeyAuth": KEYS["DD_API_KEY"], "appKeyAuth": KEYS["DD_APP_KEY"]}
        configuration = Configuration(host=server.url, api_key=keys)
        configuration.preload_content = False
        moments = {"_from": int(since.timestamp()), "to": int(until.timestamp())}
        reply = MetricsApi(ApiClient(configuration)).query_metrics(query="avg:m0{*} by {service}", **moments)
        (tmp_path / "saved.json").write_bytes(reply.data)
    found = datadog.read_saved(tmp_path / "saved.json").series
    columns = ["metric", "scope", "interval_s", "at", "value"]
    pd.testing.assert_frame_equal(
        found[columns].sort_values(columns[:-1], ignore_index=True), stored(tmp_path / "store")[columns]
    )
