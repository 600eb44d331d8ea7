"""Do incidents come after deployments more often than chance would have it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import intervals

WINDOWS_H = (1.0, 24.0)
DRAWS = 2000
WEEK = 7 * 86_400  # s
FEWEST_WEEKS = 8  # of record, under which there is nowhere to move the deployments to


@dataclass(frozen=True)
class After:
    """`table`, one row per window: hours; n (incidents looked at); observed (of these, begun within the window after a
    deployment of a service they touched), low and high (95 % Garwood interval of that count); expected, chance_low and
    chance_high (mean and 95 % range of the count with moved deployments); ratio (observed / expected); p_value and
    p_holm (two-sided, adjusted over the windows); verdict ('more', 'fewer', 'not distinguishable' or 'not measurable').
    `chance`: hours and count of each draw."""

    table: pd.DataFrame
    chance: pd.DataFrame
    text: str


def after(
    touched: pd.DataFrame,
    deployments: pd.DataFrame,
    *,
    windows_h: tuple[float, ...] = WINDOWS_H,
    seed: int = 0,
    draws: int = DRAWS,
) -> After:
    """Incidents that began after a deployment, against deployments moved in time.

    `touched`: one row per incident and service (incident_id, service, started_at); `deployments`: that table. Each draw
    moves all deployments of a service together by a random number of whole weeks, those that fall off the end come in at the
    beginning: hour, weekday and rhythm of releases stay, only what they coincide with changes. Rollbacks answer an
    incident and are left out, where the record says what is one. An incident counts once, whatever it touched.
    """
    kinds = (
        deployments["kind"].fillna("") if "kind" in deployments else pd.Series("", index=deployments.index)
    )
    rollback = kinds.str.lower().str.contains("rollback|revert")
    used = deployments[~rollback & deployments["started_at"].notna()]
    left_out = [f"{int(rollback.sum())} rollbacks"] if rollback.any() else []
    every = touched["incident_id"].nunique()
    if used.empty:
        return _nothing(
            windows_h, every, "There is no record of deployments: incidents after one are not measured."
        )
    first, last = used["started_at"].min(), used["started_at"].max()
    weeks = int(np.ceil((last - first).total_seconds() / WEEK))
    if weeks < FEWEST_WEEKS:
        return _nothing(
            windows_h,
            every,
            f"Deployments are on record for {weeks} weeks: too few to say what chance would do.",
        )
    rows = touched[touched["started_at"].notna() & touched["service"].isin(used["service"])]
    rows = rows[
        (rows["started_at"] >= first) & (rows["started_at"] < first + pd.Timedelta(seconds=weeks * WEEK))
    ]
    rows = rows.drop_duplicates(["incident_id", "service"])
    n = rows["incident_id"].nunique()
    if every - n:
        left_out.append(
            f"{every - n} incidents without a start or without a deployment record of a service they touched"
        )
    if not n:
        return _nothing(windows_h, every, "No incident has a start and a service with deployments on record.")
    observed, drawn = _counts(rows, used, first, weeks, windows_h, seed, draws)
    table = _table(windows_h, n, observed, drawn)
    chance = pd.DataFrame({"hours": np.repeat(windows_h, draws), "count": drawn.T.ravel()})
    return After(table, chance, _text(table, n, len(used), left_out))


def _counts(
    rows: pd.DataFrame, used: pd.DataFrame, first: pd.Timestamp, weeks: int, windows_h: tuple[float, ...], seed: int,
    draws: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Incidents within each window after a deployment: as it was, and in each draw (draws x windows)."""
    span = weeks * WEEK
    rng = np.random.default_rng(seed)
    place = {name: i for i, name in enumerate(rows["incident_id"].unique())}
    youngest = np.full(
        (draws + 1, len(place)), np.inf
    )  # seconds since the latest deployment; row 0 is as it was
    by_service = dict(list(used.groupby("service")["started_at"]))
    for service, group in rows.groupby("service", sort=True):
        at = np.sort((by_service[service] - first).dt.total_seconds().to_numpy())
        shift = np.r_[0, rng.integers(1, weeks, draws)] * WEEK
        began = (group["started_at"] - first).dt.total_seconds().to_numpy()
        # moving deployments forward is moving incidents back, around the end of the record
        moved = (began[None, :] - shift[:, None]) % span
        before = np.searchsorted(at, moved, side="right") - 1
        age = moved - at[before]
        age = np.where(before < 0, moved + span - at[-1], age)
        age[0] = np.where(before[0] < 0, np.inf, age[0])
        columns = [place[name] for name in group["incident_id"]]
        youngest[:, columns] = np.minimum(youngest[:, columns], age)
    counts = np.stack([(youngest <= hours * 3600).sum(axis=1) for hours in windows_h], axis=1)
    return counts[0], counts[1:]


def _table(windows_h: tuple[float, ...], n: int, observed: np.ndarray, drawn: np.ndarray) -> pd.DataFrame:
    draws = len(drawn)
    expected = drawn.mean(axis=0)
    more, fewer = ((1 + side.sum(axis=0)) / (1 + draws) for side in (drawn >= observed, drawn <= observed))
    p = np.minimum(1, 2 * np.minimum(more, fewer))
    order = np.argsort(p, kind="stable")
    holm = np.empty(len(p))
    holm[order] = np.minimum(1, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    rows = []
    for i, hours in enumerate(windows_h):
        bounds = intervals.poisson_count(int(observed[i]))
        low, high = np.quantile(drawn[:, i], [0.025, 0.975])
        verdict = (
            "not distinguishable" if holm[i] > 0.05 else "more" if observed[i] > expected[i] else "fewer"
        )
        ratio = observed[i] / expected[i] if expected[i] else np.nan
        rows.append(
            [
                hours,
                n,
                int(observed[i]),
                bounds.low,
                bounds.high,
                expected[i],
                low,
                high,
                ratio,
                p[i],
                holm[i],
                verdict,
            ]
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    "hours", "n", "observed", "low", "high", "expected", "chance_low", "chance_high", "ratio", "p_value", "p_holm",
    "verdict",
]  # fmt: skip


def _nothing(windows_h: tuple[float, ...], n: int, text: str) -> After:
    table = pd.DataFrame(
        [[hours, n, 0, *[np.nan] * 8, "not measurable"] for hours in windows_h], columns=_COLUMNS
    )
    return After(table, pd.DataFrame({"hours": [], "count": []}), text)


def _text(table: pd.DataFrame, n: int, n_deployments: int, left_out: list[str]) -> str:
    says = []
    for row in table.itertuples():
        hours = "an hour" if row.hours == 1 else f"{row.hours:g} hours"
        said = {
            "more": "more than chance would have it",
            "fewer": "fewer than chance would have it",
            "not distinguishable": "which chance does as well: not distinguishable",
        }[str(row.verdict)]
        says.append(
            f"Within {hours} after a deployment of a service they touched began {row.observed} of {n} incidents (95 % "
            f"interval {row.low:.0f} to {row.high:.0f}); with the deployments moved by random weeks it is "
            f"{row.expected:.1f} (95 % of draws {row.chance_low:.0f} to {row.chance_high:.0f}): {said} "
            f"(p {max(row.p_holm, 0.001):.3f}, adjusted)."
        )
    says.append(f"Looked at: {n_deployments:,} deployments. After is not because of.")
    if left_out:
        says.append(f"Left out: {'; '.join(left_out)}.")
    return " ".join(says)
