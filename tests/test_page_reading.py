"""Pages are read from the top: what leads, what follows smaller, and a plan that is understood in a minute."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.analysis import plan as plans
from resilience.analysis.programme import Slot, Window
from resilience.report import ledger_page, plan_panels
from resilience.report.panels import finding, led

from .ledger_worlds import book, facts, history, run, touches

if TYPE_CHECKING:
    from pathlib import Path

LONG = "Half took 2.4 h or less. " + "The interval is wide, 2.0 h to 3.2 h, and some are open. " * 6


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=40))
def test_nothing_of_a_text_is_lost_or_moved(words: list[str]) -> None:
    text = " ".join(" ".join(words).split())
    assert " ".join(filter(None, led(text))) == text


def test_a_long_text_leads_with_whole_sentences_and_a_short_one_stays_whole() -> None:
    first, rest = led(LONG.strip())
    assert first.endswith(".")
    assert len(first) <= 210
    assert rest.startswith("The interval")
    assert led("Half took 2.4 h. Left out: 3.") == ("Half took 2.4 h. Left out: 3.", "")
    assert '<span class="more">' in finding(LONG)
    assert "<b>" not in finding("<b>" + LONG)


def test_figures_in_a_sentence_do_not_end_it() -> None:
    first, _ = led("From 0.4 to 3.6 a year (p 0.059), e.g. at 2 h. " + "X" * 300)
    assert first == "From 0.4 to 3.6 a year (p 0.059), e.g. at 2 h."


@pytest.fixture(scope="module")
def plan() -> plans.Plan:
    rows = [
        (f"I{i}", ["datastore", "capacity", "deploy"][i % 3], f"s{i % 3}", f"2020-0{1 + i % 9}-05")
        for i in range(27)
    ]
    found = book(
        touches(rows), history(run("config", "s9", "2020-06-01", "held")), facts("s0", "s1", "s2", "s9")
    )
    begin = {f"s{i}": pd.Timestamp(f"2021-07-07 {15 - 2 * i}:00", tz="UTC") for i in range(10)}

    def windows(service: str, environment: str, minutes: float, fault: object) -> Window:
        start = begin[service]
        end = start + pd.Timedelta(minutes=minutes)
        return Window(True, start, end, "Room.", (Slot(start, end, "2021-07-07", 0.5, "Room."),))

    return plans.choose(found, plans.Rules(slots=3), windows=windows)


def test_a_plan_tells_where_when_and_why_before_anything_else(plan: plans.Plan) -> None:
    shown = plan_panels.cards_html(plan, None, "Europe/Berlin")
    clocks = re.findall(r"<time>(\d\d:\d\d) to", shown)
    assert len(clocks) == 3
    assert clocks == sorted(clocks), "as the day runs, not as the score ranks"
    assert shown.index("Wednesday 7 July 2021, Europe/Berlin time") < shown.index("<h3>")
    for number in (1, 2, 3):
        card = shown.split(f'<li id="plan-{number}">')[1].split("<details>")[0]
        assert re.findall(r"<dt>(.*?)</dt>", card) == ["Fault", "When", "Why", "At stake", "How firm"]
        assert f'href="#plan-{number}"' in shown
        assert "95 % interval" in card


def test_what_needs_no_window_stands_in_the_day_too(plan: plans.Plan) -> None:
    chosen = plan.chosen.copy()
    chosen.loc[0, ["starts_at", "ends_at"]] = pd.NaT
    shown = plan_panels.cards_html(dataclasses.replace(plan, chosen=chosen), None, "Europe/Berlin")
    assert shown.count("<time>") == 3
    assert '<time>at any time</time><span><a href="#plan-1">' in shown


def test_chosen_and_passed_over_stand_in_one_figure_by_worth(plan: plans.Plan) -> None:
    panel = plan_panels.contenders(plan, most=5)
    chosen, passed = panel.figure.data
    assert (chosen.name, passed.name) == ("chosen", "passed over")
    assert len(chosen.y) == 3
    assert len(chosen.y) + len(passed.y) <= 5
    assert list(chosen.x) == sorted(chosen.x, reverse=True)
    assert all(panel.figure.layout.xaxis.title.text)


def test_the_ledger_page_holds_the_same_cards(plan: plans.Plan, tmp_path: Path) -> None:
    found = book(touches([("I1", "datastore", "s0", "2020-01-05")]), history(), facts("s0"))
    text = ledger_page.page(found, plan, "Shop", simulated=False)
    assert text.count('<li id="plan-') == 3
    assert "<script" not in text
