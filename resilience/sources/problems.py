"""Rows of `problems`: what a reader skipped, could not parse, or found contradictory."""

from __future__ import annotations

import hashlib
from typing import Any


def problem(
    source_uri: str,
    kind: str,
    message: str,
    remedy: str,
    *,
    line: int | None = None,
    subject: str | None = None,
    field: str | None = None,
) -> dict[str, Any]:
    """One row of the `problems` table. `kind` is one of the schema's; `line` counts from 1.

    A row without `field` is about the whole file. The id is a hash of file, line, field and message, so the same
    problem found again is the same row.
    """
    identity = "\0".join((source_uri, str(line), str(field), message))
    return {
        "problem_id": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:16],
        "source_uri": source_uri,
        "line": line,
        "subject": subject,
        "field": field,
        "kind": kind,
        "message": message,
        "remedy": remedy,
    }
