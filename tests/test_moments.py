"""A moment as typed has one reading."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from resilience.errors import InputError
from resilience.moments import moment


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2020-11-30", datetime(2020, 11, 30, tzinfo=UTC)),
        ("2020-11-30T10:00+01:00", datetime(2020, 11, 30, 9, tzinfo=UTC)),
        ("2020-11-30T10:00:00.5Z", datetime(2020, 11, 30, 10, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_midnight_and_a_time_needs_its_offset(text: str, at: datetime) -> None:
    assert moment(text) == at


@pytest.mark.parametrize(
    "text", ["", "now", "today", "03/04/2020", "2020-11-30T10:00", "2020-13-01", "12", "\u0000"]
)
def test_nothing_is_guessed(text: str) -> None:
    with pytest.raises(InputError, match="Write it as"):
        moment(text)
