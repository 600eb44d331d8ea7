"""What piles up while consumers stand still, and how long they take to work it off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class Backlog:
    """`peak`: messages waiting when the consumers start again. `drain_min`: minutes until the queue is empty, None where

    it is not within what was looked at. `course`: messages waiting at the end of each interval.
    """

    peak: float
    drain_min: float | None
    course: np.ndarray
    text: str


def backlog(
    arrivals: np.ndarray, interval_min: float, stopped_min: float, per_min: float | None = None
) -> Backlog:
    """A queue whose consumers stop for `stopped_min` minutes from the first interval on.

    `arrivals`: messages per interval of `interval_min` minutes. `per_min`: what the consumers can take per minute, None
    where nobody knows (then no time to drain is given). With a as arrivals and c as capacity per interval, the queue
    follows q' = max(0, q + a - c). Raises InputError where arrivals are missing or negative.
    """
    arrivals = np.asarray(arrivals, dtype=float)
    if not (
        len(arrivals)
        and np.isfinite(arrivals).all()
        and (arrivals >= 0).all()
        and min(interval_min, stopped_min) > 0
    ):
        raise InputError(
            "A backlog needs an arrival count of every interval.",
            remedy="Give finite counts of at least zero, and minutes above zero.",
        )
    stopped = np.clip(stopped_min / interval_min - np.arange(len(arrivals)), 0, 1)  # share of each interval
    waiting, course, peak, drained = 0.0, [], 0.0, None
    for i, (count, share) in enumerate(zip(arrivals, stopped, strict=True)):
        waiting += count * share
        peak = max(peak, waiting)
        if share < 1 and per_min is not None:
            rest = interval_min * (1 - share)
            net = per_min - count / interval_min
            if drained is None and waiting <= net * rest:
                drained = (i + share) * interval_min + (waiting / net if net > 0 else 0.0) - stopped_min
            waiting = max(0.0, waiting - net * rest)
        course.append(waiting)
    if len(arrivals) * interval_min < stopped_min:
        raise InputError(
            f"Consumers stand still for {stopped_min:g} min, arrivals are known for {len(arrivals) * interval_min:g}.",
            remedy="Give arrivals for the whole time.",
        )
    text = f"About {_about(peak)} messages wait after {stopped_min:g} minutes."
    if per_min is None:
        text += " What the consumers can take is not known, so neither is the time to drain."
    elif drained is None:
        looked = len(arrivals) * interval_min - stopped_min
        text += f" At {_about(per_min)} per minute they are not worked off within {looked:g} minutes."
    else:
        text += f" At {_about(per_min)} per minute they are worked off in {drained:.0f} minutes."
    return Backlog(peak, drained, np.array(course), text)


def _about(number: float) -> str:
    """Three digits: what rests on medians is not known to the message."""
    return f"{float(f'{number:.3g}'):,.0f}"
