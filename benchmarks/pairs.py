"""Ours against the obvious alternative, in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

PAIRS = 5


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name: str, ours: Callable[[], object], other: Callable[[], object], what: str) -> None:
    """Run both in turn, so that a machine that slows down slows both; print the medians and the median ratio."""
    pairs = [(seconds(ours), seconds(other)) for _ in range(PAIRS)]
    ratio = statistics.median(b / a for a, b in pairs)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{name:44} {mine * 1e3:9.1f} ms   {what}: {theirs * 1e3:9.1f} ms   {ratio:7.3g}x", flush=True)
