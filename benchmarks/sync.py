"""Archiving years of a series from an API: calls, time and memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import datadog_server

LONG = """
import sys
from pathlib import Path
from datetime import datetime, UTC
from resilience import sync
from resilience.sources import datadog_config
from resilience.sources.datadog_api import Api
from resilience.store import Store
root, host, days = sys.argv[1:]
query = {"name": "m", "expression": "avg:m{*}", "interval": 60}
config = datadog_config.Config.model_validate({"queries": [query]})
since = datetime(2018, 1, 1, tzinfo=UTC)
until = datetime.fromtimestamp(since.timestamp() + int(days) * 86400, UTC)
api = Api({"DD_API_KEY": "k" * 32, "DD_APP_KEY": "a" * 40}, host=host)
done = sync.series(api, Store(root), config, since, until, say=lambda *_: None)
# Not ru_maxrss: that remembers the process this one was started from.
high = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(done.points, api.calls, int(high.split()[1]) // 1024)
"""


def long_sync(folder: Path) -> None:
    """Peak memory of archiving one query at one minute: two years, and a second run, against half a year."""
    world = datadog_server.World(step=60, groups=("a",))
    for days in (180, 365, 730, 730):
        with datadog_server.serving(world) as server:
            start = time.perf_counter()
            run = [sys.executable, "-c", LONG, str(folder / f"long{days}"), server.url, str(days)]
            points, calls, peak = subprocess.run(
                run, check=True, capture_output=True, text=True
            ).stdout.split()
            passed = time.perf_counter() - start
        print(
            f"sync {days:3} days at 1 minute: {int(points):9,} points {calls:>4} calls {passed:6.1f} s   "
            f"peak {int(peak):,} MB",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        long_sync(Path(name))
