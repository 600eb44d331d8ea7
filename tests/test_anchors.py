"""The onset beside the stated start, for incidents and experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from resilience.analysis import anchors, claims, times
from resilience.cli import main
from resilience.errors import InputError

from .histories import CHANGE, history
from .sizes import at_full_size

START = pd.Timestamp("2024-03-05 10:00", tz="UTC")


def recording(begin: pd.Timestamp, values: np.ndarray, scope: str, metric: str = "errors") -> pd.DataFrame:
    at = pd.date_range(begin, periods=len(values), freq="min").as_unit("us")
    return pd.DataFrame({"metric": metric, "scope": scope, "at": at, "value": values}).assign(
        interval_s=60.0, rollup="avg"
    )


def incident(incident_id: str, started: str | None, detected: str | None) -> dict[str, object]:
    times = [pd.NaT if t is None else pd.Timestamp(f"2024-03-05 {t}", tz="UTC") for t in (started, detected)]
    return {"incident_id": incident_id, "started_at": times[0], "detected_at": times[1]}


@pytest.fixture
def world() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`A` was written down 40 minutes late; it is seen in b first, in c ten minutes later. `B` shows in nothing."""
    rng = np.random.default_rng(5)
    calm = 1 + rng.normal(0, 0.1, (4, 240))
    calm[1, 90:] += 3
    calm[2, 100:] -= 0.9 * np.minimum(np.arange(1, 141) / 5, 1)
    scopes = ["service:a", "env:prod,service:b", "service:c", "service:d"]
    series = pd.concat([recording(START, row, scope) for row, scope in zip(calm, scopes, strict=True)])
    incidents = pd.DataFrame(
        [incident("A", "12:10", "12:20"), incident("B", "12:00", "12:05"), incident("C", None, "12:00"),
         incident("D", "23:00", "23:10")]
    )  # fmt: skip
    for name in ("started_at", "detected_at"):
        incidents[name] = incidents[name].astype("datetime64[us, UTC]")
    services = pd.DataFrame(
        {"incident_id": ["A", "A", "A", "B", "C", "D"], "service": ["a", "b", "c", "d", "b", "b"]}
    )
    return incidents, services, series


def test_a_late_start_is_shown_beside_the_onset(
    world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
) -> None:
    found = anchors.of_incidents(*world)
    table = found.table.set_index("incident_id")
    assert table.index.tolist() == ["A", "B", "C", "D"]
    row = table.loc["A"]
    assert row["onset_at"] == pd.Timestamp("2024-03-05 11:30", tz="UTC")
    assert row["earliest"] < row["onset_at"] < row["latest"]
    assert (row["scope"], row["metric"], row["kind"]) == ("env:prod,service:b", "errors", "step")
    assert row["late_min"] == 40
    assert (row["n_moved"], row["n_searched"]) == (2, 3)
    assert found.moves["scope"].tolist() == ["env:prod,service:b", "service:c"]
    assert "1 were stated later than the onset can have been" in found.text
    assert table["reason"].tolist()[1:] == [
        "no series moved",
        "its start is not recorded",
        "no series of its services was recorded then",
    ]
    assert table["onset_at"].isna().tolist() == [False, True, True, True]


def test_processes_give_the_same(world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        there = anchors.of_incidents(*world, executor=pool)
    pd.testing.assert_frame_equal(there.table, anchors.of_incidents(*world).table)


def test_an_incident_stands_once(world: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> None:
    incidents, services, series = world
    with pytest.raises(InputError, match="stands twice"):
        anchors.of_incidents(pd.concat([incidents, incidents]), services, series)


def test_a_morning_is_no_onset() -> None:
    """Traffic that rises by half an hour's growth each minute is shaped by the hours of the weeks before."""
    hours = pd.date_range(
        START.floor("D") - pd.Timedelta(weeks=12), START + pd.Timedelta("4h"), freq="h", tz="UTC"
    )
    rng = np.random.default_rng(6)
    daily = lambda at: 2 - np.cos(2 * np.pi * (at.hour + at.minute / 60) / 24)  # noqa: E731
    long = pd.DataFrame({"metric": "hits", "scope": "service:a", "at": hours.as_unit("us")}).assign(
        value=6000 * daily(hours + pd.Timedelta("30min")) * np.exp(rng.normal(0, 0.02, len(hours))),
        interval_s=3600.0, rollup="sum",
    )  # fmt: skip
    minutes = pd.date_range(START - pd.Timedelta("3h"), periods=360, freq="min")
    values = np.asarray(100 * daily(minutes)) * np.exp(rng.normal(0, 0.03, 360))
    incidents = pd.DataFrame([incident("A", "10:00", "10:30")]).astype(
        dict.fromkeys(("started_at", "detected_at"), "datetime64[us, UTC]")
    )
    services = pd.DataFrame({"incident_id": ["A"], "service": ["a"]})
    short = recording(minutes[0], values, "service:a", "hits")
    calm = anchors.of_incidents(incidents, services, pd.concat([long, short]))
    assert calm.table["onset_at"].isna().all()
    short.loc[short["at"] >= START, "value"] *= 0.5
    moved = anchors.of_incidents(incidents, services, pd.concat([long, short]))
    assert abs(moved.table["late_min"].iloc[0]) <= 2


def test_experiments_against_their_recorded_fault() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(0, 1, 200)
    values[120:140] += 12
    experiments = pd.DataFrame(
        {
            "gameday_id": ["g", "g"],
            "experiment_key": ["one", "two"],
            "planned_min": [20.0, 20.0],
            "fault_started_at": pd.DatetimeIndex([START + pd.Timedelta("118min"), pd.NaT]).as_unit("us"),
            "fault_ended_at": pd.DatetimeIndex([START + pd.Timedelta("140min"), pd.NaT]).as_unit("us"),
        }
    )
    targets = pd.DataFrame({"gameday_id": "g", "experiment_key": ["one", "two"], "service": ["a", "b"]})
    found = anchors.of_experiments(experiments, targets, recording(START, values, "service:a"))
    assert found.table["late_min"].tolist()[0] == -2
    assert found.table["reason"].tolist()[1] == "its start is not recorded"


def recorded_around(
    onsets: pd.DataFrame, rows: pd.DataFrame, seen: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A minute series of its own for every incident, calm and then raised from its true onset on; and who it belongs to.

    A share `seen` of them moves; the others stay calm.
    """
    rng = np.random.default_rng(3)
    parts = []
    for i, (start, until) in enumerate(zip(onsets["onset"], rows["detected_at"], strict=True)):
        begin = start.floor("min") - pd.Timedelta("2h")
        values = 1 + rng.normal(0, 0.1, int((until - begin).total_seconds() // 60) + 40)
        if rng.random() < seen:
            values[121:] += 1.5
        parts.append(recording(begin, values, f"service:s{i}"))
    services = pd.DataFrame(
        {"incident_id": rows["incident_id"], "service": [f"s{i}" for i in range(len(rows))]}
    )
    return pd.concat(parts, ignore_index=True), services


@pytest.mark.parametrize(("detect", "verdict"), [(0.5, claims.SUPPORTED), (1.0, claims.NOT_DISTINGUISHABLE)])
def test_detection_that_was_halved_is_found_from_the_series_and_better_recording_alone_is_not(
    detect: float, verdict: str
) -> None:
    """From points to claim: starts are recorded earlier in both worlds, and onsets come from the series alone."""
    rows, onsets = history(11, n=240, late=(0.45, 0.05), detect=detect)
    series, services = recorded_around(onsets, rows, 0.8)
    found = anchors.of_incidents(rows, services, series)
    assert 0.6 < found.table["onset_at"].notna().mean() < 0.9
    before, after, _ = claims.split(rows, CHANGE)
    claim = times.compare(before, after, "detect", onsets=found.table, by=())
    assert claim.verdict == verdict, claim.text
    assert claim.anchored
    if verdict == claims.SUPPORTED:
        assert claim.interval.low < detect < claim.interval.high < 1
    as_recorded = times.compare(before, after, "detect", by=(), trust_starts=True)
    assert as_recorded.effect > 1.25 * claim.effect  # an earlier start makes the same detection look slower


@pytest.mark.acceptance
@at_full_size("two full samples are written and read")
@pytest.mark.parametrize(("world", "found"), [("detection-halved", True), ("", False)])
def test_a_halved_detection_is_found_in_a_sample_that_was_written_and_read(
    world: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From reports and series in files, by the commands alone: 300 incidents, of which a fifth came after."""
    monkeypatch.chdir(tmp_path)
    name = "-".join(filter(None, ["recording-earlier", world]))
    asked = ["compare", "--date", "2020-12-11", "--clock", "detect"]
    for call in (["init", "."], ["sample", "--world", name], ["ingest", "data/incidents", "data/series"]):
        done = CliRunner().invoke(main, call)
        assert done.exit_code == 0, done.output
    assert CliRunner().invoke(main, asked).output.startswith("Not measurable: ")
    said = CliRunner().invoke(main, [*asked, "--anchored"]).output
    assert said.startswith("Supported ") == found, said
    assert "shorter after" in said or not found
