"""The docs keep step with the code, and every link in them leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resilience import schema
from resilience.cli import main
from resilience.sources import gamedays

from .conftest import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def test_the_data_dictionary_is_the_schema() -> None:
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page == schema.data_dictionary(), "run: resilience docs data-dictionary > docs/data-dictionary.md"


def test_every_column_has_a_meaning_and_every_duration_a_unit() -> None:
    for name, (model, keys) in schema.TABLES.items():
        columns = model.to_schema().columns
        assert set(keys) <= set(columns)
        for column, spec in columns.items():
            assert spec.description, f"{name}.{column}"
            if column.endswith("_min"):
                assert spec.metadata["unit"] == "min", f"{name}.{column}"


def test_the_gameday_page_is_the_reader() -> None:
    page = (ROOT / "docs" / "gameday-file.md").read_text(encoding="utf-8")
    assert page == gamedays.documentation(), "run: resilience docs gameday-file > docs/gameday-file.md"


def test_every_command_and_option_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, command in main.commands.items():
        if command.hidden:
            continue
        assert f"## resilience {name}" in page, f"docs/commands.md lacks {name}"
        section = page.split(f"## resilience {name}\n")[1].split("\n## ")[0]
        parts = getattr(command, "commands", {})
        for part in parts:
            assert f"`resilience {name} {part}" in section, f"docs/commands.md: {name} lacks {part}"
        for option in [*command.params, *(o for part in parts.values() for o in part.params)]:
            longest = max(option.opts, key=len)
            assert longest.lower() in section.lower(), f"docs/commands.md: {name} lacks {longest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
