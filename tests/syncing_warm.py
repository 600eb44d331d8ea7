"""Imported only by the server that `syncing` forks from: what each run would else do anew."""

from __future__ import annotations

import resilience.cli.archive
import resilience.sync_forecast
import resilience.sync_records  # noqa: F401
from resilience import schema

for table in schema.TABLES:
    schema.check(table, schema.frame(table))
