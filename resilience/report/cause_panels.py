"""The panels of the page about failure classes: factors first, then the classes and what they open to."""

from __future__ import annotations

import html

import pandas as pd

from ..analysis.causes import Causes, Distribution
from ..analysis.deployments import After
from ..analysis.patterns import Pattern
from .figures import causes as figures
from .figures import incidents as incident_figures
from .panels import Panel, count, escape, known, publish, report_link, table

_MOST = 15  # groups drawn in one figure; the table holds all


def factors(found: Pattern) -> Panel:
    """Contributing factors that come back, before any class."""
    publish({"factors": found.text})
    if found.table.empty:
        return Panel(found.text)
    rows = found.table.assign(first=_days(found.table["first"]), last=_days(found.table["last"]))
    bars = rows.head(_MOST).rename(columns={"factor": "group", "n": "expected"})
    bars = bars.assign(
        group=[name if len(name) <= 60 else f"{name[:59]}…" for name in bars["group"]],
        low=float("nan"),
        high=float("nan"),
    )
    columns = {
        "factor": "Factor",
        "n": "Reports",
        "first": "First",
        "last": "Last",
        "incident_ids": "Incidents",
    }
    return Panel(found.text, incident_figures.counts(bars, "reports"), table(rows, columns))


def mechanisms(found: Pattern) -> Panel:
    """Mechanism tags, apart from classes."""
    publish({"mechanisms": found.table.set_index("mechanism")["n"].to_dict()})
    return Panel(found.text)


def over_time(found: Pattern) -> Panel:
    """Expected reports per quarter and class."""
    publish({"over_time": found.text})
    if found.table.empty:
        return Panel(found.text)
    columns = {
        "quarter": "Quarter",
        "failure_class": "Class",
        "expected": "Expected",
        "n": "Reports of the quarter",
    }
    return Panel(
        found.text,
        figures.grid(_ordered(found.table), "failure_class", "quarter", "expected"),
        table(found.table, columns),
    )


def by_service(found: Pattern) -> Panel:
    """Expected reports per service and class."""
    if found.table.empty:
        return Panel(found.text)
    rows = found.table
    order = _class_order(rows)
    drawn = (
        rows.set_index("failure_class")
        .loc[order]
        .reset_index()
        .sort_values("n", ascending=False, kind="stable")
    )
    columns = {
        "service": "Service",
        "failure_class": "Class",
        "expected": "Expected",
        "n": "Reports of the service",
    }
    return Panel(
        found.text, figures.grid(drawn, "service", "failure_class", "expected"), table(rows, columns)
    )


def impact(found: Pattern) -> Panel:
    """Minutes of impact per class."""
    publish({"impact": found.text, "impact_minutes": found.table.round(2).to_dict("records")})
    if found.table.empty:
        return Panel(found.text)
    hours = found.table.assign(**{c: found.table[c] / 60 for c in ("minutes", "low", "high")})
    bars = hours.rename(columns={"failure_class": "group", "minutes": "expected"})
    columns = {
        "failure_class": "Class", "minutes": "Minutes (expected)", "low": "Low", "high": "High", "share": "Share",
        "largest": "Of these, the longest report",
    }  # fmt: skip
    figure = incident_figures.counts(bars, "hours of impact")
    return Panel(found.text, figure, table(found.table, columns, {"share": ".0%", "largest": ".0%"}))


def recurrences(found: Pattern) -> Panel:
    """The same class at the same service again."""
    publish({"recurrences": found.text})
    if found.table.empty:
        return Panel(found.text)
    rows = found.table.assign(last=_days(found.table["last"]))
    columns = {
        "service": "Service", "failure_class": "Class", "n": "Incidents", "soon": "Of these within 90 days", "last": "Last",
        "incident_ids": "Incidents",
    }  # fmt: skip
    drawn = rows[rows["soon"] > 1].head(_MOST)  # once again is what chance does everywhere
    if drawn["soon"].nunique() < 2:
        most = int(rows["soon"].max())
        none = f"None came back more than {'once' if most == 1 else f'{most} times'}: the table lists them."
        return Panel(f"{found.text} {none if most else ''}".strip(), table=table(rows, columns))
    bars = drawn.assign(
        group=drawn["service"] + " · " + drawn["failure_class"],
        expected=drawn["soon"],
        low=float("nan"),
        high=float("nan"),
    )
    return Panel(found.text, incident_figures.counts(bars, "times"), table(rows, columns))


def reports_of(incidents: pd.DataFrame, causes: Causes, found: Distribution) -> Panel:
    """Each class opens to its reports: what moved the classifier, how sure it is, and a link to the source."""
    about = incidents[["incident_id", "title", "started_at", "services", "source_uri", "source"]]
    rows = causes.table.merge(about, on="incident_id").sort_values(
        ["started_at", "incident_id"], ascending=[False, True], na_position="last"
    )
    parts = []
    for line in found.table.itertuples():
        mine = rows[rows["failure_class"] == line.failure_class]
        items = "".join(_report(row) for row in mine.itertuples())
        listed = f"<ul>{items}</ul>" if items else "<p>No report has it as its likeliest class.</p>"
        head = (
            f"{escape(line.failure_class)}: {count(len(mine), 'report')}, about {line.expected:.1f} expected"
        )
        parts.append(f'<details class="class"><summary>{head}</summary>{listed}</details>')
    text = (
        "A class is only an index: open one and read its reports. The number is how likely the class is; 'label' means that "
        "a person decided."
    )
    return Panel("", body=f'<p class="finding">{escape(text)}</p>{"".join(parts)}')


def _report(row: object) -> str:
    """One report as a list item; everything in it is escaped, and the link can only be a relative path."""
    about = row._asdict()  # type: ignore[attr-defined]
    day = f"{about['started_at']:%Y-%m-%d}" if known(about["started_at"]) else "no date"
    name = escape(about["incident_id"])
    if about["source"] == "markdown" and (address := report_link(about["source_uri"])):
        name = f'<a href="{html.escape(address)}">{name}</a>'
    sure = "label" if about["decided_by"] == "label" else ""
    if not sure and known(about["probability"]):
        sure = f"{about['probability']:.0%}"
    said = [escape(day), " ", name, " ", escape(about["title"])]
    if sure:
        said.append(f" ({sure})")
    if known(about["second_class"]):
        word = "also" if known(about["probability"]) else "at best"
        said.append(f"; {word} {escape(about['second_class'])}")
    if known(about["mechanisms"]):
        said.append(f"; {escape(about['mechanisms'])}")
    if known(about["phrases"]) and about["phrases"]:
        said.append(f"<br><small>moved by: {escape(about['phrases'])}</small>")
    return f"<li>{''.join(said)}</li>"


def after_deployments(found: After) -> Panel:
    """Incidents after a deployment against deployments moved in time."""
    publish({"after_deployments": found.text, "windows": found.table.round(4).to_dict("records")})
    if found.chance.empty:
        return Panel(found.text)
    rows = found.table.assign(group=[f"within {h:g} h" for h in found.table["hours"]])
    columns = {
        "group": "After a deployment", "n": "Incidents", "observed": "As it was", "low": "Low", "high": "High",
        "expected": "Moved (mean)", "chance_low": "Moved, low", "chance_high": "Moved, high", "ratio": "Ratio",
        "p_holm": "p (Holm)", "verdict": "Verdict",
    }  # fmt: skip
    return Panel(found.text, figures.against_chance(rows, "incidents"), table(rows, columns))


def _days(at: pd.Series) -> pd.Series:
    return at.dt.strftime("%Y-%m-%d")


def _class_order(rows: pd.DataFrame) -> list[str]:
    """Classes by their expected total, unknown last."""
    total = rows.groupby("failure_class")["expected"].sum()
    return sorted(total.index, key=lambda name: (name == "unknown", -total[name], name))


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("failure_class").loc[_class_order(rows)].reset_index()
