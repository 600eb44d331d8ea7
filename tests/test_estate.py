"""Every series of the store, read where it is worked on: the same tables as from one frame, wherever the work is done."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience import estate, points, schema, workers
from resilience.analysis import anchors, monitors, profile
from resilience.errors import InputError, RefusedError
from resilience.store import Store

BERLIN = "Europe/Berlin"  # both of its changes of the clock lie within the points
START = pd.Timestamp("2024-03-20", tz="UTC")
DAYS = 230


def hourly(
    scope: str, seed: int, metric: str = "hits", rollup: str = "sum", minutes: int = 30
) -> pd.DataFrame:
    at = pd.date_range(START, periods=DAYS * 1440 // minutes, freq=f"{minutes}min").as_unit("us")
    value = np.random.default_rng(seed).gamma(4, 25, len(at))
    about = {"metric": metric, "scope": scope, "interval_s": 60.0 * minutes, "rollup": rollup, "unit": "req"}
    return schema.frame("series", pd.DataFrame({"at": at, "value": value, "source": "test", **about}))


def world() -> pd.DataFrame:
    """Whole, with a gap and nulls, off every grid, empty, and alike of another metric, interval and name."""
    rng = np.random.default_rng(1)
    whole, gaps, loose, empty = (hourly(f"service:{name}", i) for i, name in enumerate("abcd"))
    gaps = gaps[(rng.random(len(gaps)) > 0.05) & ~gaps["at"].between("2024-05-01", "2024-05-20")]
    gaps = gaps.assign(value=gaps["value"].where(rng.random(len(gaps)) > 0.1))
    loose = loose.assign(at=loose["at"] + pd.to_timedelta(rng.integers(0, 1500, len(loose)), unit="s"))
    empty = empty.assign(value=np.nan)
    others = [hourly("service:a", 7, "p95", "avg"), hourly("service:a", 8, minutes=60)]
    return schema.frame("series", pd.concat([whole, gaps, loose, empty, *others], ignore_index=True))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return world()


@pytest.fixture(scope="module")
def store(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Months as a sync brings them, all series at once, some of them late and twice the same."""
    found = Store(tmp_path_factory.mktemp("estate") / "store")
    month = rows["at"].dt.month
    for number in (5, 4, 3, 6, 7, 8, 9, 10, 11, 4):
        found.upsert("series", rows[month == number].reset_index(drop=True))
    return found


@pytest.fixture(scope="module")
def expected(rows: pd.DataFrame) -> profile.Profile:
    of = rows[(rows["metric"] == "hits") & (rows["interval_s"] == 1800)]
    return profile.profile(of, BERLIN, metric="hits", exclude=SPANS)


SPANS = {
    "": [(START + pd.Timedelta(days=20), START + pd.Timedelta(days=20.3))],
    "a": [(START + pd.Timedelta(days=40), START + pd.Timedelta(days=41))],
}


def same(found: profile.Profile, expected: profile.Profile) -> None:
    pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)
    pd.testing.assert_frame_equal(found.scopes, expected.scopes, check_exact=True)
    assert found.text == expected.text


def week(store: Store, **more: object) -> profile.Profile:
    return estate.week_profile(store, "hits", 1800.0, BERLIN, exclude=SPANS, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [points.PART_ROWS, 15_000])
def test_the_same_as_from_one_table(
    store: Store, expected: profile.Profile, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "PART_ROWS", size)
    same(week(store), expected)


def test_inventory_counts_what_is_there(store: Store, rows: pd.DataFrame) -> None:
    names = list(points.NAMES)
    expected = rows.groupby(names, as_index=False).size().rename(columns={"size": "points"})
    pd.testing.assert_frame_equal(points.inventory(store), expected, check_dtype=False)
    assert points.inventory(store, "p95")["scope"].tolist() == ["service:a"]
    assert points.inventory(store, "misses").empty
    assert points.inventory(Store(store.root + "-not")).empty


def test_put_in_order_it_says_the_same(
    store: Store,
    rows: pd.DataFrame,
    expected: profile.Profile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Store(tmp_path)
    mixed = rows.sample(frac=1, random_state=2)
    for first in range(3):
        other.upsert("series", mixed.iloc[first::3].reset_index(drop=True))
    other.advance("series", {"sync": 5})
    before, version = other.load("series"), other.version("series")
    monkeypatch.setattr("resilience.delta.GROUP_ROWS", 4096)
    monkeypatch.setattr(points, "PART_ROWS", 20_000)
    assert points.compact(other) == len(rows)
    pd.testing.assert_frame_equal(other.load("series"), before)
    assert version is not None
    pd.testing.assert_frame_equal(Store(other.root, {"series": version}).load("series"), before)
    assert other.mark("series", "sync") == 5
    groups = points._index(other.address, version + 1)
    alone = sum(group.rows for group in groups if len(group.names) == len(points.NAMES))
    assert alone > 0.5 * len(rows)
    same(week(other), expected)


def test_rows_that_would_be_lost_change_nothing(store: Store) -> None:
    before = store.version("series")
    with pytest.raises(InputError, match="Nothing was changed"):
        store.rewrite("series", iter(()))
    assert store.version("series") == before


def test_refusals_are_those_of_a_table(tmp_path: Path) -> None:
    found = Store(tmp_path)
    with pytest.raises(InputError, match="no hits at 1800"):
        week(found)
    mixed = pd.concat([hourly("service:a", 1), hourly("service:b", 2, rollup="avg")], ignore_index=True)
    found.upsert("series", schema.frame("series", mixed))
    with pytest.raises(RefusedError, match="rollup"):
        week(found)
    assert week(found, scope="service:a").scopes["scope"].tolist() == ["service:a"]
    with pytest.raises(InputError, match="no scope service:z"):
        week(found, scope="service:z")
    count = hourly("service:a", 3, "total", "max")
    rising = np.arange(len(count), dtype=float) % 5000 * 1e6
    found.upsert("series", count.assign(value=rising))
    with pytest.raises(RefusedError, match="running count"):
        estate.week_profile(found, "total", 1800.0, BERLIN)
    other = hourly("service:b", 4, "total", "max")
    found.upsert("series", other)
    left = estate.week_profile(found, "total", 1800.0, BERLIN)
    same(left, profile.profile(pd.concat([count.assign(value=rising), other]), BERLIN, metric="total"))
    assert left.scopes["scope"].tolist() == ["service:b"]
    assert "Left aside, since it cannot be read: service:a. total on service:a only rises" in left.text


def test_an_error_comes_back_whole() -> None:
    error = pickle.loads(pickle.dumps(RefusedError("No.", where="here", line=3, remedy="Yes.")))
    assert (type(error), str(error)) == (RefusedError, "here:3: No. Yes.")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A scheduler and two workers in processes of their own, on loopback."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as found:
        assert len(found.workers) == 2
        yield found.scheduler_address


def test_a_cluster_finds_the_same(
    store: Store, rows: pd.DataFrame, expected: profile.Profile, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "PART_ROWS", 15_000)
    hours = rows[(rows["metric"] == "hits") & (rows["interval_s"] == 1800)]
    start = START + pd.to_timedelta([100.5, 130.2], unit="D")
    incidents = pd.DataFrame({"incident_id": ["i", "j"], "started_at": start})
    incidents["detected_at"] = incidents["started_at"] + pd.Timedelta(hours=2)
    incidents["resolved_at"] = incidents["mitigated_at"] = incidents["detected_at"]
    of = pd.DataFrame({"incident_id": ["i", "j"], "service": ["a", "b"]})
    with workers.executor(store, scheduler=cluster) as pool:
        assert pool is not None
        used = set(pool.map(_process, range(40)))
        same(week(store, executor=pool), expected)
        told = monitors.judge(hours, incidents, of, executor=pool)
        began = anchors.of_incidents(incidents, of, hours, executor=pool)
        with pytest.raises(InputError, match="elsewhere"):
            list(pool.map(_refuse, [1]))
    assert len(used) == 2
    assert os.getpid() not in used
    pd.testing.assert_frame_equal(told.table, monitors.judge(hours, incidents, of).table)
    pd.testing.assert_frame_equal(began.table, anchors.of_incidents(incidents, of, hours).table)


def _process(_: int) -> int:
    return os.getpid()


def _refuse(_: int) -> None:
    raise InputError("It is elsewhere.", remedy="Look there.")


def test_a_store_that_workers_do_not_see_is_told(
    store: Store, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").symlink_to(store.root)
    monkeypatch.chdir(tmp_path)
    hidden = Store("/proc/self/cwd/store")  # a path that means another folder in every process
    with (
        pytest.raises(InputError, match=r"2 of 2 worker\(s\) cannot do it: there is no series table at"),
        workers.executor(hidden, scheduler=cluster),
    ):
        pass


def test_no_scheduler_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CONNECT_S", 0.3)
    with (
        pytest.raises(InputError, match="No Dask scheduler answers"),
        workers.executor(store, scheduler="tcp://127.0.0.1:9"),
    ):
        pass
    for wrong in ("nonsense", "nonsense://x", "tcp://host:port", "10.0.0.5:8786"):
        with (
            pytest.raises(InputError, match="is no address of a Dask scheduler"),
            workers.executor(store, scheduler=wrong),
        ):
            pass


def test_processes_find_the_same(store: Store, rows: pd.DataFrame, expected: profile.Profile) -> None:
    of = rows[(rows["metric"] == "hits") & (rows["interval_s"] == 1800)]
    with workers.executor(store, jobs=2) as pool:
        same(week(store, executor=pool), expected)
        same(profile.profile(of, BERLIN, metric="hits", exclude=SPANS, executor=pool), expected)
    with workers.executor(store) as alone:
        assert alone is None
