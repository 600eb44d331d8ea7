"""What every part of a gameday.yml is made of: documented fields, and a way to refuse the impossible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails

from .. import schema
from . import gameday_values as values
from .gameday_values import Kind, Setting, number, one_of, shown, wrong

Loc = tuple[str | int, ...]
Item = TypeVar("Item")

Many = Annotated[list[Item], BeforeValidator(lambda given: [] if given is None else given)]
Text = Annotated[str, Kind("text", values.text)]
Slug = Annotated[str, Kind("key: `a-z`, `0-9` and `-`, at most 80", values.slug)]
Environment = Annotated[str, one_of(schema.ENVIRONMENTS)]
Count = Annotated[int, values.COUNT]
Amount = Annotated[float, number(low=0)]
Number = Annotated[float, number()]
Truth = Annotated[bool, Kind("true or false", values.truth)]
Date = Annotated[date, Kind("date", values.calendar_date)]
Clock = Annotated[datetime, Kind("clock time", values.clock)]


class Refusal(NamedTuple):
    """One impossible thing about a part: where in it, what, and what to do.

    `timing` marks a verdict on times; it counts only where the file's date and zone are right.
    """

    loc: Loc
    what: str
    remedy: str
    timing: bool = False


class Part(BaseModel):
    """A mapping of the file. Unknown keys are refused; so is whatever `impossible` yields, all at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def impossible(self, setting: Setting) -> Iterator[Refusal]:
        """What cannot be true although every field by itself can."""
        return iter(())

    @model_validator(mode="after")
    def _refuse(self, info: ValidationInfo) -> Self:
        setting: Setting = info.context  # type: ignore[assignment]
        found = [refusal for refusal in self.impossible(setting) if setting.settled or not refusal.timing]
        if found:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [InitErrorDetails(type=wrong(r.what, r.remedy), loc=r.loc, input=None) for r in found],
            )
        return self


def about(meaning: str, report: str, example: str = "", *, unit: str = "", default: Any = ...) -> Any:
    """A field: its meaning, what the report does with it, how one writes it. Required without a default.

    A field that holds a part needs no example: the part has a section of its own.
    """
    extra: dict[str, Any] = {"report": report, "unit": unit}
    return Field(default, description=meaning, examples=[example], json_schema_extra=extra)


def maybe(meaning: str, report: str, example: str = "", *, unit: str = "") -> Any:
    """As `about`, for a field that may be left out: then it is unknown, not zero."""
    return about(meaning, report, example, unit=unit, default=None)


def some(meaning: str, report: str, example: str = "") -> Any:
    """As `about`, for a list that may be empty or left out."""
    return Field(
        default_factory=list, description=meaning, examples=[example], json_schema_extra={"report": report}
    )


def repeats(loc: str, names: Iterable[str | tuple[str, ...]], *key: str) -> Iterator[Refusal]:
    """Refuses the second and later of equal `names`, which stand at `loc[i]`, in its field `key`."""
    first: dict[Any, int] = {}
    for i, name in enumerate(names):
        if name in first:
            said = shown(name if isinstance(name, str) else ", ".join(name))
            yield Refusal(
                (loc, i, *key),
                f"{said} stands twice, first in {loc}[{first[name]}].",
                "Keep one, or rename one.",
            )
        first.setdefault(name, i)


def part_in(annotation: Any) -> type[Part] | None:
    """The part that a field holds, by itself, as a list or perhaps; None where it holds plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((part for inner in get_args(annotation) if (part := part_in(inner))), None)
