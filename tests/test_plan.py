"""The planner: what is taken, what is not and why, by plain rules on ledgers of ten rows."""

from __future__ import annotations

import pandas as pd
import pytest

from resilience.analysis import faults, plan, taxonomy
from resilience.analysis.plan import Rules, choose
from resilience.analysis.programme import Window
from resilience.errors import InputError

from .ledger_worlds import book, facts, history, ledger_of, run, simulate, touches

ROWS = [
    *((f"A{i}", "third-party", "pay", f"2020-0{1 + i}-05") for i in range(7)),
    *((f"B{i}", "config", "shop", f"2020-0{1 + i}-09") for i in range(5)),
    *((f"C{i}", "deploy", "cart", f"2020-0{1 + i}-11") for i in range(4)),
    *((f"D{i}", "hardware-power", "stock", f"2020-0{1 + i}-13") for i in range(3)),
    ("E1", "security", "login", "2020-03-03"),
]
KNOWN = facts("pay", "shop", "cart", "stock", "login")
CALLS = pd.DataFrame({"caller": ["shop", "cart"], "callee": ["pay", "stock"]})


def _plan(rules: Rules | None = None, past: pd.DataFrame | None = None, **more: object) -> plan.Plan:
    known = more.pop("known", KNOWN)
    edges = more.pop("edges", None)
    return choose(book(touches(ROWS), past, known, edges=edges), rules or Rules(), **more)


def _reasons(found: plan.Plan, service: str, failure_class: str) -> list[str]:
    rows = found.rejected
    return rows[(rows["service"] == service) & (rows["failure_class"] == failure_class)]["reason"].tolist()


def test_the_costliest_comes_first_and_every_other_candidate_has_a_reason() -> None:
    found = _plan()
    assert (found.chosen["service"].iloc[0], found.chosen["failure_class"].iloc[0]) == ("pay", "third-party")
    assert len(found.chosen) == 4
    assert found.chosen["service"].is_unique
    assert found.rejected["reason"].str.len().gt(10).all()
    assert found.chosen["stability"].between(0, 1).all()
    assert found.chosen["stability"].iloc[0] > 0.5
    assert {"rpn", "fmea_rank"} <= set(found.chosen)
    assert found.chosen["rpn"].between(1, 1000).all()


def test_the_same_inputs_give_the_same_plan() -> None:
    pd.testing.assert_frame_equal(_plan().chosen, _plan().chosen)


def test_neighbours_are_not_broken_in_one_programme() -> None:
    found = _plan(graph=CALLS)
    assert not {"shop", "pay"} <= set(found.chosen["service"])
    assert any("one fault would be felt in both" in r for r in _reasons(found, "shop", "config"))


@pytest.mark.parametrize(
    ("rules", "service", "failure_class", "says"),
    [
        (Rules(minutes=10), "pay", "third-party", "shows nothing in under 15 minutes"),
        (Rules(environment="production"), "login", "security", "may not run on production"),
        (Rules(style="uninformed"), "pay", "third-party", ""),
        (
            Rules(environment="production", budget_spent={"pay": "99.1 % of 99.9 %"}),
            "pay",
            "third-party",
            "budget is exhausted: 99.1",
        ),
        (Rules(open_incidents=frozenset({"pay"})), "pay", "third-party", "incident is still open"),
        (Rules(must_not={"pay": "The auditors are in."}), "pay", "third-party", "auditors"),
    ],
)
def test_hard_constraints(rules: Rules, service: str, failure_class: str, says: str) -> None:
    found = _plan(rules)
    if rules.style == "uninformed":
        assert (found.chosen["environment"] != "production").all(), "nobody is surprised on production"
        return
    assert service not in set(found.chosen.loc[found.chosen["failure_class"] == failure_class, "service"])
    assert any(says in reason for reason in _reasons(found, service, failure_class))


def test_a_wide_blast_radius_leaves_production() -> None:
    wide = pd.DataFrame({"caller": [f"page{i}" for i in range(9)], "callee": "pay"})
    known = facts("pay", "shop", "cart", "stock", "login", *(f"page{i}" for i in range(9)))
    found = _plan(Rules(blast_limit=5), graph=wide, known=known)
    assert found.chosen.set_index("service").loc["pay", "environment"] != "production"
    found = _plan(Rules(blast_limit=5, environment="production"), graph=wide, known=known)
    assert any("9 services call it" in reason for reason in _reasons(found, "pay", "third-party"))


def test_no_safe_window_is_a_reason_and_a_safe_one_stands_on_the_card() -> None:
    def windows(service: str, environment: str, minutes: float, fault: faults.Fault) -> Window:
        if service == "pay":
            return Window(False, text="a sale runs all month")
        at = pd.Timestamp("2021-12-07 10:00", tz="UTC")
        return Window(True, at, at + pd.Timedelta(minutes=minutes), "quiet")

    found = _plan(windows=windows)
    assert "pay" not in set(found.chosen["service"])
    assert any(r == "No safe window: a sale runs all month" for r in _reasons(found, "pay", "third-party"))
    assert found.chosen["starts_at"].notna().all()


def test_what_failed_is_repaired_first_and_what_held_makes_room() -> None:
    open_ = history(run("third-party", "pay", "2021-05-01", "deviated", open_actions=1))
    assert any("repair first" in r for r in _reasons(_plan(past=open_), "pay", "third-party"))
    before = _plan().chosen.set_index("service").loc["pay", "score"]
    held = history(*(run("third-party", "pay", f"2021-05-0{i}", "held") for i in range(1, 7)))
    after = _plan(past=held)
    assert (
        pd.concat([after.chosen, after.rejected])
        .query("service == 'pay' and failure_class == 'third-party'")["score"]
        .max()
        < before / 4
    )
    stale = history(*(run("third-party", "pay", f"2015-05-0{i}", "held") for i in range(1, 7)))
    assert _plan(past=stale).chosen["service"].iloc[0] == "pay", "a stale success returns"


def test_hidden_dependencies_become_candidates() -> None:
    edges = pd.DataFrame(
        {
            "service": ["pay"],
            "follower": ["login"],
            "origin": "series",
            "evidence": ["move together"],
            "state": ["open"],
        }
    )
    found = _plan(edges=edges)
    rows = pd.concat([found.chosen, found.rejected])
    mine = rows[rows["kind"] == "dependency"]
    assert len(mine) == 1
    assert (mine["follower"] == "login").all()
    assert mine["reason"].iloc[0]


def test_services_that_are_gone_and_classes_that_were_renamed_are_refused_with_a_reason() -> None:
    known = KNOWN.assign(current=[False, True, True, True, True])
    found = _plan(past=history(run("human-error", "shop", "2021-05-01", "held")), known=known)
    assert any("no longer there" in r for r in _reasons(found, "pay", "third-party"))
    assert any(
        "No fault of the catalogue" in r or "no such class" in r
        for r in _reasons(found, "shop", "human-error")
    )


def test_nothing_known_gives_no_plan_and_says_so() -> None:
    found = choose(book(touches([]), known=facts()), Rules())
    assert found.chosen.empty
    assert "No experiment can be proposed" in found.text
    with pytest.raises(InputError, match="hold no experiment"):
        Rules(slots=0)


def test_the_catalogue_rehearses_every_class_and_refuses_nonsense() -> None:
    catalogue = faults.packaged()
    assert {c for f in catalogue for c in f.classes} == set(taxonomy.packaged().names)
    for text, says in (
        ("faults: [", "not YAML"), ("faults: {}", "no `faults`"), ("faults: {a: {title: x}}", "no classes"),
        ("faults: {a: {titel: x}}", "unknown field titel"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            faults.parse(text, "faults.yml")


def test_the_loop_closes_on_a_simulated_world() -> None:
    """Rehearse what was planned: the next plan is another one, and the ledger says what moved."""
    world = simulate(41)
    first = choose(ledger_of(world, past=history()), Rules(), graph=world.graph)
    assert len(first.chosen) == 4
    held = [run(r.failure_class, r.service, "2021-05-31", "held") for r in first.chosen.itertuples()]
    book_ = ledger_of(world, past=history(*held))
    second = choose(book_, Rules(), graph=world.graph)
    assert (book_.table.query("runs > 0")["state"] == "rehearsed, held recently").all()
    both = pd.concat([second.chosen, second.rejected])
    for row in first.chosen.itertuples():
        again = both[(both["failure_class"] == row.failure_class) & (both["service"] == row.service)][
            "score"
        ].max()
        assert again < row.score
