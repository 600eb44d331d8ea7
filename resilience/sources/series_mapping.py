"""The mapping file that says what the columns of a CSV mean. Documented field by field in docs/series-files.md."""

from __future__ import annotations

import zoneinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..errors import InputError
from .yaml_text import Key, load, validate

Text = Annotated[str, Field(min_length=1, max_length=400)]
Tags = dict[Text, Text]
Rollup = Literal["avg", "sum", "min", "max", "count", "last", "unknown"]
NULLS = ("", "NaN", "nan", "NA", "N/A", "null", "NULL", "None", "-")


def _known_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("not an IANA zone such as Europe/Berlin or UTC")
    return name


def _known_format(name: str) -> str:
    if name not in ("iso", "unix_s", "unix_ms") and "%" not in name:
        raise ValueError("iso, unix_s, unix_ms or a strptime format with %")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeColumn(_Strict):
    """How to read the time column."""

    column: Text = Field(description="Header of the time column.")
    format: Annotated[Text, AfterValidator(_known_format)] = Field(
        "iso", description="`iso`, `unix_s`, `unix_ms`, or a strptime format such as `%d/%m/%Y %H:%M`."
    )
    zone: Annotated[str, AfterValidator(_known_zone)] | None = Field(
        None, description="IANA zone of times that carry no offset; without it such a file is refused."
    )
    until: Text | None = Field(
        None, description="Read each cell only up to this text, e.g. `' UTC'` for `... +0000 UTC m=+0.08`."
    )
    stamp: Literal["start", "end"] = Field(
        "start",
        description="Whether a time marks the start or the end of its interval; `at` is always the start.",
    )


class TagColumn(_Strict):
    """A tag whose value is part of a cell."""

    column: Text = Field(description="Header of the column.")
    drop: int = Field(
        ge=0,
        le=9,
        description="Leave out this many last parts between `-`: 2 makes `cart` of `cart-5f65-fnmft`.",
    )


class Metric(_Strict):
    """One metric, or one family of metrics."""

    column: Text | None = Field(None, description="wide: header of the column with the values.")
    labelled: str | None = Field(
        None,
        max_length=400,
        description='wide: every column headed `NAME{key="value",...}` or `NAME{key:value,...}`; labels become tags.',
    )
    name: Text | None = Field(None, description="long: name as it stands in `metric_column`.")
    metric: Text = Field(description="Metric name to store.")
    unit: Text | None = Field(None, description="Unit after `scale`, e.g. `s`.")
    rollup: Rollup | None = Field(None, description="How points were aggregated; else the file's `rollup`.")
    scale: float = Field(
        1.0, allow_inf_nan=False, description="Factor on every value, e.g. 0.001 for ms to s."
    )
    tags: Tags = Field(default_factory=dict, description="Constant tags of this metric only.")

    @field_validator("scale")
    @classmethod
    def _not_zero(cls, scale: float) -> float:
        if scale == 0:
            raise ValueError("must not be 0")
        return scale


class Mapping(_Strict):
    """What the columns of a CSV mean."""

    layout: Literal["wide", "long"] = Field(
        description="`wide`: a column per metric; `long`: a row per value."
    )
    time: TimeColumn = Field(description="The time column.")
    interval: Annotated[float, Field(gt=0, le=31 * 86400)] | Literal["auto"] = Field(
        description="Seconds between points, or `auto`: the median step of each series."
    )
    align: bool = Field(False, description="Move each time to the left edge of its interval.")
    metrics: list[Metric] = Field(default_factory=list, max_length=5000, description="The metrics.")
    metric_column: Text | None = Field(None, description="long: header of the column with metric names.")
    value_column: Text | None = Field(None, description="long: header of the column with values.")
    scope: dict[Text, Text | TagColumn] = Field(
        default_factory=dict,
        description="Tag -> header, or `{column, drop}`. An empty cell leaves its tag out.",
    )
    tags: Tags = Field(default_factory=dict, description="Constant tags of every series.")
    rollup: Rollup = Field(
        "unknown", description="How points were aggregated into the interval, unless a metric says."
    )
    ignore: list[Text] = Field(
        default_factory=list,
        max_length=5000,
        description="Columns (wide) or metrics (long) left out on purpose.",
    )
    separator: Literal[",", ";", "\t", "|"] = Field(",", description="Between cells.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark.")
    thousands: Literal[",", ".", "'", " "] | None = Field(None, description="Thousands mark.")
    nulls: list[str] = Field(default=list(NULLS), max_length=50, description="Spellings of a missing value.")
    skip_lines: int = Field(0, ge=0, le=1000, description="Lines above the header.")

    @model_validator(mode="after")
    def _fits_layout(self) -> Mapping:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark")
        if self.layout == "wide":
            if self.metric_column or self.value_column:
                raise ValueError("metric_column and value_column belong to layout: long")
            if not self.metrics:
                raise ValueError("a wide mapping names at least one metric")
            if any((m.column is None) == (m.labelled is None) or m.name for m in self.metrics):
                raise ValueError("each metric of a wide mapping has either column or labelled")
            return self
        if self.value_column is None:
            raise ValueError("a long mapping has a value_column")
        if any(m.column is not None or m.labelled is not None for m in self.metrics):
            raise ValueError("a metric of a long mapping has name, not column or labelled")
        if self.metric_column is None and (len(self.metrics) != 1 or self.metrics[0].name):
            raise ValueError("a long mapping has a metric_column, or exactly one metric without name")
        if self.metric_column is not None and any(m.name is None for m in self.metrics):
            raise ValueError("with a metric_column each metric has a name")
        return self


class FileMapping(Mapping):
    """One entry of `files`."""

    glob: Text = Field(
        description="File names it is for, e.g. `*_metric.csv`; the first entry that fits is used."
    )

    @field_validator("glob")
    @classmethod
    def _a_name(cls, glob: str, info: ValidationInfo) -> str:
        if "/" in glob:
            raise ValueError("is compared with the file's name, so it has no /")
        return glob


def beside(csv: Path) -> bool:
    """Whether a mapping file lies where `find` would look for it."""
    return any(choice.is_file() for choice in _choices(csv))


def _choices(csv: Path) -> list[Path]:
    return [csv.with_name(f"{csv.stem}.mapping.yml"), csv.with_name("mapping.yml")]


def find(csv: Path, given: Path | None, where: str) -> Path:
    """The mapping file of `csv`: the one given, else ``<stem>.mapping.yml`` or ``mapping.yml`` beside it."""
    choices = [given] if given is not None else _choices(csv)
    for choice in choices:
        if choice.is_file():
            return choice
    names = " or ".join(choice.name for choice in choices)
    raise InputError(
        f"There is no mapping file {names} that says what the columns mean.",
        where=where,
        remedy=f"Write {choices[-1].name}; docs/series-files.md has examples.",
    )


def read_mapping(source: str | Path, name: str, where: str) -> Mapping:
    """The mapping for the file called `name`. Every entry of the mapping file is checked, not only the one used."""
    data, line_of = load(source, where)
    if not isinstance(data, dict) or "files" not in data:
        return validate(Mapping, data, line_of, where)
    entries, shared = data["files"], {k: v for k, v in data.items() if k != "files"}
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            "files is not a list of mappings.",
            where=where,
            line=line_of(("files",)),
            remedy="Write `files:` and under it `- glob: ...` for each shape of CSV.",
        )
    checked = []
    for i, entry in enumerate(entries):

        def entry_line(path: Key, i: int = i, entry: dict[str, Any] = entry) -> int:
            return line_of(
                path if path and path[0] in shared and path[0] not in entry else ("files", i, *path)
            )

        checked.append(validate(FileMapping, {**shared, **entry}, entry_line, where))
    for mapping in checked:
        if fnmatchcase(name, mapping.glob):
            return mapping
    raise InputError(
        f"No entry of {where} has a glob that fits {name}.",
        where=name,
        remedy=f"Add one to `files`, or move the file elsewhere. Globs: {', '.join(m.glob for m in checked)[:200]}.",
    )
