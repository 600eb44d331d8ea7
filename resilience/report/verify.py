"""Make a report again from what its provenance names, and say whether it is the same, or what differs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import schema, views
from ..errors import InputError
from ..store import Store
from ..workspace import Workspace
from . import provenance
from .render import make

_MOST = 20  # differing numbers named before the rest is counted


@dataclass(frozen=True)
class Verified:
    """`identical`, `differs` or `gone` (a version it was made from is no longer there), with `findings` in words."""

    state: str
    findings: tuple[str, ...]


def verify(folder: Path, workspace: Workspace, root: str) -> Verified:
    """Check the report in `folder` against the store at `root`, byte by byte.

    First its files against the hashes written when it was made, then its inputs, then the report made anew from the
    recorded versions. Raises InputError where the folder holds no report.
    """
    made = provenance.read(folder)
    if made is None:
        raise InputError(
            "There is no report with a provenance here.",
            where=str(folder),
            remedy="Name a folder under reports/.",
        )
    findings = [f"{name} was altered after it was made" for name in provenance.altered(folder, made)]
    notebook = workspace.notebook(Path(made["notebook"]["name"]).stem)
    store, gone = _as_recorded(Store(root), made)
    now = provenance.describe(made["report"], made["title"], notebook, made["parameters"], store)
    moved: list[str] = []
    if made["inputs"] != now["inputs"]:
        moved = provenance.changed(made, now, views.report_tables(notebook.stem, made["parameters"], store))
    findings += [f"{what} is not what it was made from" for what in moved]
    if gone:
        data = (
            "its content is the same now"
            if not any(m.startswith("data") for m in moved)
            else "its content has changed"
        )
        findings = [f"version {n} of {table} is gone; {data}" for table, n in gone.items()] + findings
    if not any(m.startswith(("notebook", "taxonomy", "code", "data", "parameters")) for m in moved):
        findings += _remade(folder, notebook, now, store, made["versions"])
    return Verified("gone" if gone else "differs" if findings else "identical", tuple(findings))


def _as_recorded(newest: Store, made: dict[str, Any]) -> tuple[Store, dict[str, int]]:
    """The store at the versions recorded, and the versions that are gone; those tables are read as they are now."""
    kept, gone = {}, {}
    for table, number in made["versions"].items():
        try:
            Store(newest.root, {table: number}).version(table)
            kept[table] = number
        except InputError:
            gone[table] = number
    absent = made["tables"].keys() & schema.TABLES.keys() - made["versions"].keys()
    return Store(newest.root, {**newest.versions(), **kept}, absent=absent), gone


def _remade(
    folder: Path, notebook: Path, about: dict[str, Any], store: Store, versions: dict[str, int]
) -> list[str]:
    """How the files in `folder` differ from the report made now, beside the numbers of versions that are gone."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        _, error = make(notebook, about, store, fresh)
        if error:
            return [f"it cannot be made again: {error}"]
        findings: list[str] = []
        for path in sorted(fresh.iterdir()):
            there = folder / path.name
            if path.suffix == ".ipynb":
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(_given(about["versions"]), _given(versions)), encoding="utf-8")
            if path.name == provenance.FILE or (there.is_file() and there.read_bytes() == path.read_bytes()):
                continue
            if path.name == "result.json" and there.is_file():
                findings += _numbers(there, path)
            else:
                findings.append(f"{path.name} differs from the one made now")
        return findings


def _given(versions: dict[str, int]) -> str:
    """Versions as they stand among the parameters of an executed notebook."""
    return json.dumps(json.dumps(json.dumps(versions, sort_keys=True)))[1:-1]


def _numbers(there: Path, fresh: Path) -> list[str]:
    try:
        old = json.loads(there.read_text(encoding="utf-8"))
    except ValueError:
        return [f"{there.name} is not JSON any more"]
    found = list(_differences("", old, json.loads(fresh.read_text(encoding="utf-8"))))
    rest = [f"and {len(found) - _MOST} more in {there.name}"] if len(found) > _MOST else []
    return [f"{there.name}: {what}" for what in found[:_MOST]] + rest


def _differences(place: str, old: Any, new: Any) -> Iterator[str]:
    """Every value of two JSON trees that differs, by its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{place}.{key}" if place else key, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{place}[{i}]", *pair)
    elif old != new:
        yield f"{place} says {json.dumps(old)[:80]}, the data say {json.dumps(new)[:80]}"
