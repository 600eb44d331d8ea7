"""Published figures that moved, and what moved them, on a small store whose changes are known."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import resilience
from resilience import schema, workspace
from resilience.errors import InputError
from resilience.report import provenance, render
from resilience.report.restated import restated
from resilience.store import Store

from .sizes import at_full_size
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
    for part, value, by in (
        ("code", {"resilience": "0.0.1"}, "definition"),
        ("taxonomy", "another", "taxonomy"),
    ):
        older = {**made, part: value, "inputs": f"other {part}"}
        (folder / provenance.FILE).write_text(json.dumps(older))
        moved = restated(space, store, before).table.set_index("figure")["moved_by"]
        assert moved[[name for name in moved.index if name.endswith("planned_min")]].tolist() == [by]
        assert "data" in set(moved)


@pytest.mark.acceptance
@at_full_size("two processes are started cold")
def test_a_figure_that_only_the_taxonomy_moved_is_laid_to_it(tmp_path: Path) -> None:
    """Published by a copy of the package whose taxonomy holds race conditions to be a matter of capacity."""
    package = tmp_path / "other" / "resilience"
    shutil.copytree(Path(resilience.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    classes = (package / "taxonomy.yml").read_text(encoding="utf-8")
    bugs = "race condition*, race hazard, "
    assert bugs in classes
    moved = classes.replace(bugs, "")
    at = moved.index("phrases: [", moved.index("\n  capacity:")) + len("phrases: [")
    (package / "taxonomy.yml").write_text(moved[:at] + bugs + moved[at:], encoding="utf-8")
    rows = [
        {
            "incident_id": f"i{i}", "title": "A race condition", "kind": "real", "detected_by": "unknown",
            "text": "A race condition in the cache client broke the checkout.", "simulated": False, "source": "t",
            "source_uri": "t",
        }
        for i in range(12)
    ]  # fmt: skip
    place = workspace.Workspace(tmp_path / "space", "Test")
    store = Store(place.store)
    store.upsert("incidents", schema.frame("incidents", rows))
    publish = (
        "import sys; from pathlib import Path; from resilience import workspace; from resilience.report import render; "
        "from resilience.store import Store; place = workspace.Workspace(Path(sys.argv[1]), 'Test'); "
        "(job,) = render.jobs(Store(place.store), place, 'failure-classes'); "
        "done = render.render(job, Store(place.store), place); sys.exit(done.error or 0)"
    )
    shutil.copytree(
        place.notebook("failure_classes").parent, package.parent / "notebooks", dirs_exist_ok=True
    )
    run = [sys.executable, "-c", publish, str(place.root)]
    subprocess.run(run, env={**os.environ, "PYTHONPATH": str(package.parent)}, cwd=package.parent, check=True)
    found = restated(place, store, store.pinned())
    assert set(found.table["moved_by"]) == {"taxonomy"}
    expected = found.table[found.table["figure"].str.endswith("expected")].set_index("figure")
    figures = {name.split("[")[1].split("]")[0]: float(now) for name, now in expected["now"].items()}
    assert figures["software-bug"] > 6
    assert "published anew" not in found.text


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
