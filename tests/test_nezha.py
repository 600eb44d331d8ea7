"""A day of real fault injections becomes a workspace: CSVs by one mapping file, and a gameday.yml."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience import schema
from resilience.failure_classes import FAILURE_CLASSES
from resilience.sources import gamedays, series
from resilience.sources.points import SeriesRead

SCRIPT = Path(__file__).parents[1] / "docs" / "examples" / "nezha.py"
DAY = "2022-08-22"


@dataclass(frozen=True)
class World:
    raw: Path
    out: Path
    read: SeriesRead

    @property
    def gameday(self) -> Path:
        return self.out / "data" / "gamedays" / f"nezha-{self.raw.parent.name}" / "gameday.yml"

    def values(self, metric: str, scope: str) -> pd.Series:
        rows = self.read.series
        return rows[(rows["metric"] == metric) & (rows["scope"] == scope)].set_index("at")["value"]

    def csv(self, name: str) -> pd.DataFrame:
        """The raw file by the start of its minutes, read in another way than the reader's."""
        table = pd.read_csv(self.raw / name)
        ends = table.iloc[:, 0].map(lambda text: pd.Timestamp(" ".join(text.split()[:2]), tz="UTC"))
        table.index = pd.DatetimeIndex(ends - pd.Timedelta("1min")).as_unit("us")
        return table


def build(shared: Path, day: str, out: Path) -> World:
    nezha = shared / "nezha"
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(nezha), day, str(out)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = series.read(out / "data" / "series", base=out)
    schema.check("series", found.series)
    return World(nezha / "rca_data" / day / "metric", out, found)


@pytest.fixture(scope="module")
def world(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(shared_data, DAY, tmp_path_factory.mktemp("nezha"))


def test_every_file_is_read_without_a_problem(world: World) -> None:
    assert world.read.problems.empty, world.read.problems["message"].tolist()
    files = {source.removeprefix("series ") for source in world.read.series["source"].unique()}
    raw = {f"data/series/{p.name}" for p in world.raw.glob("*.csv") if p.name != "dependency.csv"}
    assert files == raw
    assert len(raw) == 13
    assert set(world.read.series["interval_s"]) == {60.0}


def test_points_equal_the_raw_files(world: World) -> None:
    front = world.csv("front_service.csv")
    for metric, column in (
        ("front.success_rate", "SuccessRate(%)"),
        ("front.latency_p50", "LatencyP50(s)"),
        ("front.latency_p99", "LatencyP99(s)"),
    ):
        pd.testing.assert_series_equal(
            world.values(metric, "service:frontend"), front[column], check_names=False, check_freq=False
        )
    assert world.values("front.success_rate", "service:frontend").min() == front["SuccessRate(%)"].min() < 95
    for file in sorted(world.raw.glob("*_metric.csv")):
        table = world.csv(file.name)
        pod = table["PodName"].iloc[0]
        scope = f"pod:{pod},service:{pod.rsplit('-', 2)[0]}"
        for metric, column in (
            ("pod.cpu_usage_rate", "CpuUsageRate(%)"),
            ("pod.server_latency_p95", "PodServerLatencyP95(s)"),
            ("pod.workload", "PodWorkload(Ops)"),
            ("pod.network_received", "NetworkReceiveBytes"),
        ):
            got, want = world.values(metric, scope), table[column]
            assert len(got) == len(want) == 1209
            # Missing stays missing, everything else is the same to the last bit.
            np.testing.assert_array_equal(got.to_numpy(), want.to_numpy())
            assert (got.index == want.index).all()
    calls = world.csv("source_50.csv")["frontend_cartservice"]
    np.testing.assert_array_equal(
        world.values("edge.latency_p50_at_source", "source:frontend,target:cartservice").dropna(),
        calls.dropna(),
    )


def test_wrong_clock_of_the_raw_data_is_not_believed(world: World) -> None:
    """adservice's TimeStamp column lies in 2028; its Time column does not."""
    raw = pd.read_csv(next(world.raw.glob("adservice-*")))
    assert pd.Timestamp(raw["TimeStamp"].iloc[0], unit="s").year == 2028
    assert set(world.read.series["at"].dt.strftime("%Y-%m-%d")) == {DAY}
    said = gamedays.read(world.gameday, base=world.out).gameday_notes["text"]
    assert said.str.contains("200000000 s ahead").any()
    assert said.str.contains("PodSuccessRate").any()
    assert not world.read.series["metric"].eq("pod.success_rate").any()


def test_a_fault_becomes_an_experiment(world: World, shared_data: Path) -> None:
    found = gamedays.read(world.gameday, base=world.out)
    assert set(found.problems["kind"]) <= {"missing"}, found.problems["message"].tolist()
    (day,) = found.gamedays.to_dict("records")
    expected = {"gameday_id": f"nezha-{DAY}", "style": "uninformed", "environment": "isolated", "zone": "UTC"}
    assert {key: day[key] for key in expected} == expected
    assert day["attendance_tech"] == 0
    listed = json.loads((shared_data / "nezha" / "rca_data" / DAY / f"{DAY}-fault_list.json").read_text())
    faults = [fault for hour in listed.values() for fault in hour]
    experiments = found.experiments.sort_values("position")
    assert len(experiments) == len(faults) == 24
    assert experiments["experiment_key"].is_unique
    assert {"adservice-return-1", "frontend-cpu-contention-1"} <= set(experiments["experiment_key"])
    assert (
        set(experiments["failure_class"])
        == {"capacity", "software-bug", "network-dns"}
        <= set(FAILURE_CLASSES)
    )
    assert experiments["fault_ended_at"].isna().all()
    assert experiments["outcome_text"].str.contains("Nobody was asked to solve it").all()
    starts = pd.to_datetime([fault["inject_time"] for fault in faults], utc=True).sort_values()
    apart = (experiments["fault_started_at"].to_numpy() != starts.to_numpy()).sum()
    assert apart == 1  # the entry that contradicts itself
    assert found.experiment_events.empty
    targets = found.experiment_targets.set_index("experiment_key")["service"]
    for row in experiments.itertuples():
        assert row.experiment_key.startswith(targets[row.experiment_key])
    # Two time boxes fit before the next fault.
    gaps = experiments["fault_started_at"].diff().dropna().dt.total_seconds() / 60
    assert set(experiments["planned_min"]) == {4.0}
    assert 2 * experiments["planned_min"].iloc[0] <= gaps.min()


def test_the_corrected_time_is_the_one_the_metrics_show(world: World) -> None:
    experiments = gamedays.read(world.gameday).experiments.set_index("experiment_key")
    started = experiments.loc["recommendationservice-cpu-consumed-1", "fault_started_at"]
    assert started == pd.Timestamp(f"{DAY} 07:09:43", tz="UTC")
    table = world.csv("recommendationservice-6cfdd55578-gfj6q_metric.csv")
    cpu, latency = table["CpuUsageRate(%)"], table["PodServerLatencyP95(s)"]
    stated = pd.Timestamp(f"{DAY} 07:10:43", tz="UTC")
    ended = [int(np.flatnonzero(table.index + pd.Timedelta("1min") < stated)[i]) for i in (-2, -1)]
    assert cpu.iloc[ended[1]] > 3 * cpu.iloc[ended[0]]
    assert latency.iloc[ended[1]] > 5 > 1 > latency.iloc[ended[0]]


def test_limits_are_those_of_the_quiet_hours(world: World) -> None:
    found = gamedays.read(world.gameday)
    probes, last = found.experiment_probes, found.experiments["fault_started_at"].max()
    minutes = int(found.experiments["planned_min"].iloc[0])
    assert probes.groupby("experiment_key")["probe"].nunique().min() >= 3
    for row in probes.drop_duplicates(["metric", "scope"]).itertuples():
        quiet = (
            world.values(row.metric, row.scope)[last + pd.Timedelta("30min") :]
            .rolling(minutes - 1)
            .mean()
            .dropna()
        )
        assert len(quiet) > 800
        outside = (quiet > row.high).mean() if math.isnan(row.low) else (quiet < row.low).mean()
        assert outside <= 0.005
        within = quiet.max() if math.isnan(row.low) else quiet.min()
        assert (row.high if math.isnan(row.low) else row.low) == pytest.approx(within, rel=1)
    front = probes[probes["metric"] == "front.latency_p95"]["high"]
    assert (front.between(0.9, 1.4)).all()


def test_injected_faults_leave_those_limits(world: World) -> None:
    """The figures are worth rendering: the contention of 04:44 shows in CPU, latency and calls."""
    found = gamedays.read(world.gameday)
    key = "checkoutservice-cpu-contention-1"
    start = found.experiments.set_index("experiment_key").loc[key, "fault_started_at"]
    probes = found.experiment_probes[found.experiment_probes["experiment_key"] == key].set_index("probe")
    for name in ("CPU of the pod", "latency p95 of the pod", "latency of calls to it"):
        probe = probes.loc[name]
        points = world.values(probe["metric"], probe["scope"])
        ends = points.index + pd.Timedelta("1min")
        during = points[(points.index >= start) & (ends <= start + pd.Timedelta("4min"))]
        before = points[(points.index >= start - pd.Timedelta("4min")) & (ends <= start)]
        assert len(during) == len(before) == 3
        assert before.mean() <= probe["high"] < during.mean(), name


def test_the_other_day_works_too(shared_data: Path, tmp_path: Path) -> None:
    """inject_timestamp is 8 hours early there, the front's success rate is 0 throughout; neither is believed."""
    other = build(shared_data, "2023-01-29", tmp_path)
    assert other.read.problems.empty
    found = gamedays.read(other.gameday)
    assert len(found.experiments) == 28
    first = found.experiments["fault_started_at"].min()
    assert first == pd.Timestamp("2023-01-29 08:43:04", tz="UTC")
    assert not other.read.series["metric"].eq("front.success_rate").any()
    assert other.read.series["at"].min() <= first


def test_the_script_is_the_same_every_time(world: World, shared_data: Path, tmp_path: Path) -> None:
    again = build(shared_data, DAY, tmp_path)
    assert again.gameday.read_bytes() == world.gameday.read_bytes()
    mapping = Path("data/series/mapping.yml")
    assert (again.out / mapping).read_bytes() == (world.out / mapping).read_bytes()


def test_a_wrong_folder_is_a_sentence(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), DAY, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "no list of faults" in run.stderr
    assert "Traceback" not in run.stderr
