"""Each line: what we do, the obvious alternative, and how many times faster ours is, as the median of paired runs."""

from __future__ import annotations

import sys
from importlib import import_module

TOPICS = ("series", "estate", "sync", "reports", "links", "onset", "nab", "plan")


def main(wanted: list[str]) -> int:
    if unknown := [topic for topic in wanted if topic not in TOPICS]:
        print(f"No such topic: {', '.join(unknown)}. Topics: {', '.join(TOPICS)}.", file=sys.stderr)
        return 2
    for topic in wanted or TOPICS:
        import_module(f"benchmarks.{topic}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
