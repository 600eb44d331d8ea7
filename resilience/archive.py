"""Raw replies as they came: compressed, named by their content, never changed, with a manifest.

``<root>/<kind>/<sha256>.json.gz`` holds the bytes; ``<root>/manifest.jsonl`` has one line per reply: what was asked,
when, how many bytes. A reply that is the same as the last one to the same request is not written again.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from .errors import InputError
from .files import write_whole


class Archive:
    """The replies under `root`. Several processes may add at once: files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._last = {
            (entry["kind"], _name(entry.get("request"))): entry["sha256"] for entry in self.entries()
        }

    def put(self, kind: str, request: Mapping[str, Any], raw: bytes) -> Path:
        """Keeps `raw`, the reply to `request`; returns its path relative to the root."""
        digest = hashlib.sha256(raw).hexdigest()
        path = Path(kind) / f"{digest}.json.gz"
        there = (self.root / path).is_file()
        if there and self.last(kind, request) == digest:
            return path
        target = self.root / path
        if not there:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, gzip.compress(raw, 6, mtime=0))
        entry = {
            "sha256": digest,
            "kind": kind,
            "bytes": len(raw),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "request": dict(request),
        }
        # The line end comes first as well: a line that a killed process left half-written spoils no other.
        with (self.root / "manifest.jsonl").open("ab") as manifest:
            manifest.write(b"\n" + orjson.dumps(entry, default=str) + b"\n")
        self._last[kind, _name(request)] = digest
        return path

    def last(self, kind: str, request: Mapping[str, Any]) -> str | None:
        """Name of the newest reply to `request`, or None."""
        return self._last.get((kind, _name(request)))

    def entries(self) -> Iterator[dict[str, Any]]:
        """Lines of the manifest; those that were cut off are left out, their replies come back with the next sync."""
        path = self.root / "manifest.jsonl"
        if not path.is_file():
            return
        with path.open("rb") as manifest:
            for line in manifest:
                try:
                    entry = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(entry, dict) and {"kind", "sha256"} <= entry.keys():
                    yield entry

    def read(self, kind: str, digest: str) -> bytes:
        """The bytes of a reply, checked against its name. Raises InputError where it is missing or changed."""
        path = self.root / kind / f"{digest}.json.gz"
        try:
            raw = gzip.decompress(path.read_bytes())
        except (OSError, EOFError):
            raw = b""
        if hashlib.sha256(raw).hexdigest() != digest:
            raise InputError(
                "This archived reply is missing or was changed.",
                where=f"{kind}/{path.name}",
                remedy="Restore it from a backup; what is in the tables is not affected.",
            )
        return raw


def _name(request: Any) -> bytes:
    return orjson.dumps(request, default=str, option=orjson.OPT_SORT_KEYS)
