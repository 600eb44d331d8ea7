"""Imported once by the server that warm kernels are forked from: whatever a notebook here will import and first use.

Only what starts no thread may happen here, since a fork copies none.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3  # noqa: F401

import ipykernel.kernelapp
import IPython.core.completerlib
import IPython.core.debugger
import IPython.core.oinspect
import IPython.extensions.storemagic  # noqa: F401
import pyarrow.acero  # noqa: F401
import tornado.platform.asyncio  # noqa: F401

from .. import schema, views  # noqa: F401
from ..analysis import anchors, capacity, causes, gameday, onset, times  # noqa: F401
from . import (  # noqa: F401
    capacity_panels,
    cause_panels,
    gameday_panels,
    history_panels,
    ledger_panels,
    plan_panels,
    time_panels,
)
from .figures import theme

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # it would print advice about debuggers
with contextlib.suppress(ImportError):
    import ipykernel.debugger  # noqa: F401

# plotly imports much of itself only when a figure is first drawn and made into JSON.
theme.draw_nothing()

# Likewise pandera, which makes its columns of a table when they are first asked for.
for name in schema.TABLES:
    schema.check(name, schema.frame(name))

# What is there now is never collected: a fork would copy every page of it only to look at it.
gc.collect()
gc.freeze()
