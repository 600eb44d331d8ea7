"""The week of every series of an estate: `python -m benchmarks.estate [--services N] [--metrics M] [--jobs J]`.

By default 24 services x 4 metrics x two years at one minute: 100 million points. Printed are the ratio to the plain read of
`scope, at, value` of the same points (at most 3 is asked for), the peak of memory at half the services and at all (1.5 GB,
and flat), and what 150 services x 8 metrics would take; with `RESILIENCE_ACCEPTANCE=1` these are run, in some 6 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from benchmarks.pairs import seconds
from resilience import estate, schema, workers
from resilience.delta import FILE_BYTES, layout
from resilience.store import Store

MINUTES = 730 * 1440
ZONE = "Europe/Berlin"
READ = ["scope", "at", "value"]
SERVICES = 150  # of an estate, each with all of METRICS
METRICS = ("cpu", "duration", "errors", "hits", "memory", "network", "queue", "saturation")


def values(metric: str, rng: np.random.Generator) -> np.ndarray:
    """Two years of minutes with a day and a week in them: averages with all their digits, or whole counts."""
    hour = np.arange(MINUTES) / 60
    shape = 1 + 0.5 * np.sin(2 * np.pi * hour / 24) + 0.2 * np.sin(2 * np.pi * hour / 168)
    if metric in ("errors", "hits", "queue"):
        return rng.poisson((2 if metric == "errors" else 400) * shape).astype(float)
    return 20 + 30 * shape + rng.normal(0, 4, MINUTES)


def batches(metrics: Sequence[str], services: range, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Series by series; each is one of a few draws, begun elsewhere, so that writing takes longer than drawing."""
    at = pa.array(np.datetime64("2020-01-01", "us").astype(np.int64) + 60_000_000 * np.arange(MINUTES))
    at = at.cast(pa.timestamp("us", "UTC"))
    rng = np.random.default_rng(1)

    def same(value: str | float) -> pa.Array:
        return pa.repeat(pa.scalar(value), MINUTES)

    for metric in metrics:
        drawn = [values(metric, rng) for _ in range(2)]
        rollup = "sum" if metric in ("errors", "hits") else "avg"
        for service in services:
            value = np.roll(drawn[service % 2], int(rng.integers(MINUTES)))
            arrays = [
                same(metric),
                same(f"service:{service:03d}"),
                at,
                pa.array(value),
                same(60.0),
                same(rollup),
            ]
            yield pa.record_batch([*arrays, same("unit"), same("benchmark")], schema=columns)


def write(root: Path, metrics: Sequence[str], services: range) -> Store:
    """A store as `resilience store compact` leaves it."""
    columns = pa.Table.from_pandas(schema.frame("series"), preserve_index=False).schema.remove_metadata()
    plain = pa.schema(
        [field.with_type(pa.string()) if "string" in str(field.type) else field for field in columns]
    )
    rows = pa.RecordBatchReader.from_batches(plain, batches(metrics, services, plain))
    write_deltalake(root / "series", rows, writer_properties=layout("series"), target_file_size=FILE_BYTES)
    return Store(root)


def arrow_read(store: Store) -> None:
    """The obvious way to read `scope, at, value`: pyarrow, with all its threads, and nothing kept."""
    for _ in DeltaTable(f"{store.root}/series").to_pyarrow_dataset().to_batches(columns=READ):
        pass


def engine_read(store: Store) -> None:
    """The fastest way that there is to read them: DataFusion, whose texts are not even copied."""
    table = DeltaTable(f"{store.root}/series")
    for _ in QueryBuilder().register("t", table).execute(f"SELECT {', '.join(READ)} FROM t"):
        pass


def all_weeks(root: str, metrics: Sequence[str], jobs: int) -> None:
    store = Store(root)
    with workers.executor(store, jobs) as pool:
        for metric in metrics:
            estate.week_profile(store, metric, 60.0, ZONE, executor=pool)


def peak_mb(root: str, metrics: Sequence[str]) -> float:
    """Largest resident memory of a process that does nothing else."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.estate import all_weeks; "
        "all_weeks(sys.argv[1], sys.argv[2:], 1); print(Path('/proc/self/status').read_text())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, root, *metrics], capture_output=True, text=True, check=True
    )
    return int(ran.stdout.partition("VmHWM:")[2].split()[0]) / 1024


def measure(services: int, metrics: Sequence[str], jobs: int) -> float:
    """Prints a line about one size; seconds per point."""
    points = services * len(metrics) * MINUTES
    with tempfile.TemporaryDirectory() as name:
        store = write(Path(name), metrics, range(services))
        size = sum(path.stat().st_size for path in Path(name).rglob("*.parquet")) / 1e6
        runs = [
            [
                seconds(work)
                for work in (
                    lambda: all_weeks(name, metrics, jobs),
                    lambda: arrow_read(store),
                    lambda: engine_read(store),
                )
            ]
            for _ in range(3 if points < 2e8 else 1)
        ]
        peak = peak_mb(name, metrics)
    ours, arrow, engine = (statistics.median(column) for column in zip(*runs, strict=True))
    against = [statistics.median(run[0] / run[i] for run in runs) for i in (1, 2)]
    print(
        f"week of {services * len(metrics)} series, {points / 1e6:.0f} M points in {size:.0f} MB: {ours:.1f} s, peak of "
        f"memory {peak:.0f} MB; plain read {arrow:.1f} s with pyarrow ({against[0]:.1f}x that), {engine:.1f} s with "
        f"DataFusion ({against[1]:.1f}x)",
        flush=True,
    )
    return ours / points


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--services", type=int, default=24)
    parser.add_argument("--metrics", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args(list(arguments))
    metrics = METRICS[: given.metrics]
    measure(given.services // 2, metrics, given.jobs)
    each = measure(given.services, metrics, given.jobs)
    if os.environ.get("RESILIENCE_ACCEPTANCE", "0") != "0":
        measure(SERVICES, METRICS, given.jobs)
    else:
        points = SERVICES * len(METRICS) * MINUTES
        print(
            f"at that pace the {points / 1e9:.2f} billion points of an estate take {each * points / 60:.1f} min."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
