"""What lies beside a GameDay's page: a table that no spreadsheet runs, and a slide that is the same bytes each time."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from resilience.analysis import gameday
from resilience.report import companions, slide

from .worlds import START
from .worlds import gameday as world


def result(**changes: Any) -> dict[str, Any]:
    numbers = json.loads(json.dumps(gameday.analyse(world(**changes)).numbers()))
    told = {
        "experiment_key": "exp",
        "audience": "Customer service",
        "at": START.isoformat(),
        "text": "=HYPERLINK()",
    }
    return {**numbers, "messages": [told, {**told, "audience": "inside", "text": "not theirs"}]}


def rows(found: dict[str, Any]) -> list[dict[str, str]]:
    data = companions.table(found)
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_a_row_tells_customer_service_what_they_need() -> None:
    (row,) = rows(result())
    assert (row["From"], row["To"], row["Time zone"]) == ("11:00", "11:20", "Europe/Berlin")
    assert row["Could customers notice?"] == "perhaps"
    assert row["Told to customer service and customers"] == "11:00 to Customer service: =HYPERLINK()"
    assert rows(result(environment="isolated"))[0]["Could customers notice?"] == "no"
    (not_run,) = rows(result(outcome="not_run", fault_started_at=None, fault_ended_at=None))
    assert (not_run["Could customers notice?"], not_run["From"], not_run["What was measured"]) == (
        "not run",
        "",
        "",
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "a\u202eb\x00", 'q"u,o\nte'])
def test_no_cell_is_a_formula_or_breaks_its_row(text: str) -> None:
    (row,) = rows(result(title=text, symptom=text, outcome_text=text))
    assert not row["What was tried"].startswith(("=", "+", "-", "@"))
    assert row["What was tried"].isprintable()


@pytest.mark.parametrize("text", ["plain", "$x^{2", "w" * 10_000, "\u202e\x00", "<b>&", "日本 🧪", ""])
def test_a_slide_is_drawn_whatever_it_says_and_twice_the_same(text: str) -> None:
    found = result(title=text, outcome_text=text)
    found["gameday"]["title"] = found["brief"]["happened"] = text
    drawn = slide.png(found)
    assert drawn == slide.png(found)
    assert drawn[16:24] == slide.WIDTH.to_bytes(4, "big") + slide.HEIGHT.to_bytes(4, "big")
    assert len(drawn) < 600_000


def test_a_setting_of_the_reader_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    before = slide.png(result())
    with matplotlib.rc_context(
        {"font.size": 30, "savefig.dpi": 50, "text.color": "red", "savefig.bbox": "tight"}
    ):
        assert slide.png(result()) == before


def test_only_gamedays_have_companions() -> None:
    assert companions.beside({"simulated": True, "text": "x"}) == {}
    assert set(companions.beside(result())) == {companions.TABLE, companions.SLIDE}
