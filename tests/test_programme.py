"""One day for the experiments of a plan: where most of them fit, one after the other, each when it is safe."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from resilience.analysis.programme import Slot, Window, one_day, starts

ZONE = "Europe/Berlin"


def _slot(day: int, hour: int, room: float = 0.5) -> Slot:
    at = pd.Timestamp(f"2021-07-{day:02} {hour:02}:00", tz=ZONE).tz_convert("UTC")
    return Slot(at, at + pd.Timedelta(minutes=40), f"2021-07-{day:02}", room, "room")


def _window(*slots: Slot) -> Window:
    best = max(slots, key=lambda s: s.room)
    return Window(True, best.starts_at, best.ends_at, best.text, tuple(sorted(slots, key=lambda s: -s.room)))


def test_the_day_is_the_one_that_holds_most_and_nobody_waits_for_another() -> None:
    first = _window(_slot(1, 10, 0.9), _slot(8, 10, 0.6), _slot(8, 11, 0.5))
    second = _window(_slot(2, 10, 0.9), _slot(8, 10, 0.4))
    nowhere = Window(None, text="On staging: whenever the people are there.")
    day, moved = one_day([first, second, nowhere])
    assert day == "2021-07-08"
    assert [w.starts_at and w.starts_at.tz_convert(ZONE).hour for w in moved] == [11, 10, None], (
        "who has one choice takes it"
    )
    assert moved[2] is nowhere


def test_what_does_not_fit_on_the_day_keeps_its_own_window() -> None:
    only = _window(_slot(3, 9))
    day, moved = one_day([_window(_slot(1, 10)), _window(_slot(1, 12)), only])
    assert day == "2021-07-01"
    assert moved[2] == only
    assert one_day([]) == (None, [])
    assert one_day([Window(None)]) == (None, [Window(None)])


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 4), st.integers(9, 15)), min_size=0, max_size=5, unique=True),
        max_size=4,
    )
)
def test_moved_starts_are_safe_starts_and_on_the_day_do_not_overlap(
    given_: list[list[tuple[int, int]]],
) -> None:
    windows = [
        _window(*(_slot(d, h, d / 10 + h / 100) for d, h in one)) if one else Window(None) for one in given_
    ]
    day, moved = one_day(windows)
    assert (day is None) == (not any(given_))
    for before, after in zip(windows, moved, strict=True):
        assert (after.starts_at is None) == (before.starts_at is None)
        assert after.starts_at is None or after.starts_at in {slot.starts_at for slot in before.slots}
    there = sorted(
        (after.starts_at, after.ends_at)
        for before, after in zip(windows, moved, strict=True)
        if any(slot.day == day and slot.starts_at == after.starts_at for slot in before.slots)
        and after.starts_at != before.starts_at
    )
    assert all(end <= start for (_, end), (start, _) in pairwise(there))


def test_what_needs_no_window_runs_one_after_the_other_around_those_that_have_one() -> None:
    slot = _slot(8, 11)
    chosen = pd.DataFrame(
        {
            "service": ["a", "b", "c"],
            "starts_at": pd.to_datetime([None, slot.starts_at, None], utc=True),
            "ends_at": pd.to_datetime([None, slot.ends_at, None], utc=True),
        }
    )
    found = starts(chosen, pd.Timestamp("2021-07-08"), ZONE, 20.0)
    assert {s: f"{at:%H:%M}" for s, at in found.items()} == {"a": "10:00", "b": "11:00", "c": "11:40"}
    assert all(str(at.tz) == ZONE for at in found.values())
