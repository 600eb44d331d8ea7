"""A moment as a person writes it in an option or a parameter: one reading, whoever asks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from .errors import InputError


def moment(text: str) -> datetime:
    """UTC of a date (its midnight UTC) or of an ISO time with its offset. Raises InputError for anything else."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        pass
    try:
        written = datetime.fromisoformat(text)
        at = written.astimezone(UTC) if written.tzinfo else None
    except (ValueError, OverflowError):  # an offset may lead out of the calendar
        at = None
    if at is None:
        raise InputError(
            f"{text!r:.60} is no date and no time with its offset.",
            remedy="Write it as 2020-11-30 or 2020-11-30T10:00+01:00.",
        )
    return at
