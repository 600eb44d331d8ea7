"""The one error that a user is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Something given to us cannot be used: says what, where, and what to do next.

    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, what: str, *, where: str | None = None, line: int | None = None, remedy: str) -> None:
        self.what, self.where, self.line, self.remedy = what, where, line, remedy
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        """What only has keywords is not rebuilt by the default, so that an error in another process would be lost."""
        return _again, (type(self), self.what, self.where, self.line, self.remedy)

    def __str__(self) -> str:
        place = (
            "" if self.where is None else self.where + ("" if self.line is None else f":{self.line}") + ": "
        )
        return f"{place}{self.what} {self.remedy}".strip()


class RefusedError(InputError):
    """The question itself would give a misleading answer, such as pooling drills with incidents."""


def _again(kind: type[InputError], what: str, where: str | None, line: int | None, remedy: str) -> InputError:
    return kind(what, where=where, line=line, remedy=remedy)
