"""Onset and root service on real fault injections: `python -m benchmarks.nezha [FOLDER]` (default ../shared/data/nezha).

For each day of Nezha: which faults the family's gate shows within five minutes, beside how often it fires in five minutes
without a fault that had no part in setting its threshold: in turn with those that did, in the other half of the quiet
hours, and just before a fault, where the last fault's aftermath may linger. One setting for both days, no training; what is
read and which times are believed is said in docs/examples/nezha.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from scipy import stats

from resilience.analysis import dependencies, intervals, movement, service_graph
from resilience.sources import graph, series

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT.parent / "shared" / "data" / "nezha"
MINUTE = pd.Timedelta(minutes=1)
WINDOW, LEAD, RECOVERY, APART = 5 * MINUTE, 30 * MINUTE, 30 * MINUTE, 14 * MINUTE
ORDERS = (1, 3, 5)


@dataclass(frozen=True)
class Day:
    """`faults`: fault, pod, kind, detected, delay_min (from the injection to the end of the minute that passed the gate) and
    rank (of the pod's service). Whether any series moved: in fault-free windows `in_turn` with those that set the threshold,
    in `other_half` of the quiet hours, and just `before` a fault.
    """

    faults: pd.DataFrame
    in_turn: list[bool]
    other_half: list[bool]
    before: list[bool]
    series: int
    services: int


def example() -> ModuleType:
    """docs/examples/nezha.py as a module."""
    spec = importlib.util.spec_from_file_location("nezha_example", ROOT / "docs" / "examples" / "nezha.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measure(folder: Path, day: str, every: int = 1) -> Day:
    """One day. `every`: of the fault-free windows, each so many is tried."""
    source = example()
    with tempfile.TemporaryDirectory() as out:
        source.build(folder, day, Path(out))
        rows = series.read(Path(out) / "data" / "series", base=Path(out)).series
    faults = source.read_faults(folder / "rca_data" / day / f"{day}-fault_list.json")
    rows = rows[~rows["metric"].str.startswith("edge")]  # of calls, not of a service
    calm = faults[-1].started + RECOVERY, rows["at"].max()
    calls = _calls(folder, day)
    found = []
    for fault in faults:
        # of minutes that end within five after the injection, the first is partly before it
        window = fault.started - MINUTE, fault.started - MINUTE + WINDOW
        moved = movement.moved(rows, window, calm, lead=LEAD)
        order = dependencies.of_moved(moved, calls).table.set_index("service")["rank"]
        delay = (moved.table["alarm_at"].min() - fault.started) / MINUTE
        found.append((fault.started, fault.pod, fault.kind, pd.notna(delay), delay, order.get(fault.service)))
    table = pd.DataFrame(found, columns=["fault", "pod", "kind", "detected", "delay_min", "rank"])
    return Day(
        table,
        _in_turn(rows, calm, every),
        _other_half(rows, calm, every),
        _before(rows, [fault.started for fault in faults], calm),
        rows.groupby(["metric", "scope"]).ngroups,
        int(rows["scope"].map(movement.service_of).nunique()),
    )


def _calls(folder: Path, day: str) -> dict[str, frozenset[str]]:
    """Declared calls: the day's dependency.csv, else one minute of its traces where that is there."""
    file = folder / "rca_data" / day / "metric" / "dependency.csv"
    traces = sorted((folder.parent / "service-graphs").glob(f"*{day}_trace*.csv"))
    for path in [file] if file.is_file() else traces[:1]:
        return service_graph.callees(graph.read(path, path.name).edges)
    return {}


def _fires(rows: pd.DataFrame, window: movement.Span, calm: movement.Span | list[movement.Span]) -> bool:
    return bool(movement.moved(rows, window, calm, lead=LEAD).table["moved"].fillna(False).any())


def _in_turn(rows: pd.DataFrame, calm: movement.Span, every: int) -> list[bool]:
    """Every second fault-free window, with the threshold of the others."""
    starts = pd.date_range(calm[0] + LEAD, calm[1] - WINDOW, freq=WINDOW)
    spans = [(start - LEAD, start + WINDOW) for start in starts]
    found = []
    for first in (0, 1):
        others = spans[1 - first :: 2]
        found += [_fires(rows, (span[1] - WINDOW, span[1]), others) for span in spans[first :: 2 * every]]
    return found


def _other_half(rows: pd.DataFrame, calm: movement.Span, every: int) -> list[bool]:
    """The windows of each half of the quiet hours, with the threshold of the other half."""
    half = calm[0] + (calm[1] - calm[0]) / 2
    found = []
    for tried, other in (((calm[0], half), (half, calm[1])), ((half, calm[1]), (calm[0], half))):
        starts = pd.date_range(tried[0] + LEAD, tried[1] - WINDOW, freq=WINDOW * every)
        found += [_fires(rows, (start, start + WINDOW), other) for start in starts]
    return found


def _before(rows: pd.DataFrame, faults: list[pd.Timestamp], calm: movement.Span) -> list[bool]:
    """The same just before each fault that comes at least fourteen minutes after the last one."""
    later = [b for a, b in pairwise(faults) if b - a >= APART]
    return [_fires(rows, (at - MINUTE - WINDOW, at - MINUTE), calm) for at in later]


def share(hits: list[bool] | pd.Series) -> str:
    """Count, share and 95 % interval (Clopper and Pearson)."""
    k, n = int(np.sum(hits)), len(hits)
    low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return f"{k:3} of {n:3}  {k / max(n, 1):4.0%}  ({low:.0%} to {high:.0%})"


def show(day: str, found: Day) -> None:
    delay = found.faults["delay_min"].dropna().to_numpy()
    print(f"\n{day}: {len(found.faults)} faults, {found.services} services, {found.series} series")
    print(f"  a fault seen within 5 minutes          {share(found.faults['detected'])}")
    print(
        f"  5 fault-free minutes that fire         {share(found.in_turn)}  (in turn with those that set the threshold)"
    )
    print(
        f"                                         {share(found.other_half)}  (of the other half of the quiet hours)"
    )
    print(f"  5 minutes just before a fault          {share(found.before)}  (the last fault may linger)")
    if len(delay):
        quarter, half, three = np.quantile(delay, [0.25, 0.5, 0.75])
        low, high = intervals.median(delay)
        print(
            f"  delay, min                              median {half:.1f} (95 % interval {low:.1f} to {high:.1f}), "
            f"quartiles {quarter:.1f} and {three:.1f}, longest {delay.max():.1f}"
        )
    for order in ORDERS:
        hit = found.faults["rank"] <= order
        print(
            f"  root service in the top {order}               {share(hit)}  by chance {min(order / found.services, 1):.0%}"
        )
    for kind, part in found.faults.groupby("kind"):
        print(
            f"    {kind:16} seen {int(part['detected'].sum())} of {len(part)}, top 3 {int((part['rank'] <= 3).sum())}"
        )


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="FOLDER")
    parser.add_argument("--every", type=int, default=1, help="try each so many fault-free windows [1]")
    parser.add_argument("--day", help="only this one, such as 2023-01-29 [every day of the folder]")
    given = parser.parse_args(arguments)
    print(
        f"Gate 3 of 5 on one side, family threshold at {movement.ALPHA:.0%} of fault-free windows, lead of 30 minutes."
    )
    for path in sorted((given.folder / "rca_data").iterdir()):
        if given.day in (None, path.name):
            show(path.name, measure(given.folder, path.name, given.every))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
