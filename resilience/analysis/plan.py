"""Which experiments to run next, where and when, and why not the others.

Greedy: the best score that obeys every constraint is taken, what it covers is worth less from then on, and again, until
the slots are full. Every candidate that was not taken says why in plain words. How firm the choice is comes from
drawing it again with other rates, other labels and other weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from . import candidates as found_by
from .candidates import EDGE
from .faults import ENVIRONMENTS, Fault
from .faults import packaged as packaged_faults
from .ledger import Ledger
from .programme import Window, one_day

COVERED = 0.5  # what a second experiment of the same class, or of the same team's services, is still worth
DRAWS = 200
DAY_MIN = 24 * 60
_CONSIDERED = 120  # candidates that are drawn again; the others are too far behind to be chosen

Windows = Callable[[str, str, float, Fault], Window]


@dataclass(frozen=True)
class Rules:
    """Hard constraints of a GameDay. Durations are minutes; `environment` and `style` None: either.

    `blast_limit`: services that may call a target, directly or not, on production. `budget_spent`: service -> why its
    error budget is exhausted. `open_incidents`: services with one. `must_not`: services that are out of bounds -> why.
    """

    slots: int = 4
    minutes: float = 20.0
    environment: str | None = None
    style: str | None = None
    blast_limit: int | None = None
    budget_spent: Mapping[str, str] = field(default_factory=dict)
    open_incidents: frozenset[str] = frozenset()
    must_not: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.slots < 1 or not 1 <= self.minutes <= DAY_MIN:
            raise InputError(
                f"{self.slots} slots of {self.minutes:g} minutes hold no experiment.",
                remedy=f"Give at least one slot, and 1 to {DAY_MIN} minutes.",
            )
        if self.environment not in (None, *ENVIRONMENTS):
            raise InputError(
                f"There is no environment {self.environment!r}.", remedy=f"Use {', '.join(ENVIRONMENTS)}."
            )


@dataclass(frozen=True)
class Plan:
    """`chosen`: one row per slot, in order of the programme; `rejected`: every other candidate, best score first.

    Both have the columns of `candidates.candidates` and: environment (where it would run), reason (why it was taken, or
    why not), rank (place by score alone), fmea_rank. `chosen` also has: worth (score after what is already covered),
    starts_at, ends_at and window (see `Window`), stability (share of `DRAWS` in which it was chosen as well). `day`: the
    local day (ISO) on which most of them have a safe window, null where none has. `text`: the plan in a sentence. `rules`:
    what it had to obey.
    """

    chosen: pd.DataFrame
    rejected: pd.DataFrame
    text: str
    rules: Rules
    as_of: pd.Timestamp
    day: str | None = None

    @property
    def others(self) -> pd.DataFrame:
        """Of `rejected` the best fault of each cell and dependency, without cells that were chosen with another fault."""
        rows = self.rejected.drop_duplicates(["failure_class", "service", "follower"])
        taken = pd.MultiIndex.from_frame(self.chosen[["failure_class", "service"]])
        return rows[~pd.MultiIndex.from_frame(rows[["failure_class", "service"]]).isin(taken)]


def choose(
    ledger: Ledger,
    rules: Rules | None = None,
    *,
    faults: Sequence[Fault] | None = None,
    graph: pd.DataFrame | None = None,
    teams: Mapping[str, str] | None = None,
    windows: Windows | None = None,
    seed: int = 0,
) -> Plan:
    """The plan for one GameDay. `graph`: declared calls (caller, callee); `teams`: service -> team; `windows` is asked
    (service, environment, minutes, fault) for candidates that would be taken, best first.
    """
    rules = rules or Rules()
    catalogue = {f.key: f for f in (faults or packaged_faults())}
    services = sorted(set(ledger.table["service"]))
    rows = found_by.candidates(ledger, list(catalogue.values()), found_by.reaches(graph, services))
    rows["rank"] = np.arange(1, len(rows) + 1)
    rows["fmea_rank"] = rows["rpn"].rank(ascending=False, method="min").astype(int)
    where = [
        _environment(catalogue.get(key), rules, blast)
        for key, blast in zip(rows["fault"], rows["blast"], strict=True)
    ]
    rows["environment"] = [environment for environment, _ in where]
    reasons = [
        _refusal(row, catalogue.get(row.fault), rules, why)
        for row, (_, why) in zip(rows.itertuples(), where, strict=True)
    ]
    rows["reason"] = pd.Series(reasons, dtype=object)
    close = _neighbours(graph)
    taken, times = _greedy(rows, rules, close, teams or {}, windows, catalogue)
    chosen = rows.loc[list(taken)].assign(worth=list(taken.values()))
    day, slots = one_day([times[i] for i in taken])
    chosen["starts_at"] = pd.to_datetime([w.starts_at for w in slots], utc=True)
    chosen["ends_at"] = pd.to_datetime([w.ends_at for w in slots], utc=True)
    chosen["window"] = pd.Series([w.text for w in slots], index=chosen.index, dtype=object)
    chosen["stability"] = _stability(rows, ledger, list(taken), rules, close, teams or {}, seed)
    chosen["reason"] = [_why(row) for row in chosen.itertuples()]
    rejected = rows.drop(index=list(taken))
    if len(chosen):
        left_over = rejected["reason"].isna()
        rejected.loc[left_over, "reason"] = _behind(rejected[left_over], chosen, rules)
    chosen = chosen.reset_index(drop=True)
    text = _text(chosen, rejected, rules)
    return Plan(chosen, rejected.reset_index(drop=True), text, rules, ledger.as_of, day)


def _environment(fault: Fault | None, rules: Rules, blast: int) -> tuple[str | None, str | None]:
    """Where it would run, and why nowhere."""
    if fault is None:
        return None, "No fault of the catalogue rehearses this class."
    wide = rules.blast_limit is not None and blast > rules.blast_limit
    allowed = [e for e in fault.environments if not (wide and e == "production")]
    if rules.environment is not None:
        if rules.environment not in fault.environments:
            return (
                None,
                f"{fault.title!r} may not run on {rules.environment} (only {', '.join(fault.environments)}).",
            )
        if rules.environment not in allowed:
            return (
                None,
                f"{found_by.called_by(blast)}; the limit on production is {rules.blast_limit}.",
            )
        return rules.environment, None
    if rules.style == "uninformed":
        allowed = [e for e in allowed if e != "production"]
        if not allowed:
            return (
                None,
                f"Unannounced experiments do not run on production, and {fault.title!r} runs nowhere else.",
            )
    if not allowed:
        return (
            None,
            f"{found_by.called_by(blast)}; the limit on production is {rules.blast_limit}.",
        )
    return allowed[0], None


def _refusal(row: Any, fault: Fault | None, rules: Rules, nowhere: str | None) -> str | None:
    """Why a candidate cannot be run at all; None where it can."""
    r = row
    if nowhere or fault is None:
        return nowhere
    if "no such class" in r.note:
        return "The taxonomy has no such class any more: rename it in its gameday.yml or labels."
    if "no longer declared" in r.note:
        return "The service is no longer there: it is not declared and sends no traffic."
    if r.service in rules.must_not:
        return rules.must_not[r.service]
    if fault.least_min > rules.minutes:
        return f"{fault.title!r} shows nothing in under {fault.least_min:g} minutes; a slot has {rules.minutes:g}."
    if r.environment == "production" and r.service in rules.budget_spent:
        return f"Its error budget is exhausted: {rules.budget_spent[r.service]}."
    if r.service in rules.open_incidents:
        return "An incident is still open on it."
    if r.last_verdict == "deviated" and r.open_actions:
        return (
            f"It did not hold when last rehearsed, and actions of that are still open ({int(r.open_actions)}): "
            "repair first, then rehearse again."
        )
    if r.score <= 0:
        return "Nothing is expected to be lost there, or a test would teach nothing new."
    return None


def _neighbours(graph: pd.DataFrame | None) -> dict[str, set[str]]:
    close: dict[str, set[str]] = {}
    if graph is not None:
        for caller, callee in graph[["caller", "callee"]].itertuples(index=False):
            close.setdefault(caller, set()).add(callee)
            close.setdefault(callee, set()).add(caller)
    return close


def _greedy(
    rows: pd.DataFrame,
    rules: Rules,
    close: Mapping[str, set[str]],
    teams: Mapping[str, str],
    windows: Windows | None,
    catalogue: Mapping[str, Fault],
) -> tuple[dict[int, float], dict[int, Window]]:
    """Candidates taken (index -> worth at that moment) and their windows; writes reasons of those passed
    over into `rows`."""
    passed: dict[int, str] = {}
    taken: dict[int, float] = {}
    times: dict[int, Window] = {}
    able = rows.index[rows["reason"].isna()]
    score = rows.loc[able, "score"].to_dict()
    about = rows.loc[able, ["failure_class", "service", "follower", "environment", "fault"]].to_dict("index")
    worth = dict(score)
    while len(taken) < rules.slots and worth:
        best = max(worth, key=lambda i: (worth[i], -i))
        value = worth.pop(best)
        mine = about[best]
        window = Window(None)
        if windows is not None:
            fault = catalogue[mine["fault"]]
            window = windows(
                mine["service"],
                mine["environment"],
                max(rules.minutes, fault.least_min) + fault.recover_min,
                fault,
            )
            if window.fits is False:
                passed[best] = f"No safe window: {window.text}"
                continue
        taken[best], times[best] = value, window
        for i in list(worth):
            other = about[i]
            if why := _clash(other, mine, close):
                passed[i] = why
                del worth[i]
            else:
                worth[i] *= _still(other, mine, teams)
    rows.loc[list(passed), "reason"] = list(passed.values())
    return taken, times


def _clash(other: Mapping[str, str], mine: Mapping[str, str], close: Mapping[str, set[str]]) -> str | None:
    """Why `other` cannot stand in one programme with `mine`."""
    same = {other["service"], other["follower"]} & {mine["service"], mine["follower"]} - {""}
    if same:
        if all(other[name] == mine[name] for name in ("service", "failure_class", "follower")):
            return f"Another fault for the same cell fits better ({mine['fault']})."
        return (
            f"{min(same)} is already a target ({mine['failure_class']} at {mine['service']}): "
            "two faults there could not be told apart."
        )
    if mine["service"] in close.get(other["service"], ()):
        return (
            f"It calls or is called by {mine['service']}, already a target: one fault would be felt in both."
        )
    return None


def _still(other: Mapping[str, str], mine: Mapping[str, str], teams: Mapping[str, str]) -> float:
    left = COVERED if other["failure_class"] == mine["failure_class"] else 1.0
    team = teams.get(other["service"])
    return left * (COVERED if team and team == teams.get(mine["service"]) else 1.0)


def _stability(
    rows: pd.DataFrame,
    ledger: Ledger,
    taken: list[int],
    rules: Rules,
    close: Mapping[str, set[str]],
    teams: Mapping[str, str],
    seed: int,
) -> np.ndarray:
    """Share of draws in which each taken candidate's cell is taken as well.

    Each draw takes the rates from their posterior (chance and label doubt), and scales severity, the doubt whether a cell
    holds and what a test teaches by weights between half and double.
    """
    if not taken:
        return np.zeros(0)
    able = rows[rows["reason"].isna() | rows.index.isin(taken)].head(_CONSIDERED)
    able = able.loc[~able.duplicated(["failure_class", "service", "follower"])]
    rng = np.random.default_rng(seed)
    place = pd.MultiIndex.from_frame(ledger.burden.table[["failure_class", "service", "environment"]])
    at = place.get_indexer(
        pd.MultiIndex.from_arrays([able["failure_class"], able["service"], ["production"] * len(able)])
    )
    shape = np.where(at >= 0, ledger.burden.shape[at], 2.0)
    draws = rng.gamma(shape, 1 / shape, (DRAWS, len(able)))
    power = 2.0 ** rng.uniform(-1, 1, (DRAWS, 3))
    severity, doubt, teach = (able[c].to_numpy(dtype=float) for c in ("severity", "hold_mean", "teach"))
    base = able["score"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        scale = (
            power[:, [0]] * np.log(severity / severity.mean())
            + power[:, [1]] * np.log(1 - doubt)
            + power[:, [2]] * np.log(teach)
        )
        usual = np.log(severity / severity.mean()) + np.log(1 - doubt) + np.log(teach)
    scores = base * draws * np.exp(scale - usual)
    about = able[["failure_class", "service", "follower", "fault"]].to_dict("records")
    cell = {(a["failure_class"], a["service"], a["follower"]): i for i, a in enumerate(about)}
    wanted = [cell.get(tuple(rows.loc[i, ["failure_class", "service", "follower"]]), -1) for i in taken]
    hits = np.zeros(len(taken))
    for draw in scores:
        picked: list[int] = []
        worth = draw.copy()
        while len(picked) < rules.slots and worth.max() > 0:
            best = int(worth.argmax())
            picked.append(best)
            worth[best] = 0
            for i in np.flatnonzero(worth):
                clash = _clash(about[i], about[best], close) is not None
                worth[i] *= 0.0 if clash else _still(about[i], about[best], teams)
        hits += [w in picked for w in wanted]
    found: np.ndarray = hits / DRAWS
    return found


def _why(row: Any) -> str:
    """Why a candidate was taken."""
    r = row
    if r.kind == EDGE:
        seen = r.state_why.replace(". Verify by experiment.", "")
        return (
            f"{r.follower} seems to depend on {r.service} though nobody declared it ({seen}); nobody has tested it. "
            f"Chosen again in {r.stability:.0%} of {DRAWS} draws with other rates, labels and weights."
        )
    tested = (
        "never rehearsed" if not r.runs else f"{r.state.removeprefix('rehearsed, ')} when it was rehearsed"
    )
    return (
        f"{r.state_why} Expected loss {r.loss:.0f} severity-weighted minutes a year ({r.rate:.1f} incidents x weight "
        f"{r.severity:.2f} x about {r.minutes:.0f} min); {tested}, so a test teaches {r.teach:.0%} of what "
        "a first one would. "
        f"Chosen again in {r.stability:.0%} of {DRAWS} draws with other rates, labels and weights."
    )


def _behind(left: pd.DataFrame, chosen: pd.DataFrame, rules: Rules) -> list[str]:
    last = chosen["worth"].min()
    full = len(chosen) >= rules.slots
    said = []
    for row in left.itertuples():
        if not full:
            said.append("Passed over.")
        elif row.score > last:
            same = row.failure_class in set(chosen["failure_class"])
            what = f"{row.failure_class} is already covered" if same else "its team already has a target"
            said.append(
                f"Score {row.score:.3g}, but {what}, so it adds less than the last one chosen ({last:.3g})."
            )
        else:
            said.append(f"Score {row.score:.3g}, below the last one chosen ({last:.3g}).")
    return said


def _text(chosen: pd.DataFrame, rejected: pd.DataFrame, rules: Rules) -> str:
    if chosen.empty:
        if rejected.empty:
            return "No experiment can be proposed: no incident, GameDay or service was known."
        why = rejected["reason"].dropna().value_counts()
        return (
            f"No experiment can be proposed: {len(rejected)} candidates, none of which obeys every constraint. "
            f"Most often: {why.index[0]}"
        )
    cells = [f"{r.failure_class} at {r.service}" for r in chosen.itertuples() if r.kind != EDGE]
    pairs = [f"{r.follower} depends on {r.service}" for r in chosen.itertuples() if r.kind == EDGE]
    names = [*cells, *([f"and find out whether {' and whether '.join(pairs)}"] if pairs else [])]
    names[0] = f"Rehearse {names[0]}" if cells else names[0].removeprefix("and ").capitalize()
    short = (
        "" if len(chosen) == rules.slots else f" Only {len(chosen)} of {rules.slots} slots could be filled."
    )
    firm = int((chosen["stability"] >= 0.5).sum())
    close = "" if firm == len(chosen) else "; the others are close calls"
    return (
        f"{'; '.join(names)}.{short} {firm} of {len(chosen)} {'is' if firm == 1 else 'are'} chosen again in at least half "
        f"of {DRAWS} draws with other rates, labels and weights{close}. "
        f"{len(rejected):,} other candidates (a fault at a cell each) were passed over, each with its reason."
    )
