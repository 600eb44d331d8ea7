"""The suite has two sizes: reduced, and the one that issues state, which `make acceptance` asks for."""

from __future__ import annotations

import os

import pytest

FULL = os.environ.get("RESILIENCE_ACCEPTANCE", "0") not in ("", "0")
SIZE = "full" if FULL else "small"
"""Of the sample marketplace."""


def at_full_size(why: str) -> pytest.MarkDecorator:
    """A test that has no reduced size, since it takes `why`."""
    return pytest.mark.skipif(not FULL, reason=f"{why}: RESILIENCE_ACCEPTANCE=1 runs it")
