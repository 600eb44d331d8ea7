"""A report can be proved to follow from the data: verify names whatever does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience import schema, workspace
from resilience.errors import InputError
from resilience.report import digests, render
from resilience.report.verify import Verified, verify
from resilience.store import Store

from . import worlds


def fill(store: Store, level: float, last: int = 80) -> None:
    values = np.full(180, 0.5)
    values[60:last] = level
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
    at, of = (
        pd.Timestamp("2021-03-04", tz="UTC"),
        {"incident_id": "i", "labelled_by": "x", "failure_class": "capacity"},
    )
    label = {**of, "labelled_at": at, "taxonomy_version": "1"}
    Store(space.store).upsert("labels", schema.frame("labels", [label]))  # a table that was not there
    assert check(space) == Verified("identical", ())
    (job,) = (job for job in render.jobs(Store(space.store), space) if job.report_id == "day")
    done = render.render(job, Store(space.store), space)
    assert done.state == "made"
    _, why = done.why
    assert why.startswith("data: series (180 rows, now 180 rows), changed: metric=latency scope=service:a ")
    assert why.endswith("at=2021-03-04T10:02:00+00:00 and 17 more")


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
    """Somebody built the store anew from data in which one row was changed: the numbers of its versions are the same."""
    shutil.rmtree(space.store)
    fill(Store(space.store), 2.0, last=79)
    found = check(space)
    assert found.state == "differs"
    assert found.findings == (
        "data: series (180 rows, now 180 rows), changed: metric=latency scope=service:a interval_s=60.0 rollup=avg "
        "at=2021-03-04T10:19:00+00:00 is not what it was made from",
    )


def test_a_store_built_anew_from_the_same_data_is_told_by_its_content(space: workspace.Workspace) -> None:
    store = Store(space.store)
    fill(store, 3.0)
    fill(store, 2.0)
    (job,) = (job for job in render.jobs(store, space) if job.report_id == "day")
    render.render(job, store, space, force=True)
    shutil.rmtree(space.store)
    fill(Store(space.store), 2.0)
    assert check(space) == Verified("gone", ("version 3 of series is gone; its content is the same now",))
    fill(Store(space.store), 2.0, last=79)
    assert check(space).findings[0] == "version 3 of series is gone; its content has changed"


def test_rows_that_moved_are_named_by_their_key() -> None:
    points = worlds.series(np.arange(9.0))
    made = digests.of("series", points)
    assert digests.moved("series", made, points.sample(frac=1, random_state=1)) == ""
    values = points["value"].where(points["at"] != points["at"][3], 77.0)
    other = pd.concat(
        [points.assign(value=values).drop(index=[6, 7]), worlds.series(np.ones(1), scope="service:b")]
    )
    first = "metric=latency scope=service:a interval_s=60.0 rollup=avg at=2021-03-04T09:0"
    assert digests.moved("series", made, other.reset_index(drop=True)) == (
        f"changed: {first}3:00+00:00; added: metric=latency scope=service:b interval_s=60.0 rollup=avg "
        f"at=2021-03-04T09:00:00+00:00; gone: 2, the first after {first}5:00+00:00"
    )
    assert digests.moved("series", made, points.iloc[:0]) == "gone: 9, the first at the start"


def test_of_a_long_table_the_month_is_named() -> None:
    points = worlds.series(np.arange(50_000.0), start=pd.Timestamp("2021-01-20", tz="UTC"))
    made = digests.of("series", points)
    assert len(made["pairs"]) < 100
    assert digests.moved("series", made, points) == ""
    points.loc[49_000, "value"] += 1e-9
    assert digests.moved("series", made, points) == (
        "changed: metric=latency scope=service:a interval_s=60.0 rollup=avg month=202102"
    )


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
