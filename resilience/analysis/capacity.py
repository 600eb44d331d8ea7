"""Capacity in one place: the week, what is carried and until when, what if, the weeks ahead, what stops and outages cost."""

from __future__ import annotations

from .backlog import Backlog, backlog
from .exhaustion import Course, Exhaustion, course, exhaustion
from .forecast import Forecast, forecast
from .headroom import Headroom, headroom
from .impact import Impact, impact
from .profile import QUANTILES, Profile, profile
from .safe_hours import SafeHours, safe_hours
from .safe_windows import SafeWindows, safe_windows
from .what_if import WhatIf, what_if

__all__ = [
    "QUANTILES", "Backlog", "Course", "Exhaustion", "Forecast", "Headroom", "Impact", "Profile", "SafeHours", "SafeWindows",
    "WhatIf", "backlog", "course", "exhaustion", "forecast", "headroom", "impact", "profile", "safe_hours", "safe_windows",
    "what_if",
]  # fmt: skip
