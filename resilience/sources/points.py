"""What every series reader ends with: points of many series become one checked `series` frame, and problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..schema import frame
from .problems import problem

EPOCH_FIRST, EPOCH_LAST = 946_684_800_000_000, 4_102_444_800_000_000  # 2000 and 2100, in microseconds


@dataclass(frozen=True)
class SeriesRead:
    """`series` and `problems`, each a frame of the schema's table of that name."""

    series: pd.DataFrame
    problems: pd.DataFrame


@dataclass(frozen=True)
class Points:
    """One series of one file: `at` is the left edge in microseconds UTC (int64), `value` float64, same length."""

    metric: str
    scope: str
    interval_s: float
    rollup: str
    unit: str | None
    at: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class FileRead:
    """What one file held. `reader` and `uri` name its rows' source."""

    reader: str
    uri: str
    points: list[Points]
    problems: list[dict[str, Any]]


def uri(path: Path, base: Path | None) -> str:
    """Name of a file in rows and messages: relative to `base` where it is inside, else its last part."""
    seen = path.parent.resolve() / path.name  # a link keeps the name that the user sees
    if base is not None and seen.is_relative_to(Path(base).resolve()):
        path = seen.relative_to(Path(base).resolve())
        return path.as_posix().encode("utf-8", "backslashreplace").decode()
    return path.name


def scope(tags: Mapping[str, str]) -> str:
    """Sorted ``key:value`` tags joined by ','; '*' where there are none. A comma inside a tag becomes '_'."""
    return join_tags(f"{key}:{value}" for key, value in tags.items())


def join_tags(tags: Iterable[str]) -> str:
    return ",".join(sorted(tag.replace(",", "_") for tag in tags)) or "*"


def read_files(
    path: Path, suffix: str, base: Path | None, read_one: Callable[[Path, str], FileRead]
) -> SeriesRead:
    """Reads one file, or every file with `suffix` in a folder. In a folder an unusable file becomes a problem.

    Raises InputError where there is nothing to read or the one file given is unusable.
    """
    if not path.is_dir():
        if not path.is_file():
            raise InputError("There is no such file.", where=uri(path, base), remedy="Check the path.")
        return collect([read_one(path, uri(path, base))])
    found = sorted(p for p in path.iterdir() if p.suffix.lower() == suffix and p.is_file())
    if not found:
        raise InputError(
            f"The folder holds no {suffix} file.",
            where=uri(path, base),
            remedy="Name the folder with the files.",
        )
    return collect([_kept(read_one, file, uri(file, base)) for file in found])


def _kept(read_one: Callable[[Path, str], FileRead], file: Path, name: str) -> FileRead:
    try:
        return read_one(file, name)
    except InputError as error:
        row = problem(error.where or name, "unreadable", error.what, error.remedy, line=error.line)
        return FileRead("", name, [], [row])


def collect(files: list[FileRead]) -> SeriesRead:
    """One frame, sorted by key, from files that may overlap.

    Equal points are kept once, and a value wins over a null. Where two different values claim one place, neither can
    be known to be right: the point becomes null, with a `contradiction`. Infinite values become null, with a problem.
    """
    groups: dict[tuple[str, str, float, str], list[tuple[Points, int]]] = {}
    problems = [row for file in files for row in file.problems]
    for number, file in enumerate(files):
        for points in file.points:
            key = (points.metric, points.scope, points.interval_s, points.rollup)
            groups.setdefault(key, []).append((points, number))
    keys = sorted(groups)
    columns = [_settle(key, groups[key], files, problems) for key in keys]
    sizes = [len(at) for at, _, _ in columns]
    sources = [f"{file.reader} {file.uri}" for file in files]
    units = [next((p.unit for p, _ in groups[key] if p.unit), None) for key in keys]
    table = pd.DataFrame(
        {
            "metric": _repeat([k[0] for k in keys], sizes),
            "scope": _repeat([k[1] for k in keys], sizes),
            "at": pd.to_datetime(_join([c[0] for c in columns], np.int64), unit="us", utc=True).astype(
                "datetime64[us, UTC]"
            ),
            "value": _join([c[1] for c in columns], np.float64),
            "interval_s": np.repeat(np.array([k[2] for k in keys], dtype=np.float64), sizes),
            "rollup": _repeat([k[3] for k in keys], sizes),
            "unit": _repeat(units, sizes),
            "source": _take(sources, _join([c[2] for c in columns], np.int64)),
        }
    )
    return SeriesRead(frame("series", table), frame("problems", problems))


def _settle(
    key: tuple[str, str, float, str],
    parts: list[tuple[Points, int]],
    files: list[FileRead],
    problems: list[dict[str, Any]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, values and file numbers of one series, sorted, each time once."""
    at = np.concatenate([p.at for p, _ in parts])
    value = np.concatenate([p.value for p, _ in parts]).astype(np.float64)
    source = np.repeat([number for _, number in parts], [len(p.at) for p, _ in parts])
    file, name = files[parts[0][1]].uri, f"{key[0]} of {key[1]}"
    infinite = np.isinf(value)
    if infinite.any():
        first = _clock(at[infinite].min())
        message = f"{name}: {int(infinite.sum())} infinite value(s) read as missing, first at {first}."
        problems.append(problem(file, "unreadable", message, "Correct them at the source.", field="value"))
        value[infinite] = np.nan
    # A null sorts behind the values of its time, so the first row of each time holds the value if there is one.
    order = np.lexsort((np.isnan(value), at))
    at, value, source = at[order], value[order], source[order]
    start = np.flatnonzero(np.r_[True, at[1:] != at[:-1]][: len(at)])
    if len(start) == len(at):
        return at, value, source
    lowest, highest = np.fmin.reduceat(value, start), np.fmax.reduceat(value, start)
    differ = lowest < highest
    kept = np.where(differ, np.nan, value[start])
    if differ.any():
        i = int(np.flatnonzero(differ)[0])
        message = (
            f"{name}: {int(differ.sum())} time(s) hold different values, first {_clock(at[start[i]])} with "
            f"{lowest[i]:.6g} and {highest[i]:.6g}; none is kept."
        )
        remedy = "Tell the rows apart by a tag, state the true interval, or remove the wrong rows."
        problems.append(problem(file, "contradiction", message, remedy, field="value"))
    return at[start], kept, source[start]


def _clock(us: int) -> str:
    return str(pd.Timestamp(int(us), unit="us", tz="UTC").isoformat(timespec="seconds"))


def _join(parts: list[np.ndarray], dtype: Any) -> np.ndarray:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


def _repeat(names: list[str | None], sizes: list[int]) -> pd.Series:
    return _take(names, np.repeat(np.arange(len(names)), sizes))


def _take(names: list[str | None] | list[str], codes: np.ndarray) -> pd.Series:
    """`names[codes]` as pandas text; each distinct name is made once."""
    return pd.Series(pd.array(names, dtype="str").take(codes.astype(np.intp)))
