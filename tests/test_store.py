"""The store keeps what it is given, once, and says nothing where nothing changed."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import schema
from resilience import store as store_module
from resilience.delta import rows_of
from resilience.errors import InputError
from resilience.store import Store, content_hash


def problems(
    *ids: str, message: str = "m", source_uri: str = "a.md", line: int | None = None
) -> pd.DataFrame:
    common = {"source_uri": source_uri, "kind": "missing", "message": message, "remedy": "r", "line": line}
    return schema.frame("problems", [{"problem_id": i, **common} for i in ids])


def test_a_second_upsert_of_the_same_rows_commits_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.upsert("problems", problems("b", "a"))
    assert (first.inserted, first.version) == (2, 1)
    again = store.upsert("problems", problems("a", "b"))
    assert (again.inserted, again.updated, again.version) == (0, 0, None)
    assert store.version("problems") == 1
    assert list(store.load("problems")["problem_id"]) == ["a", "b"]


def test_null_is_compared_safely_both_ways(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.upsert("problems", problems("a"))
    assert store.upsert("problems", problems("a", line=3)).updated == 1
    assert store.load("problems")["line"].tolist() == [3]
    assert store.upsert("problems", problems("a")).updated == 1
    assert store.load("problems")["line"].isna().all()


def test_what_a_file_no_longer_says_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.upsert("problems", problems("a", "b", source_uri="it's.md"))
    store.upsert("problems", problems("c", source_uri="other.md"))
    done = store.upsert(
        "problems", problems("b", source_uri="it's.md"), replacing=("source_uri", ["it's.md"])
    )
    assert (done.deleted, sorted(store.load("problems")["problem_id"])) == (1, ["b", "c"])
    store.upsert("problems", problems(), replacing=("source_uri", ["it's.md') OR ('1'='1"]))
    assert sorted(store.load("problems")["problem_id"]) == ["b", "c"]


def test_two_reports_at_once_read_a_table_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).upsert("problems", problems("a"))
    pinned, read = Store(tmp_path).pinned(), list[str]()

    def slowly(table: str, *rest: Any) -> pd.DataFrame:
        read.append(table)
        time.sleep(0.05)
        return rows_of(table, *rest)

    monkeypatch.setattr(store_module, "rows_of", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: len(one.load("problems")), [pinned, pinned.pinned()] * 2))
    assert (found, read) == ([1, 1, 1, 1], ["problems"])


def test_a_pinned_store_reads_the_old_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.upsert("problems", problems("a"))
    old = store.pinned()
    store.upsert("problems", problems("a", message="changed"))
    assert old.load("problems")["message"].tolist() == ["m"]
    assert store.load("problems")["message"].tolist() == ["changed"]
    with pytest.raises(InputError, match="version 99"):
        Store(tmp_path, {"problems": 99}).load("problems")


def test_what_is_done_to_rows_read_stays_with_them_and_later_tables_are_not_seen(tmp_path: Path) -> None:
    Store(tmp_path).upsert("problems", problems("a"))
    old = Store(tmp_path).pinned()
    rows = old.load("problems")
    rows["message"] = "mine"
    rows.loc[0, "kind"] = "mine"
    del rows["line"]
    assert old.load("problems")["message"].tolist() == ["m"]
    assert list(old.load("problems").columns) == list(schema.dtypes("problems"))
    at = pd.Timestamp("2020-01-01", tz="UTC")
    label = {
        "incident_id": "a",
        "labelled_by": "x",
        "labelled_at": at,
        "failure_class": "capacity",
        "taxonomy_version": "1",
    }
    Store(tmp_path).upsert("labels", schema.frame("labels", [label]))
    assert old.load("labels").empty
    assert old.pinned().version("labels") is None
    store = Store(tmp_path)
    assert len(store.pinned().load("problems")) == 1
    store.upsert("problems", problems("b"))
    assert len(store.pinned().load("problems")) == 2  # each pin reads its own version
    assert len(Store(tmp_path).pinned().load("labels")) == 1


def test_content_hash_ignores_history_but_not_content(tmp_path: Path) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    one.upsert("problems", problems("a", "b"))
    two.upsert("problems", problems("b"))
    two.upsert("problems", problems("a"))
    assert content_hash(one.load("problems")) == content_hash(two.load("problems"))
    two.upsert("problems", problems("a", message="x"))
    assert content_hash(one.load("problems")) != content_hash(two.load("problems"))


def test_an_absent_table_is_empty_and_typed(tmp_path: Path) -> None:
    empty = Store(tmp_path).load("series")
    assert empty.empty
    assert dict(empty.dtypes) == schema.dtypes("series")
    with pytest.raises(InputError, match="no table"):
        Store(tmp_path).load("../../etc")


def test_load_filters_are_pushed_down_and_right(tmp_path: Path) -> None:
    at = pd.date_range("2020-01-01", periods=48, freq="h", tz="UTC").as_unit("us")
    rows = pd.concat(
        schema.frame(
            "series",
            pd.DataFrame(
                {
                    "metric": "m",
                    "scope": s,
                    "at": at,
                    "value": 1.0,
                    "interval_s": 3600.0,
                    "rollup": "avg",
                    "source": "t",
                }
            ),
        )
        for s in ("service:a", "service:b")
    ).reset_index(drop=True)
    store = Store(tmp_path)
    store.upsert("series", rows)
    part = store.load("series", where={"scope": ["service:b"]}, between=(at[10], at[20]))
    assert (len(part), set(part["scope"]), part["at"].min(), part["at"].max()) == (
        10,
        {"service:b"},
        at[10],
        at[19],
    )
    assert store.load("series", where={"scope": []}).empty
    pinned = store.pinned()  # a small table is read once, and chosen from in memory
    for chosen in (
        {},
        {"where": {"scope": ["service:b"]}},
        {"where": {"scope": ["service:b", "it's"], "metric": ["m"]}, "between": (at[10], at[20])},
        {"between": [(at[0], at[2]), (at[40], at[47])]},
        {"where": {"scope": []}},
        {"between": []},
    ):
        pd.testing.assert_frame_equal(pinned.load("series", **chosen), store.load("series", **chosen))
    assert len(pinned.load("series", between=[(at[0], at[2]), (at[40], at[47])])) == 2 * (2 + 7)
    counted = store.count("series", ("scope", "interval_s"))
    assert counted.to_dict("list") == {
        "scope": ["service:a", "service:b"],
        "interval_s": [3600.0] * 2,
        "rows": [48] * 2,
    }
    assert Store(tmp_path / "none").count("series", ("metric",)).empty


def test_a_store_of_an_earlier_version_gains_the_columns_it_lacks(tmp_path: Path) -> None:
    rows = problems("a", "b")
    old = pa.Table.from_pandas(rows.drop(columns=["subject", "line"]), preserve_index=False)
    DeltaTable.create(str(tmp_path / "problems"), schema=old.schema)
    write_deltalake(str(tmp_path / "problems"), old, mode="append")
    store = Store(tmp_path)
    assert store.load("problems")["subject"].isna().tolist() == [True, True]
    assert store.upsert("problems", problems("b", "c", line=4)).updated == 1
    assert store.load("problems")["line"].fillna(0).tolist() == [0, 4, 4]
    assert store.upsert("problems", problems("b", "c", line=4)).version is None


values = st.dictionaries(st.integers(0, 20).map(str), st.integers(0, 3).map(str), max_size=12)


@settings(max_examples=12, deadline=None)
@given(batches=st.lists(values, min_size=1, max_size=4))
def test_any_sequence_of_upserts_equals_a_dict_update(
    tmp_path_factory: pytest.TempPathFactory, batches: list
) -> None:
    store, truth = Store(tmp_path_factory.mktemp("store")), {}
    for batch in batches:
        frame = schema.frame(
            "problems",
            [
                {"problem_id": k, "source_uri": "a", "kind": "missing", "message": v, "remedy": "r"}
                for k, v in batch.items()
            ],
        )
        version = store.version("problems")
        changed = {**truth, **batch} != truth
        truth |= batch
        store.upsert("problems", frame)
        if version is not None:
            assert (store.version("problems") != version) == changed
    loaded = store.load("problems")
    assert dict(zip(loaded["problem_id"], loaded["message"], strict=True)) == truth


WRITER = """
import sys
from resilience import schema
from resilience.store import Store
root, name = sys.argv[1:]
for i in range(20):
    row = {"problem_id": f"{name}-{i}", "source_uri": name, "kind": "missing", "message": "m", "remedy": "r"}
    Store(root).upsert("problems", schema.frame("problems", [row]), replacing=("source_uri", []))
"""


def test_two_processes_writing_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in ("x", "y")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    expected = sorted(f"{name}-{i}" for name in ("x", "y") for i in range(20))
    assert sorted(Store(tmp_path).load("problems")["problem_id"]) == expected


def points(metric: str, *minutes: float) -> pd.DataFrame:
    at = pd.to_datetime([m * 60e6 for m in minutes], unit="us", utc=True).astype("datetime64[us, UTC]")
    common = {
        "metric": metric,
        "scope": "*",
        "interval_s": 60.0,
        "rollup": "avg",
        "unit": None,
        "source": "s",
    }
    return schema.frame("series", pd.DataFrame({"at": at, "value": 1.0, **common}))


def operations(store: Store) -> list[str]:
    delta = DeltaTable(f"{store.root}/series")
    return [str(commit["operation"]) for commit in sorted(delta.history(), key=lambda c: c["version"])[1:]]


def test_rows_that_no_file_can_hold_are_appended_without_reading_and_others_are_merged(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    assert store.upsert("series", points("m", 1, 2, 3), marks={"w": 3}).inserted == 3
    assert store.upsert("series", points("m", 4, 5)).inserted == 2
    assert store.upsert("series", points("n", 1, 2)).inserted == 2
    assert operations(store) == ["WRITE"] * 3
    done = store.upsert("series", points("m", 3, 6).assign(value=2.0))
    assert (done.inserted, done.updated) == (1, 1)
    # Statistics of a file are cut to milliseconds: a row in the last one must still be found.
    store.upsert("series", points("m", 7 + 0.0005 / 60))
    assert store.upsert("series", points("m", 7 + 0.0005 / 60)).version is None
    assert store.mark("series", "w") == 3
    assert store.load("series").groupby("metric").size().to_dict() == {"m": 7, "n": 2}
