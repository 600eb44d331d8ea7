"""`store clean` removes what nobody can need, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from resilience import clean
from resilience.errors import InputError
from resilience.store import Store

from .test_store import problems

LONG_AGO = 1_000_000_000


def world(root: Path) -> tuple[Store, Path]:
    """Five versions of one table (1 to 5), all files long past their grace; reports that name version 2."""
    store = Store(root / "store")
    for i in range(5):
        store.upsert("problems", problems("a", message=f"m{i}"))
    table = root / "store" / "problems"
    (table / "part-orphan.parquet").write_bytes(b"left behind by a killed process")
    (table / "part-making.parquet").write_bytes(b"a commit in the making")
    os.utime(table / "part-orphan.parquet", (LONG_AGO, LONG_AGO))
    report = root / "reports" / "day"
    report.mkdir(parents=True)
    (report / "provenance.json").write_text(
        json.dumps({"versions": {"problems": 2, "gone": 7}}), encoding="utf-8"
    )
    return store, table


def message(store: Store, version: int) -> str:
    return str(Store(store.root, {"problems": version}).load("problems")["message"][0])


def test_only_what_no_version_uses_goes_and_not_what_is_fresh(tmp_path: Path) -> None:
    store, table = world(tmp_path)
    listed = clean.clean(store, [tmp_path / "reports"], dry_run=True)
    assert [(one.table, one.files) for one in listed] == [("problems", 1)]
    assert (table / "part-orphan.parquet").exists()
    assert clean.clean(store, [tmp_path / "reports"]) == listed
    assert not (table / "part-orphan.parquet").exists()
    assert (table / "part-making.parquet").exists()
    assert [message(store, version) for version in range(1, 6)] == [f"m{i}" for i in range(5)]
    version = store.version("problems")
    assert clean.clean(store, [tmp_path / "reports"]) == []
    assert store.version("problems") == version, "nothing to remove, nothing committed"


def test_old_versions_go_on_request_but_never_one_that_a_report_names(tmp_path: Path) -> None:
    store, _ = world(tmp_path)
    # Retention counts from the commit that removed a file; zero hours makes all of them old.
    files = store.clean("problems", {2}, hours=0, dry_run=False)
    assert len(files) >= 3
    assert message(store, 2) == "m1"
    assert store.load("problems")["message"].tolist() == ["m4"]
    with pytest.raises(Exception, match=r"part-|Not ?[Ff]ound|No such"):
        message(store, 3)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"versions": {"problems": "x"}}', '{"versions": 3}', "[" * 10_000]
)
def test_nothing_is_removed_where_a_provenance_cannot_be_read(tmp_path: Path, text: str) -> None:
    store, table = world(tmp_path)
    (tmp_path / "reports" / "day" / "provenance.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="nothing was removed"):
        clean.clean(store, [tmp_path / "reports"])
    assert (table / "part-orphan.parquet").exists()
