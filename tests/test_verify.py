"""A report can be proved to follow from the data: verify names whatever does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from resilience import workspace
from resilience.errors import InputError
from resilience.report import render
from resilience.report.verify import Verified, verify
from resilience.store import Store

from . import worlds


def fill(store: Store, level: float) -> None:
    values = np.full(180, 0.5)
    values[60:80] = level
    for name, rows in worlds.gameday(worlds.series(values)).items():
        store.upsert(name, rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> workspace.Workspace:
    space = workspace.Workspace(tmp_path_factory.mktemp("space"), "Test")
    fill(Store(space.store), 2.0)
    (job,) = (job for job in render.jobs(Store(space.store), space) if job.report_id == "day")
    assert render.render(job, Store(space.store), space).why == ("never made",)
    return space


@pytest.fixture
def space(made: workspace.Workspace, tmp_path: Path) -> workspace.Workspace:
    """A copy of `made` that a test may spoil."""
    shutil.copytree(made.root, tmp_path / "ws")
    return workspace.Workspace(tmp_path / "ws", "Test")


def check(space: workspace.Workspace) -> Verified:
    return verify(space.reports / "day", space, str(space.store))


def test_an_untouched_report_is_identical_though_the_data_went_on(space: workspace.Workspace) -> None:
    fill(Store(space.store), 3.0)
    assert check(space) == Verified("identical", ())
    (job,) = (job for job in render.jobs(Store(space.store), space) if job.report_id == "day")
    done = render.render(job, Store(space.store), space)
    assert done.state == "made"
    assert done.why == ("data: series (180 rows, now 180 rows)",)


def test_a_changed_number_is_named(space: workspace.Workspace) -> None:
    path = space.reports / "day" / "result.json"
    result = json.loads(path.read_text())
    result["experiments"][0]["alerted_min"] = 3.0
    path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
    found = check(space)
    assert found.state == "differs"
    assert "result.json was altered after it was made" in found.findings
    assert "result.json: experiments[0].alerted_min says 3.0, the data say 4.0" in found.findings


def test_a_changed_page_and_notebook_are_named(space: workspace.Workspace) -> None:
    page = space.reports / "day" / "report.html"
    page.write_text(page.read_text().replace("deviated", "held"))
    own = space.root / "notebooks" / "gameday.ipynb"
    own.parent.mkdir()
    own.write_text(
        workspace.Workspace(space.root).notebook("gameday").read_text().replace("What did", "What  did")
    )
    found = check(space)
    assert found.state == "differs"
    assert "report.html was altered after it was made" in found.findings
    assert any(finding.startswith("notebook: gameday.ipynb") for finding in found.findings)


def test_another_row_at_the_same_version_is_named(space: workspace.Workspace) -> None:
    shutil.rmtree(space.store)
    fill(Store(space.store), 2.5)
    found = check(space)
    assert found.state == "differs"
    assert found.findings == ("data: series (180 rows, now 180 rows) is not what it was made from",)


def test_a_version_that_is_gone_is_said_with_what_is_there_now(space: workspace.Workspace) -> None:
    path = space.reports / "day" / "provenance.json"
    provenance = json.loads(path.read_text())
    provenance["versions"]["series"] = 77
    path.write_text(json.dumps(provenance))
    found = check(space)
    assert found.state == "gone"
    assert found.findings[0] == "version 77 of series is gone; its content is the same now"


def test_no_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no report"):
        verify(tmp_path, workspace.Workspace(tmp_path), str(tmp_path))
