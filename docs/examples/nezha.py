"""A day of Nezha's fault injections as a GameDay: `python docs/examples/nezha.py NEZHA_DIR DAY OUT_DIR`.

NEZHA_DIR is a checkout of github.com/IntelligentDDS/Nezha, DAY one of its days, e.g. 2022-08-22 (Online Boutique) or
2023-01-29 (Train-Ticket). Writes a workspace: OUT_DIR/data/series with the CSVs and their mapping file,
OUT_DIR/data/gamedays/nezha-DAY/gameday.yml with one experiment per injected fault, and OUT_DIR/data/graph where the day says
who calls whom.

What the data does not say is not made up. No end of a fault is recorded, so none is stated. Nobody was asked to solve
anything, so there is no attendance, no timeline and no symptom. Limits of the probes come from the
hours after the last fault: `construct_data`, meant as the fault-free reference, holds the same metrics of the same day
as `rca_data`, and in gaps of the fault list the metrics show injections that it does not name (2022-08-22, calls to
productcatalogservice from 06:10 and 06:18).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from resilience.errors import InputError
from resilience.sources import series

SYSTEMS = {"2022-08-22": "Online Boutique", "2023-01-29": "Train-Ticket"}
CLASSES = {
    "cpu_contention": "capacity",
    "cpu_consumed": "software-bug",
    "network_delay": "network-dns",
    "return": "software-bug",
    "exception": "software-bug",
}
# inject_time (UTC) is the time to trust: on 2023-01-29 inject_timestamp is 8 hours early. With one exception, where
# the pod's CPU and latency rise in the minute that ends at 07:10:20, so that inject_timestamp must be right.
CORRECTED = {"2022-08-22 07:10:43": "2022-08-22 07:09:43"}
RECOVERY = pd.Timedelta(minutes=30)  # the longest effect of a fault lasts 7 minutes
FALSE_ALARM = 0.05  # chance that an experiment without a fault would leave its limits somewhere

FRONT: dict[str, tuple[str, str | None]] = {
    "SuccessRate(%)": ("front.success_rate", "%"),
    "LatencyP50(s)": ("front.latency_p50", "s"),
    "LatencyP90(s)": ("front.latency_p90", "s"),
    "LatencyP95(s)": ("front.latency_p95", "s"),
    "LatencyP99(s)": ("front.latency_p99", "s"),
}
POD: dict[str, tuple[str, str | None]] = {
    "CpuUsage(m)": ("pod.cpu_usage", "millicores"),
    "CpuUsageRate(%)": ("pod.cpu_usage_rate", "%"),
    "MemoryUsage(Mi)": ("pod.memory_usage", "MiB"),
    "MemoryUsageRate(%)": ("pod.memory_usage_rate", "%"),
    "SyscallRead": ("pod.syscall_reads", None),
    "SyscallWrite": ("pod.syscall_writes", None),
    "NetworkReceiveBytes": ("pod.network_received", "B"),
    "NetworkTransmitBytes": ("pod.network_transmitted", "B"),
    "PodClientLatencyP90(s)": ("pod.client_latency_p90", "s"),
    "PodServerLatencyP90(s)": ("pod.server_latency_p90", "s"),
    "PodClientLatencyP95(s)": ("pod.client_latency_p95", "s"),
    "PodServerLatencyP95(s)": ("pod.server_latency_p95", "s"),
    "PodClientLatencyP99(s)": ("pod.client_latency_p99", "s"),
    "PodServerLatencyP99(s)": ("pod.server_latency_p99", "s"),
    "PodWorkload(Ops)": ("pod.workload", "ops/s"),
    "PodSuccessRate(%)": ("pod.success_rate", "%"),
    "NodeCpuUsageRate(%)": ("node.cpu_usage_rate", "%"),
    "NodeMemoryUsageRate(%)": ("node.memory_usage_rate", "%"),
    "NodeNetworkReceiveBytes": ("node.network_received", "B"),
}
EDGES = {"source_50.csv": "edge.latency_p50_at_source", "destination_50.csv": "edge.latency_p50_at_target"}


@dataclass(frozen=True)
class Fault:
    """One entry of the fault list."""

    started: pd.Timestamp
    pod: str
    kind: str
    corrected: bool

    @property
    def service(self) -> str:
        return self.pod.rsplit("-", 2)[0]


def read_faults(path: Path) -> list[Fault]:
    """Faults in order of time. Raises InputError where the file is not a fault list."""
    try:
        entries = [entry for hour in json.loads(path.read_text(encoding="utf-8")).values() for entry in hour]
        faults = [
            Fault(
                pd.Timestamp(CORRECTED.get(e["inject_time"], e["inject_time"]), tz="UTC"),
                e["inject_pod"],
                e["inject_type"],
                e["inject_time"] in CORRECTED,
            )
            for e in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            "There is no list of faults.",
            where=path.name,
            remedy="Name a checkout of Nezha and one of its days.",
        ) from None
    return sorted(faults, key=lambda fault: fault.started)


def write_series(metrics: Path, out: Path) -> list[str]:
    """Copies the CSVs, writes their mapping, and returns what is odd about them."""
    out.mkdir(parents=True, exist_ok=True)
    pods, odd = sorted(metrics.glob("*_metric.csv")), []
    tables = {file.name: pd.read_csv(file) for file in [metrics / "front_service.csv", *pods]}
    for column in ("SuccessRate(%)", "PodSuccessRate(%)"):
        holding = [table[column] for table in tables.values() if column in table]
        if all((cells == 0).all() for cells in holding):
            odd.append(
                f"{column} is 0 in every row of {len(holding)} file(s), also where requests succeed: not read."
            )
    unread = {text.split(" ", 1)[0] for text in odd}
    for name, table in tables.items():
        stamp = pd.to_datetime(table["TimeStamp"], unit="s", utc=True)
        ahead = (
            stamp - pd.to_datetime(table["Time"].str.split(" ").str[:2].str.join("T"), utc=True)
        ).median()
        if abs(ahead) > pd.Timedelta(minutes=1):
            odd.append(
                f"TimeStamp of {name} is {ahead.total_seconds():.0f} s ahead of its Time; Time is read."
            )
    for file in [
        *pods,
        *(metrics / name for name in ("front_service.csv", *EDGES) if (metrics / name).is_file()),
    ]:
        shutil.copyfile(file, out / file.name)

    def named(columns: dict[str, tuple[str, str | None]]) -> list[dict[str, Any]]:
        return [
            {"column": column, "metric": metric, **({"unit": unit} if unit else {})}
            for column, (metric, unit) in columns.items()
            if column not in unread
        ]

    files: list[dict[str, Any]] = [
        {
            "glob": "front_service.csv",
            "tags": {"service": "frontend" if any(p.name.startswith("frontend-") for p in pods) else "front"},
            "metrics": named(FRONT),
            "ignore": ["TimeStamp", "ServiceName", *sorted(unread)],
        },
        {
            "glob": "*_metric.csv",
            "scope": {"pod": "PodName", "service": {"column": "PodName", "drop": 2}},
            "metrics": named(POD),
            "ignore": ["TimeStamp", *sorted(unread)],
        },
    ]
    for name, metric in EDGES.items():
        if (out / name).is_file():
            headers = pd.read_csv(out / name, nrows=0).columns[2:]
            tags = [dict(zip(("source", "target"), header.split("_"), strict=True)) for header in headers]
            edges = [
                {"column": h, "metric": metric, "unit": "s", "tags": t}
                for h, t in zip(headers, tags, strict=True)
            ]
            time = {"column": "time", "until": " UTC", "stamp": "end"}
            files.append({"glob": name, "time": time, "metrics": edges, "ignore": ["timestamp"]})
    shape = {
        "layout": "wide",
        # Effects appear in the first sample after an injection: a sample describes the minute that it ends. Left as
        # they are, about 20 s past the full minute: aligned, the minute "before" would hold seconds of the fault.
        "time": {"column": "Time", "until": " UTC", "stamp": "end"},
        "interval": 60,
    }
    write_yaml(out / "mapping.yml", {**shape, "files": files})
    return odd


Reference = dict[tuple[str, str], pd.Series]  # windowed means by (metric, scope)


def fault_free(points: pd.DataFrame, faults: list[Fault], minutes: int) -> Reference:
    """Means over so many whole minutes after the last fault, windows with a gap left out."""
    reference, quiet = Reference(), max(fault.started for fault in faults) + RECOVERY
    for (metric, scope), rows in points.groupby(["metric", "scope"]):
        values = rows.set_index("at")["value"].resample("1min").mean()
        reference[str(metric), str(scope)] = values[quiet:].rolling(minutes).mean().dropna()
    return reference


def probes_of(fault: Fault, reference: Reference) -> list[dict[str, Any]]:
    """Probes on the front and on the target, each with the limit that fault-free windows keep to."""
    pod = f"pod:{fault.pod},service:{fault.service}"
    front = next(scope for metric, scope in reference if metric == "front.latency_p95")
    calls = [
        c for c in reference if c[0] == EDGES["source_50.csv"] and c[1].endswith(f"target:{fault.service}")
    ]
    wanted = {
        "front latency p95": ("front.latency_p95", front),
        "front success rate": ("front.success_rate", front),
        "CPU of the pod": ("pod.cpu_usage_rate", pod),
        "latency p95 of the pod": ("pod.server_latency_p95", pod),
    }
    if calls:
        wanted["latency of calls to it"] = max(calls, key=lambda column: len(reference[column]))
    enough = 0.9 * max(map(len, reference.values()))
    usable = {name: c for name, c in wanted.items() if c in reference and len(reference[c]) >= enough}
    # Three windows (before, during, after) per probe share the chance of a false alarm.
    tail = FALSE_ALARM / (3 * len(usable))
    probes = []
    for name, (metric, scope) in usable.items():
        low = metric.endswith("success_rate")
        limit = float(reference[metric, scope].quantile(tail if low else 1 - tail))
        bound = {"low": round_to(limit, down=True)} if low else {"high": round_to(limit, down=False)}
        probes.append({"name": name, "metric": metric, "scope": scope, "statistic": "mean", **bound})
    return probes


def round_to(value: float, *, down: bool, digits: int = 4) -> float:
    """`value` to so many significant digits, away from the tolerated side."""
    scale = 10.0 ** (digits - 1 - math.floor(math.log10(abs(value)))) if value else 1.0
    return (math.floor if down else math.ceil)(value * scale - (0 if down else 1e-9)) / scale


def gameday(
    day: str, faults: list[Fault], minutes: int, reference: Reference, odd: list[str]
) -> dict[str, Any]:
    """The gameday.yml of the day."""
    system, seen = SYSTEMS.get(day, "a microservice system"), Counter[tuple[str, str]]()
    experiments = []
    for fault in faults:
        seen[fault.service, fault.kind] += 1
        words = fault.kind.replace("_", " ")
        experiment: dict[str, Any] = {
            "experiment_key": f"{fault.service}-{fault.kind.replace('_', '-')}-{seen[fault.service, fault.kind]}",
            "title": f"{words} in {fault.service}",
            "symptom": "None was given: no heroes took part.",
            "targets": [fault.service],
            "failure_class": CLASSES.get(fault.kind, "unknown"),
            "planned_min": minutes,
            "steady_state": {
                "hypothesis": f"With {words} in {fault.service}, the front and {fault.service} stay as fast and as "
                "successful as in the hours after this day's last fault.",
                "probes": probes_of(fault, reference),
            },
            "fault": {"started": f"{fault.started:%H:%M:%S}"},
            "timeline": [],
            "outcome": "not_attempted",
            "outcome_text": "Nobody was asked to solve it: the fault was injected to record telemetry, and no end of "
            "it was recorded. This says nothing about anybody's skill.",
        }
        if fault.corrected:
            experiment["surprises"] = [
                "The fault list contradicts itself: inject_time is 60 s later than inject_timestamp. The pod slows "
                "down before inject_time, so inject_timestamp is used."
            ]
        experiments.append(experiment)
    return {
        "title": f"Nezha: {len(faults)} faults in {system}",
        "theme": "fault injection for research",
        "date": day,
        "zone": "UTC",
        "style": "uninformed",
        "environment": "isolated",
        "attendance": {"tech": 0, "other": 0},
        "summary": f"Public data of the FSE'23 paper Nezha: {len(faults)} faults injected into {system}, one after the "
        f"other, to record what they do to its metrics. Nobody took part. The time box of {minutes} minutes stands in "
        "for the end of each fault, which was not recorded: it lets two boxes fit before the next fault. Limits come "
        "from the hours after the last fault, so that at most about 1 in 20 experiments without any effect would leave "
        "them. One fault follows the other so closely that some begin before the last one's effect is over.",
        "surprises": odd,
        "experiments": experiments,
    }


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_yaml(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(data, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8")


def build(nezha: Path, day: str, out: Path) -> Path:
    """Writes the workspace and returns the gameday.yml. Raises InputError where the day is not there."""
    faults = read_faults(nezha / "rca_data" / day / f"{day}-fault_list.json")
    folder = out / "data" / "series"
    odd = write_series(nezha / "rca_data" / day / "metric", folder)
    if (graph := nezha / "rca_data" / day / "metric" / "dependency.csv").is_file():
        (out / "data" / "graph").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(graph, out / "data" / "graph" / "dependency.csv")
    starts = pd.Series([fault.started for fault in faults])
    minutes = max(int(starts.diff().min() / pd.Timedelta(minutes=2)), 2)
    reference = series.read(nezha / "construct_data" / day / "metric", folder / "mapping.yml").series
    target = out / "data" / "gamedays" / f"nezha-{day}" / "gameday.yml"
    # A box of n minutes holds n - 1 whole minutes, unless it begins on a full one.
    write_yaml(target, gameday(day, faults, minutes, fault_free(reference, faults, minutes - 1), odd))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("nezha", type=Path, metavar="NEZHA_DIR")
    parser.add_argument("day", metavar="DAY")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    given = parser.parse_args()
    try:
        print(build(given.nezha, given.day, given.out))
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
