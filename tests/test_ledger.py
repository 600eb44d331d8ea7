"""The ledger: attribution, burden, rehearsals, states; planted truth first, then what may not be claimed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.analysis import attribution, burden, ledger, rehearsals

from .ledger_worlds import CLASSES, END, START, at, book, facts, history, ledger_of, run, simulate, touches
from .sizes import FULL, SIZE

CALLS = pd.DataFrame({"caller": ["page", "page", "cart"], "callee": ["cart", "search", "stock"]})


def _shared(title: str, services: str | None) -> dict[str, float]:
    rows = pd.DataFrame({"incident_id": ["I1"], "title": [title], "services": [services]})
    return attribution.shares(rows, CALLS).set_index("service")["share"].to_dict()


def test_an_incident_is_shared_out_and_its_shares_add_up_to_one() -> None:
    assert _shared("Slow", "page, stock") == {"stock": 1.0}, "impact travels from callee to caller"
    assert _shared("page shows nothing", "page, stock") == {"page": 1.0}, "its title says where it began"
    assert _shared("Slow", "search, stock") == {"search": 0.5, "stock": 0.5}, "neither calls the other"
    assert _shared("gift-cart is down", "cart, gift-cart") == {"gift-cart": 1.0}, (
        "a name within a longer one is not named"
    )
    assert _shared("Slow", None) == {attribution.NOT_STATED: 1.0}


def test_severities_in_many_words() -> None:
    stated = pd.Series(["SEV1", "P2", "critical", "Minor", "sev-4", None, "strange"])
    assert attribution.severity_rank(stated).tolist()[:5] == [1, 2, 1, 3, 4]
    assert attribution.severity_weight(stated).tolist()[5:] == [attribution.UNSTATED_WEIGHT] * 2


def test_two_services_of_one_name_in_two_environments_are_two_rows() -> None:
    rows = touches([("I1", "config", "search", "2020-03-01"), ("I2", "config", "search", "2020-04-01")])
    rows.loc[1, "environment"] = "staging"
    found = book(rows).table
    mine = found[(found["service"] == "search") & (found["failure_class"] == "config")]
    assert sorted(mine["environment"]) == ["production", "staging"]
    assert mine["n"].tolist() == [1.0, 1.0]
    assert "kept apart from production" in mine.set_index("environment").loc["staging", "note"]


@given(
    st.lists(
        st.tuples(st.sampled_from(CLASSES[:4]), st.sampled_from("abcdef"), st.integers(0, 600)), max_size=25
    )
)
def test_burden_is_finite_positive_and_ordered(rows: list[tuple[str, str, int]]) -> None:
    made = touches(
        [(f"I{i}", c, s, str((START + pd.Timedelta(days=d)).date())) for i, (c, s, d) in enumerate(rows)]
    )
    found = burden.estimate(made, CLASSES, facts(*"abcdef"), end=END, start=START).table
    for name in ("rate", "rate_low", "rate_high", "loss", "minutes", "severity"):
        assert np.isfinite(found[name]).all(), name
        assert (found[name] >= 0).all(), name
    assert (found["rate_low"] <= found["rate"] + 1e-12).all()
    assert (found["rate"] <= found["rate_high"] + 1e-12).all()
    assert np.isclose(found["n"].sum(), len(rows))
    assert found["loss"].is_monotonic_decreasing


def test_posterior_rates_cover_the_truth_and_shrink_the_luckless() -> None:
    """Counts drawn from known rates: nominal 95 % intervals hold, and the worst cells' fall is the one foretold."""
    rng = np.random.default_rng(7)
    covered, fell, foretold = [], [], []
    for _ in range(8):
        services = [f"s{i:02}" for i in range(40)]
        level = rng.gamma(1.5, 1 / 1.5, 40)
        rates = (
            level[None, :]
            * rng.dirichlet(np.full(len(CLASSES), 3.0))[:, None]
            * 4
            * rng.gamma(1.2, 1 / 1.2, (len(CLASSES), 40))
        )
        rows = []
        for c, s in np.ndindex(rates.shape):
            for day in rng.uniform(0, 730, rng.poisson(2 * rates[c, s])):
                rows.append(
                    (f"I{len(rows)}", CLASSES[c], services[s], str((START + pd.Timedelta(days=day)).date()))
                )
        found = burden.estimate(touches(rows), CLASSES, facts(*services), end=END, start=START).table
        true = pd.Series(
            [
                rates[CLASSES.index(c), services.index(s)]
                for c, s in zip(found["failure_class"], found["service"], strict=True)
            ]
        )
        covered.append(
            ((found["rate_low"] <= true.to_numpy()) & (true.to_numpy() <= found["rate_high"])).mean()
        )
        worst = found.nlargest(10, "raw_rate").index
        fell.append(1 - true.iloc[worst].sum() / found["raw_rate"].iloc[worst].sum())
        foretold.append(1 - found["rate"].iloc[worst].sum() / found["raw_rate"].iloc[worst].sum())
    assert 0.91 <= np.mean(covered) <= 0.985, np.mean(covered)
    assert abs(np.mean(fell) - np.mean(foretold)) < 0.08, (np.mean(fell), np.mean(foretold))


def test_doubt_about_labels_widens_the_interval_and_keeps_the_mean() -> None:
    sure = touches([(f"I{i}", "config", "a", "2020-03-01") for i in range(6)])
    halves = pd.concat(
        [sure.assign(weight=0.5), sure.assign(weight=0.5, incident_id=sure["incident_id"] + "x")]
    )
    one, two = (
        burden.estimate(rows, CLASSES, facts("a", "b"), end=END, start=START)
        .table.query("failure_class == 'config' and service == 'a'")
        .iloc[0]
        for rows in (sure, halves)
    )  # fmt: skip
    assert two["n"] == one["n"] == 6
    assert two["rate_high"] - two["rate_low"] > one["rate_high"] - one["rate_low"]


def _state(found: ledger.Ledger, failure_class: str = "datastore", service: str = "a") -> pd.Series:
    rows = found.table
    return rows[(rows["failure_class"] == failure_class) & (rows["service"] == service)].iloc[0]


MANY = [(f"I{i}", "datastore", "a", f"2020-0{1 + i % 9}-05") for i in range(8)] + [
    ("J1", "config", "b", "2020-02-01")
]


def test_states_in_words() -> None:
    rows, known = touches(MANY), facts("a", "b", "c")
    assert _state(book(rows, known=known))["state"] == "costly, never rehearsed"
    assert _state(book(rows, known=known), "security", "c")["state"] == "never seen, never rehearsed"
    held = run("datastore", "a", "2021-02-01", "held")
    assert _state(book(rows, history(held), known))["state"] == "rehearsed, held recently"
    assert (
        _state(book(rows, history({**held, "held_on": at("2020-01-02")}), known))["state"]
        == "rehearsed, failed again"
    )
    deviated = run("datastore", "a", "2021-02-01", "deviated", open_actions=2)
    found = _state(book(rows, history(deviated), known))
    assert found["state"] == "rehearsed, did not hold"
    assert "Actions of it still open: 2." in found["state_why"]
    unclear = run("datastore", "a", "2021-02-01", "inconclusive")
    assert _state(book(rows, history(unclear), known))["state"] == "rehearsed, inconclusive"


def test_last_held_goes_stale_by_age_and_by_traffic() -> None:
    rows, known = (
        touches([("J1", "config", "b", "2020-02-01"), ("J2", "datastore", "a", "2019-07-01")]),
        facts("a", "b"),
    )
    old = history(
        run("datastore", "a", "2020-01-10", "held"), run("datastore", "a", "2019-12-10", "deviated")
    )
    found = _state(book(rows, old, known))
    assert found["state"] == "rehearsed, stale"
    assert "days ago" in found["stale_reason"]
    assert found["last_held"].startswith("1 of 2, production")
    small = history(run("datastore", "a", "2021-05-01", "held", load=50.0, load_unit="requests/s"))
    peaks = pd.DataFrame({"service": ["a"], "peak": [200.0], "unit": ["requests/s"]})
    outgrown = _state(book(rows, small, known, peaks=peaks))
    assert outgrown["state"] == "rehearsed, stale"
    assert "busy hours now reach 200" in outgrown["stale_reason"]
    assert outgrown["teach"] > _state(book(rows, small, known))["teach"], (
        "a rehearsal at a quarter of the load teaches less"
    )
    assert (
        _state(book(rows, small, known, peaks=peaks.assign(peak=55.0)))["state"] == "rehearsed, held recently"
    )


def test_what_a_test_teaches_falls_after_one_and_comes_back_with_age() -> None:
    day = history(run("datastore", "a", "2021-01-01", "held"))
    levels = [
        rehearsals.belief(day, as_of=at(when))[1] for when in ("2021-01-02", "2022-01-01", "2025-01-01")
    ]
    assert levels[0] < levels[1] < levels[2] < 1
    assert rehearsals.belief(day, as_of=at("2021-01-02"))[0] > 0.6
    failed = history(run("datastore", "a", "2021-01-01", "deviated", closed_actions=1))
    still = history(run("datastore", "a", "2021-01-01", "deviated", open_actions=1))
    assert rehearsals.belief(failed, as_of=END)[0] > rehearsals.belief(still, as_of=END)[0], (
        "a repair weakens the old failure"
    )


def test_a_rehearsal_alone_takes_no_cell_off_the_costly_list() -> None:
    rows, known = touches(MANY), facts("a", "b", "c")
    assert _state(book(rows, history(run("datastore", "a", "2021-05-20", "held")), known))["costly"]
    again = touches([*MANY, *((f"K{i}", "datastore", "a", f"2021-0{2 + i % 4}-09") for i in range(6))])
    found = _state(book(again, history(run("datastore", "a", "2021-01-01", "held")), known))
    assert found["costly"]
    assert found["after_n"] == 6
    assert found["after_verdict"] != "fell more than expected"


def test_a_cell_leaves_the_costly_list_only_below_the_rate_foretold_without_a_rehearsal() -> None:
    """Elsewhere it burns now, so that eight incidents long ago are no longer among what costs most."""
    others = [(f"L{i}", "config", f"z{i % 3}", f"2021-0{1 + i % 5}-{1 + i % 27:02}") for i in range(60)]
    known = facts("a", "b", "c", "z0", "z1", "z2")
    held = history(run("datastore", "a", "2020-10-05", "held"))
    quiet = _state(book(touches([*MANY, *others]), held, known))
    assert quiet["rate"] < quiet["after_expected"] / quiet["after_years"]
    assert not quiet["costly"]
    went_on = [(f"K{i}", "datastore", "a", f"2020-1{i % 3}-1{i}") for i in range(7)]
    burning = _state(book(touches([*MANY, *others, *went_on]), held, known))
    assert burning["rate"] > burning["after_expected"] / burning["after_years"]
    assert burning["costly"]


def test_the_fall_that_was_to_expect_anyway_is_shown_beside_the_counted_rate() -> None:
    others = [(f"O{i}", CLASSES[i % 9], f"x{i % 20}", "2020-05-05") for i in range(40)]
    found = _state(book(touches([*MANY, *others]), known=facts("a", "b", "c", *(f"x{i}" for i in range(20)))))
    assert 0 < found["expected_fall_pct"] < 100
    assert found["rate"] < found["raw_rate"]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_incident_and_no_gameday(count: int) -> None:
    rows = touches([("I1", "config", "a", "2021-05-31")][:count])
    found = book(rows, known=facts("a"), start=None)
    assert len(found.table)
    assert found.text
    assert (found.table["rate"] < 20).all(), "one incident yesterday is no rate of hundreds a year"


def test_gamedays_without_incidents() -> None:
    found = book(touches([]), history(run("config", "a", "2021-02-01", "held")), facts())
    assert _state(found, "config", "a")["state"] == "rehearsed, held recently"
    assert "No incident is on record" in found.text


def test_a_service_that_is_gone_and_a_class_that_was_renamed_say_so() -> None:
    rows = touches([("I1", "config", "old", "2020-02-01")])
    known = facts("old", "new", current=[False, True])
    past = history(run("human-error", "new", "2021-02-01", "held"))
    found = book(rows, past, known)
    assert "no longer declared" in _state(found, "config", "old")["note"]
    assert "no such class" in _state(found, "human-error", "new")["note"]


def test_unknown_is_shown_and_never_ranked() -> None:
    rows = touches([("I1", "unknown", "a", "2020-02-01"), ("I2", "config", "not stated", "2020-02-01")])
    found = book(rows, known=facts("a")).table
    assert set(found.loc[found["n"] > 0, "state"]) == {"cause or service not known"}
    assert not found["costly"].any()


SEEDS = range(20) if FULL else range(1)


def test_planted_costly_cells_are_among_the_first_ten_that_nobody_rehearsed() -> None:
    led = total = 0
    for seed in SEEDS:
        world = simulate(1000 + seed, size=SIZE)
        first = ledger_of(world).table.query("runs == 0").head(10)
        top = set(zip(first["failure_class"], first["service"], strict=True))
        for cell in world.truth["planted"]["costly_unrehearsed"]:
            total += 1
            led += (cell["failure_class"], cell["service"]) in top
    print(f"planted costly cells among the first ten: {led} of {total}")
    assert led >= (0.9 if FULL else 0.8) * total  # in one world, of six, one may be luckless


def test_where_gamedays_change_nothing_the_ledger_claims_nothing() -> None:
    """Placebo: burden words move for at most 5 % of a GameDay's cells by its being recorded, nor is a change claimed."""
    cells = moved = claimed = 0
    for seed in SEEDS:
        world = simulate(1000 + seed, world="placebo", size=SIZE)
        keys = ["failure_class", "service"]
        with_, without = (ledger_of(world, past=p).table.set_index(keys) for p in (world.past, history()))
        mine = with_[with_["runs"] > 0]
        cells += len(mine)
        moved += int((mine["costly"] != without["costly"].reindex(mine.index)).sum())
        claimed += int(mine["after_verdict"].isin(["fell more than expected", "rose"]).sum())
        left = with_.index[(with_["runs"] > 0) & ~with_["costly"]]
        assert (with_.loc[left, "rate"] == without.loc[left, "rate"]).all(), (
            "a recorded GameDay moves no rate"
        )
    assert moved <= 0.05 * cells, (moved, cells)
    assert claimed <= max(1, 0.05 * cells), (claimed, cells)
