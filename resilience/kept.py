"""Answers that take seconds and are asked for again, kept beside a store on disk."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from .files import write_whole
from .store import Store, content_hash

_MOST = 128  # a team has dozens of GameDays, each with an answer of its own


def kept(
    store: Store, name: str, made_from: Sequence[pd.DataFrame | str], made: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """What `made` returns, kept in a file whose name is made from the tables, words and analyses that it depends on.

    The newest `_MOST` of a name stay.
    """
    root = Path(store.root)
    if "://" in store.root or not os.access(root, os.W_OK):
        return made()
    parts = [part if isinstance(part, str) else content_hash(part) for part in made_from]
    digest = hashlib.sha256(" ".join([*parts, *_analyses()]).encode()).hexdigest()
    path = root / "_kept" / f"{name}-{digest[:32]}.parquet"
    with contextlib.suppress(FileNotFoundError):
        return pd.read_parquet(path)
    rows = made()
    path.parent.mkdir(exist_ok=True)
    content = rows.to_parquet()
    write_whole(path, content)  # reports run side by side
    for old in sorted(path.parent.glob(f"{name}-*.parquet"), key=_written)[:-_MOST]:
        old.unlink(missing_ok=True)
    return pd.read_parquet(io.BytesIO(content))


@cache
def _analyses() -> tuple[str, ...]:
    """What the code of the analyses is, which does not change while it runs."""
    code = Path(__file__).parent
    files = sorted(p for p in (code / "analysis").iterdir() if p.suffix in (".py", ".yml"))
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in [*files, code / "taxonomy.yml"])


def _written(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_mtime_ns
    return 0
