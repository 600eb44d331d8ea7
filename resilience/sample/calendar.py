"""What the people of the marketplace know in advance: sales, holidays, freezes, enlargements and who is at hand when."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from .limits import enlargements
from .world import FIRST, LAST, black_friday

_SALES = (("Winter sale", 1, 2, 4), ("Summer sale", 7, 1, 3), ("Birthday sale", 9, 18, 20))


def write(path: Path) -> None:
    """calendar.yml, the entries of the years touched, and of the year's rest that lies ahead."""
    years = range(FIRST.year, LAST.year + 1)
    sales = [(name, date(y, m, a), date(y, m, b)) for y in years for name, m, a, b in _SALES]
    rushes = [(y, black_friday(y)) for y in years]
    sales += [("Black Friday", rush - timedelta(days=4), rush + timedelta(days=3)) for _, rush in rushes]
    holidays = [("Christmas", date(y, 12, 24), date(y, 12, 26)) for y in years]
    freezes = [("Christmas and New Year", date(y, 12, 18), date(y + 1, 1, 1)) for y in years]
    enlarged = [("Enlarged before Christmas", a, b - timedelta(days=1)) for a, b in enlargements()]
    text = "# Simulated: the calendar of a marketplace that does not exist.\n"
    for name, entries in (
        ("freezes", freezes),
        ("sales", sales),
        ("holidays", holidays),
        ("enlarged", enlarged),
    ):
        lines = [
            f"  - {{title: {title}, from: {a}, to: {b}}}"
            for title, a, b in sorted(entries, key=lambda e: e[1])
        ]
        text += "\n".join([f"{name}:", *lines, ""])
    text += (
        'support:\n  - {title: office hours, days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00"}\n'
    )
    path.write_text(text, encoding="utf-8")
