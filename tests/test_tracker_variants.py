"""Exports as other accounts, tools and years write them: pages in one file, other clocks, incidents that came back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from .test_trackers import ANALYTICS, EXPORTS, GITHUB, LOG, PAGERDUTY, STATUSPAGE, T, read


def minutes(row: dict[str, Any], *names: str) -> list[int | None]:
    return [None if pd.isna(row[f"{n}_at"]) else row[f"{n}_at"].minute for n in names]


def told(found: Any) -> str:
    return " ".join(found.problems["message"])


def another(record: dict[str, Any]) -> dict[str, Any]:
    """The same record under other ids."""
    changed = {"id": "other", "number": 77, "incident_number": 77, "reference": "INC-77"}
    url = {"html_url": "https://github.com/acme/ops/issues/77"} if "number" in record else {}
    found = {**record, **{key: value for key, value in changed.items() if key in record}, **url}
    if "attributes" in record:
        found["attributes"] = {**record["attributes"], "public_id": 77}
    return {**found, "incident": {"id": "other", "summary": "Other"}} if "incident" in record else found


def paged(kind: str) -> tuple[Any, Any]:
    """An export, and one of the same form with another incident."""
    whole = EXPORTS[kind]
    if isinstance(whole, list):
        return whole, [another(one) for one in whole]
    name = next(name for name in ("incidents", "log_entries", "data") if name in whole)
    return whole, {**whole, name: [another(one) for one in whole[name]]}


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("how", ["a list of pages", "one after the other", "one a line", "with a BOM"])
def test_several_pages_in_one_file_lose_no_record(tmp_path: Path, kind: str, how: str) -> None:
    one, two = paged(kind)
    raw = {
        "a list of pages": orjson.dumps([one, two]),
        "one after the other": orjson.dumps(one) + orjson.dumps(two),
        "one a line": orjson.dumps(one) + b"\n\n" + orjson.dumps(two) + b"\n",
        "with a BOM": b"\xef\xbb\xbf" + orjson.dumps([two, one], option=orjson.OPT_INDENT_2),
    }[how]
    found = read(tmp_path, raw)
    assert len(found.incidents) == 2
    assert len(read(tmp_path, one).incidents) == 1


@pytest.mark.parametrize("kind", EXPORTS)
def test_empty_lists_and_new_fields_are_no_fault(tmp_path: Path, kind: str) -> None:
    whole, _ = paged(kind)
    name = next((n for n in ("incidents", "log_entries", "data") if n in whole), "")
    empty = {**whole, name: []} if name else []
    assert read(tmp_path, empty, kind).incidents.empty
    fresh = [{**one, "brand_new": {"a": [1, None]}, "also": 3.5} for one in (whole[name] if name else whole)]
    assert len(read(tmp_path, {**whole, name: fresh} if name else fresh).incidents) == 1


def test_pagerduty_of_an_account_without_resolved_at(tmp_path: Path) -> None:
    old = {k: v for k, v in PAGERDUTY.items() if k != "resolved_at"}
    rows = [
        {**old, "last_status_change_at": T(44)},
        {**old, "id": "P2", "status": "acknowledged", "last_status_change_at": T(9)},
        {**old, "id": "P3"},
    ]
    found = read(tmp_path, {"incidents": rows, "limit": 100, "offset": 0, "total": None, "more": True})
    at = [minutes(row, "resolved")[0] for row in found.incidents.to_dict("records")]
    assert at == [44, None, None]
    assert "1 of the file's records: status is resolved but resolved_at is not set" in told(found)
    assert "it says that more follow" in told(found)


def test_a_pagerduty_log_of_an_incident_that_came_back(tmp_path: Path) -> None:
    about = {"id": "PABC123", "summary": "[#12] Search down", "type": "incident_reference"}
    log = [{**one, "incident": about} for one in LOG]
    again = {**log[0], "type": "reopen_log_entry", "created_at": T(52)}
    (row,) = read(tmp_path, {"log_entries": log}).incidents.to_dict("records")
    assert (row["title"], minutes(row, "resolved")) == ("Search down", [49])
    found = read(tmp_path, {"log_entries": [*log, again]})
    assert found.incidents["resolved_at"].isna().all()
    assert "opened anew" in told(found)
    last = {**log[0], "created_at": T(58)}
    (row,) = read(tmp_path, {"log_entries": [*log, again, last]}).incidents.to_dict("records")
    assert minutes(row, "acknowledged", "resolved") == [4, 58]


@pytest.mark.parametrize(
    ("zone", "hour"), [("Etc/UTC", 10), ("America/New_York", 15), (None, None), ("Mars", None)]
)
def test_pagerduty_analytics_are_in_the_zone_that_the_reply_states(
    tmp_path: Path, zone: str | None, hour: int | None
) -> None:
    row = {**ANALYTICS, "created_at": "2021-03-04T10:01:00"}
    found = read(tmp_path, {"data": [row], "time_zone": zone, "more": False})
    at = found.incidents["detected_at"][0]
    assert (None if pd.isna(at) else at.hour) == hour
    assert ("no zone" in told(found)) == (hour is None)


UPDATES = [("investigating", 1), ("monitoring", 5), ("resolved", 9), ("investigating", 14), ("identified", 16),
           ("monitoring", 20), ("resolved", 27), ("resolved", 40), ("postmortem", 50)]  # fmt: skip


@pytest.mark.parametrize(
    ("upto", "expected"),
    [(1, [None, None]), (2, [5, None]), (3, [5, 9]), (4, [None, None]), (6, [20, None]), (9, [20, 27])],
)
def test_a_statuspage_incident_that_came_back_ends_when_it_last_ended(
    tmp_path: Path, upto: int, expected: list[int | None]
) -> None:
    updates = [{"status": status, "body": "b", "display_at": T(at)} for status, at in UPDATES[:upto]]
    bare = {k: v for k, v in STATUSPAGE.items() if k not in ("monitoring_at", "resolved_at", "components")}
    page = {"page": {"id": "p"}, "incidents": [{**bare, "incident_updates": updates[::-1], "impact": "none"}]}
    (row,) = read(tmp_path, page).incidents.to_dict("records")
    assert minutes(row, "declared", "mitigated", "resolved") == [1, *expected]


def test_statuspage_updates_without_display_at_and_maintenance_under_another_impact(tmp_path: Path) -> None:
    updates = [
        {"status": one["status"], "body": "", "created_at": one["display_at"]}
        for one in STATUSPAGE["incident_updates"]
    ]
    planned = {**STATUSPAGE, "id": "x2", "impact": "minor", "status": "completed"}
    found = read(tmp_path, {"page": {}, "incidents": [{**STATUSPAGE, "incident_updates": updates}, planned]})
    (row,) = found.incidents.to_dict("records")
    assert minutes(row, "declared", "mitigated", "resolved") == [20, 40, 55]
    assert "1 of the file's records: scheduled maintenance" in told(found)


def test_github_issues_that_were_no_incident(tmp_path: Path) -> None:
    url = "https://github.com/acme/ops/{}/{}"
    rows = [
        GITHUB,
        {**GITHUB, "number": 6, "html_url": url.format("issues", 6), "state_reason": "duplicate"},
        {**GITHUB, "number": 7, "html_url": url.format("issues", 7), "state_reason": "completed"},
        {**GITHUB, "number": 8, "html_url": url.format("pull", 8)},
        {**GITHUB, "number": 9, "pull_request": {"url": "x"}},
    ]
    found = read(tmp_path, rows)
    resolved = found.incidents.set_index("incident_id")["resolved_at"]
    assert sorted(resolved.index) == [f"github:acme/ops#{n}" for n in (5, 6, 7)]
    assert resolved.isna().to_dict() == {
        "github:acme/ops#5": False,
        "github:acme/ops#6": True,
        "github:acme/ops#7": False,
    }
    assert "2 of the file's records: a pull request" in told(found)
    assert "1 of the file's records: closed as not planned or as a duplicate" in told(found)


def test_github_graphql_and_the_command_line_tool(tmp_path: Path) -> None:
    node = {"number": 5, "title": "Down", "url": GITHUB["html_url"], "body": "", "createdAt": T(3), "closedAt": T(33),
            "labels": {"nodes": [{"name": "sev2"}, {"name": "service:cart"}]}, "stateReason": "COMPLETED"}  # fmt: skip
    whole = {"data": {"repository": {"issues": {"nodes": [node], "pageInfo": {"hasNextPage": False}}}}}
    (row,) = read(tmp_path, whole).incidents.to_dict("records")
    assert (row["incident_id"], row["severity"], row["services"]) == ("github:acme/ops#5", "sev2", "cart")
    assert minutes(row, "declared", "resolved") == [3, 33]
    listed = [{**node, "labels": node["labels"]["nodes"]}]  # type: ignore[index]
    assert read(tmp_path, listed).incidents["services"].tolist() == ["cart"]
