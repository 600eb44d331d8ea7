"""The ledger and the plan from the store: as they are asked for, after a new day of series, and with nothing kept.

The workspace is made here: 150 services, two years, 12 classes. Each is a command of its own, start of Python included,
as a planner waits for it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from resilience import workspace
from resilience.store import Store

from .pairs import seconds

RUNS = 3
ALLOWED_S = 5.0


def ask(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "resilience.cli", *words]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


def another_day(store: Store) -> None:
    """The last day of every service's requests again, a day later, as a sync would add it."""
    rows = store.load("series", where={"metric": ["trace.http.request.hits"]})
    rows = rows[rows["interval_s"] == 3600]
    day = pd.Timedelta(days=1)
    store.upsert("series", rows[rows["at"] > rows["at"].max() - day].assign(at=lambda r: r["at"] + day))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given := os.environ.get("RESILIENCE_BENCH_WORKSPACE"):  # an ingested one, which is only copied
            shutil.copytree(given, folder, dirs_exist_ok=True)
        else:
            ask(folder, "init", ".")
            ask(folder, "sample", ".")
            ask(folder, "ingest")
        store = Store(workspace.find(folder).store)
        kept = Path(store.root) / "_kept"

        def without(words: str) -> float:
            shutil.rmtree(kept, ignore_errors=True)
            return seconds(lambda: ask(folder, words))

        def after_a_day(words: str) -> float:
            another_day(store)
            return seconds(lambda: ask(folder, words))

        start = statistics.median(seconds(lambda: ask(folder, "--help")) for _ in range(RUNS))
        print(f"a command that does nothing: {start:.1f} s; allowed for each of these: {ALLOWED_S:g} s")
        for words in ("ledger", "plan"):
            cold = statistics.median(without(words) for _ in range(RUNS))
            warm = statistics.median(seconds(lambda w=words: ask(folder, w)) for _ in range(RUNS))
            day = statistics.median(after_a_day(words) for _ in range(RUNS))
            print(
                f"{words:8} {warm:5.1f} s   after a new day of series: {day:5.1f} s   "
                f"nothing kept: {cold:5.1f} s   {cold / warm:.1f}x",
                flush=True,
            )
