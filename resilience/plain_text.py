"""Text that people wrote, as it can stand on a line of anything: a file, a slide, a cell."""

from __future__ import annotations


def one_line(text: str) -> str:
    """`text` on one line without what is not seen: controls, direction overrides, halves of surrogate pairs."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def count(n: int, noun: str, many: str | None = None) -> str:
    """`n` and its noun: '1 experiment', '2 experiments'; `many` where its plural is another."""
    return f"{n} {noun if n == 1 else many or f'{noun}s'}"
