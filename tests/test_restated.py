"""Published figures that moved, and what moved them, on a small store whose changes are known."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resilience import workspace
from resilience.errors import InputError
from resilience.report import provenance, render
from resilience.report.restated import restated
from resilience.store import Store

from .test_verify import fill


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> workspace.Workspace:
    place = workspace.Workspace(tmp_path_factory.mktemp("space"), "Test")
    fill(Store(place.store), 2.0)
    (job,) = (job for job in render.jobs(Store(place.store), place) if job.report_id == "day")
    render.render(job, Store(place.store), place)
    return place


def test_data_and_definitions_that_moved_a_figure_are_told_apart(space: workspace.Workspace) -> None:
    store = Store(space.store)
    before = store.pinned()
    assert restated(space, store, before).table.empty
    time.sleep(0.05)
    then = datetime.now(UTC)
    time.sleep(0.05)
    fill(store, 0.6)
    found = restated(space, store, store.as_of(then))
    assert set(found.table["moved_by"]) == {"data"}
    verdict = found.table[found.table["figure"].str.endswith(".verdict")]
    assert len(verdict)  # the page says it in several places
    assert set(map(tuple, verdict[["was", "now"]].to_numpy())) == {('"deviated"', '"held"')}
    assert found.text.startswith(f"{len(found.table)} of ")
    # a figure that an older code published otherwise, of the same rows
    folder = space.reports / "day"
    result = json.loads((folder / "result.json").read_text())
    result["experiments"][0]["planned_min"] = 25.0
    (folder / "result.json").write_text(json.dumps(result))
    made = json.loads((folder / provenance.FILE).read_text())
    (folder / provenance.FILE).write_text(
        json.dumps({**made, "code": {"resilience": "0.0.1"}, "inputs": "other"})
    )
    moved = restated(space, store, before).table.set_index("figure")["moved_by"]
    assert moved[[name for name in moved.index if name.endswith("planned_min")]].tolist() == ["definition"]
    assert "data" in set(moved)


def test_a_store_as_of_a_moment_or_a_version(space: workspace.Workspace) -> None:
    store = Store(space.store)
    assert store.as_of(datetime.now(UTC)).versions() == store.versions()
    assert store.as_of(datetime.now(UTC), "series", 1).versions()["series"] == 1
    with pytest.raises(InputError, match="nothing as old"):
        store.as_of(datetime(2000, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError, match="There is no version 99 of series"):
        store.as_of(datetime.now(UTC), "series", 99)


def test_no_report_is_said(tmp_path: Path) -> None:
    place = workspace.Workspace(tmp_path, "Test")
    with pytest.raises(InputError, match="no report"):
        restated(place, Store(place.store), Store(place.store))
