"""What a report was made from, written beside it: enough to skip it, to say what made it stale, to make it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__, views
from ..store import Store, content_hash, row_hashes
from . import digests

FILE = "provenance.json"
_LIBRARIES = ("matplotlib", "nbconvert", "numpy", "pandas", "plotly", "scikit-learn", "scipy")


def describe(
    report: str, title: str, notebook: Path, parameters: Mapping[str, Any], store: Store
) -> dict[str, Any]:
    """Inputs of a report: data by content, versions of `store`, parameters, notebook, code, libraries.

    `inputs` is the hash of all of them but the version numbers: a store built again has others for the same rows.
    `digests` tell later which row moved.
    """
    tables = views.report_tables(notebook.stem, parameters, store)
    hashes = {name: row_hashes(rows) for name, rows in tables.items()}
    about: dict[str, Any] = {
        "report": report,
        "title": title,
        "notebook": {"name": notebook.name, "sha256": sha256(notebook.read_bytes())},
        "parameters": dict(parameters),
        "tables": {
            name: {"rows": len(rows), "content": content_hash(rows, hashes[name])}
            for name, rows in tables.items()
        },
        "taxonomy": _taxonomy(),
        "code": {"resilience": __version__, "sha256": _code()},
        "libraries": _libraries(),
    }
    inputs = sha256(json.dumps(about, sort_keys=True).encode())
    versions = {name: number for name, number in store.versions().items() if name in tables}
    kept = {name: digests.of(name, rows, hashes[name]) for name, rows in tables.items()}
    return {**about, "inputs": inputs, "versions": versions, "digests": kept}


def changed(
    old: Mapping[str, Any], new: Mapping[str, Any], tables: Mapping[str, pd.DataFrame] | None = None
) -> list[str]:
    """What differs between two provenances, in words; empty where a report made from one is one of the other.

    `tables`, those that `new` describes, let it name the rows.
    """
    found = []
    before, after = old.get("tables", {}), new["tables"]
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            rows = [str(t[name]["rows"]) if name in t else "none" for t in (before, after)]
            said = f"data: {name} ({' rows, now '.join(rows)} rows)"
            if tables and name in tables and name in old.get("digests", {}):
                said += f", {digests.moved(name, old['digests'][name], tables[name])}"
            found.append(said)
    for part in ("parameters", "libraries"):
        for name in sorted(old.get(part, {}).keys() | new[part].keys()):
            values = (old.get(part, {}).get(name), new[part].get(name))
            if values[0] != values[1]:
                found.append(f"{part}: {name} was {values[0]}, now {values[1]}")
    if old.get("notebook") != new["notebook"]:
        found.append(f"notebook: {new['notebook']['name']}")
    if old.get("taxonomy") != new["taxonomy"]:
        found.append("taxonomy: the definitions of failure classes")
    if old.get("code") != new["code"]:
        found.append(
            f"code: resilience {old.get('code', {}).get('resilience')}, now {new['code']['resilience']}"
        )
    return found or (["title"] if old.get("title") != new["title"] else [])


def read(folder: Path) -> dict[str, Any] | None:
    """Provenance of the report in `folder`; None where there is none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    wanted = {"inputs": str, "outputs": dict, "versions": dict}
    fits = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in wanted.items())
    return found if fits else None


def altered(folder: Path, made: Mapping[str, Any]) -> list[str]:
    """Files of a report that are not as they were made."""

    def digest(name: str) -> str | None:
        try:
            return sha256((folder / name).read_bytes())
        except (OSError, ValueError):  # gone, or a name that no file can have
            return None

    return [
        name
        for name, made_as in sorted(made["outputs"].items())
        if digest(name) != made_as or made_as is None
    ]


def sha256(data: bytes) -> str:
    """Digest of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@cache
def _taxonomy() -> str:
    """Hash of the taxonomy alone, so that a figure it moved is not laid to the code."""
    return sha256((Path(str(resources.files("resilience"))) / "taxonomy.yml").read_bytes())


@cache
def _libraries() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


@cache
def _code() -> str:
    """Hash of the package's own files: a page made by other code is not the same page."""
    root = Path(str(resources.files("resilience")))
    kinds = {".py", ".yml", ".j2", ".css", ".js", ".json"}
    whole = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in kinds and p.name != "taxonomy.yml"):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()
