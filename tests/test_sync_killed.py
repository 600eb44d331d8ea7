"""The whole command, killed, interrupted and run twice at once: the tables end as those of a run that nothing disturbed."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from resilience.archive import Archive
from resilience.store import Store, content_hash

from .datadog_server import Server, World, serving
from .sizes import FULL
from .syncing import Syncing, workspace
from .test_sync import KEYS, same, truth
from .test_sync_records import full_world

NAMES = [f"m{i}" for i in range(6)]
SERIES = "/query/timeseries"
SINCE, UNTIL = "2020-01-01T05:00Z", "2020-05-01T12:20Z"
TABLES = ("incidents", "incident_services", "incident_names", "timeline", "events", "monitors", "slo_history",
          "service_edges", "deployments", "problems")  # fmt: skip
PARTS = ("incidents", "events", "monitors", "slos", "relations", "deployments")
CONFIG: dict[str, object] = {
    "queries": [{"name": m, "expression": f"avg:{m}{{*}} by {{service}}", "interval": "1h"} for m in NAMES],
    **dict.fromkeys(PARTS, True),
}


def world() -> World:
    made = full_world()
    made.silent, made.raised = frozenset({"m5"}), {"m1": 4 * 3600}
    return made


def syncing(server: Server, root: Path) -> Syncing:
    return Syncing(workspace(root, CONFIG), server.url, KEYS, rows=1500, since=SINCE, until=UNTIL)


def hashes(root: Path) -> dict[str, str]:
    store = Store(root / "data" / "store")
    return {table: content_hash(store.load(table)) for table in TABLES}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], int]:
    """Hashes of the tables, and the calls that it took."""
    root = tmp_path_factory.mktemp("undisturbed")
    with serving(world()) as server:
        assert syncing(server, root).code() == 0
        same(root / "data" / "store", truth(server.world, NAMES))
        return hashes(root), len(server.seen)


def is_whole(root: Path, undisturbed: dict[str, str]) -> None:
    same(root / "data" / "store", truth(world(), NAMES))
    assert hashes(root) == undisturbed
    archive = Archive(root / "data" / "raw" / "datadog")
    assert all(archive.read(entry["kind"], entry["sha256"]) for entry in archive.entries())


def test_kill_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, undisturbed: tuple[dict[str, str], int]
) -> None:
    """Kills fall by progress, mid-call and mid-commit, among the records and among the series by turns."""
    chance, (expected, calls) = random.Random(17), undisturbed
    with serving(world(), faults=0.1) as server:
        for root in (tmp_path / str(i) for i in range(10 if FULL else 1)):
            kills = 0
            server.slow_s = 0.02
            while kills < 5:
                process, before = syncing(server, root), len(server.seen)
                among, most = (SERIES, 2 * len(NAMES)) if kills % 2 else ("", 30 if kills else calls // 2)
                upto = chance.randint(1, most)
                while sum(among in path for path, _ in server.seen[before:]) < upto:
                    if process.code(0.005) is not None:
                        break
                time.sleep(chance.uniform(0, 0.1))
                process.send(signal.SIGKILL)
                kills += process.code() == -signal.SIGKILL
                kept = Store(root / "data" / "store")
                for table in ("series", *TABLES):
                    kept.load(table)  # refuses a key that stands twice
            server.slow_s = 0
            assert syncing(server, root).code() == 0
            is_whole(root, expected)


def test_two_syncs_at_once_lose_and_double_nothing(
    tmp_path: Path, undisturbed: tuple[dict[str, str], int]
) -> None:
    with serving(world()) as server:
        both = [syncing(server, tmp_path) for _ in range(2)]
        assert [process.code() for process in both] == [0, 0]
        is_whole(tmp_path, undisturbed[0])
        versions = Store(tmp_path / "data" / "store").versions()
        assert syncing(server, tmp_path).code() == 0
        assert Store(tmp_path / "data" / "store").versions() == versions


def test_an_interrupt_commits_what_has_arrived(
    tmp_path: Path, undisturbed: tuple[dict[str, str], int]
) -> None:
    expected, calls = undisturbed
    with serving(world()) as server:
        server.slow_s, server.slow_after = 3.0, calls - 10  # it cannot end by itself before the signal
        process = syncing(server, tmp_path)
        while len(server.seen) < calls - 6:  # at least four windows of series have been read
            time.sleep(0.002)
        process.send(signal.SIGINT)
        assert process.code(60) == 130
        assert "run the same command again to go on" in (tmp_path / "said.txt").read_text(encoding="utf-8")
        assert len(Store(tmp_path / "data" / "store").load("series")) > 0
        server.slow_s = 0
        assert syncing(server, tmp_path).code() == 0
    is_whole(tmp_path, expected)
