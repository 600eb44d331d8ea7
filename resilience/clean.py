"""`resilience store clean`: removes files that no version of a table uses; what a report names always stays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import schema
from .errors import InputError
from .store import Store

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Cleaned:
    """Files of one table that were removed, or would be; `named` versions were kept because a report names them."""

    table: str
    files: int
    named: int


def named_versions(folders: Iterable[Path]) -> dict[str, set[int]]:
    """Versions by table that any `provenance.json` under `folders` names.

    Raises InputError where one cannot be read: what it names is not known then, so nothing may be removed.
    """
    found: dict[str, set[int]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob(PROVENANCE)):
        try:
            named = json.loads(path.read_bytes())["versions"]
            pairs = {str(table): int(version) for table, version in named.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InputError(
                "It does not say which versions the report was made from, so nothing was removed.",
                where=str(path),
                remedy="Render the report again (`resilience render --force`), or remove its folder.",
            ) from None
        for table, version in pairs.items():
            found.setdefault(table, set()).add(version)
    return found


def clean(
    store: Store, folders: Iterable[Path], *, hours: int = 24, versions: bool = False, dry_run: bool = False
) -> list[Cleaned]:
    """Removes files older than `hours` that belong to no version: what killed processes left behind.

    With `versions`, also those of superseded versions that are older, except versions that a report under `folders`
    names. Files younger than `hours` may be a commit in the making and stay.
    """
    named = named_versions(folders)
    done = []
    for table in schema.TABLES:
        kept = named.get(table, set())
        files = store.clean(table, kept if versions else None, hours=hours, dry_run=dry_run)
        if files:
            done.append(Cleaned(table, len(files), len(kept)))
    return done
