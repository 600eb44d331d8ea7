"""Incident objects of Datadog: every recorded one is read, none is lost, and 0 is not a duration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from resilience import schema
from resilience.sources import datadog_incidents as source

AT = "2021-03-04T10:0{}:00+00:00"


def rows_of(given: list[Any], uri: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found = source.collect(given, uri)
    return found.incidents, found.problems


def replies(shared_data: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted((shared_data / "datadog-cassettes" / "v2").glob("*incident*.yaml")):
        tape = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        for exchange in tape.get("interactions") or tape["http_interactions"]:
            if exchange["request"]["method"] == "GET" and exchange["response"]["body"]["string"]:
                yield path.name, orjson.loads(exchange["response"]["body"]["string"])


def incident(number: int = 7, **attributes: Any) -> dict[str, Any]:
    fields = attributes.pop("fields", {})
    given = {"public_id": number, "title": "Checkout down", "is_test": False, **attributes}
    given["fields"] = {name: {"type": "x", "value": value} for name, value in fields.items()}
    return {"type": "incidents", "id": f"uuid-{number}", "attributes": given}


def test_every_recorded_incident_is_a_row(shared_data: Path) -> None:
    seen = 0
    for name, reply in replies(shared_data):
        given = [one for one in source.of_reply(reply) if (one.get("data") or one).get("type") == "incidents"]
        rows, problems = rows_of(given, name)
        ids = {(one.get("data") or one)["attributes"]["public_id"] for one in given}
        assert sorted(row["incident_id"] for row in rows) == sorted(f"datadog:{i}" for i in ids)
        table = schema.frame("incidents", rows)
        assert table["detected_at"].notna().all()
        assert table["severity"].isin(["SEV-5"]).sum() + table["severity"].isna().sum() == len(table)
        schema.frame("problems", problems)
        seen += len(rows)
    assert seen >= 12


def test_moments_are_read_and_durations_are_not() -> None:
    (row,), problems = rows_of(
        [
            incident(
                customer_impact_start=AT.format(0),
                detected=AT.format(3),
                declared=AT.format(4),
                customer_impact_end=AT.format(8),
                resolved=AT.format(9),
                time_to_detect=0,
                time_to_resolve=300,
                severity="SEV-2",
                fields={
                    "services": ["b", "a"],
                    "teams": ["x"],
                    "detection_method": "employee",
                    "root_cause": "disk",
                },
            )
        ],
        "f.json",
    )
    table = schema.frame("incidents", [row]).iloc[0]
    assert [
        table[f"{m}_at"].minute for m in ("started", "detected", "declared", "mitigated", "resolved")
    ] == [0, 3, 4, 8, 9]
    assert table[["stated_detect_min", "stated_repair_min", "stated_restore_min"]].isna().all()
    assert (row["services"], row["teams"], row["detected_by"], row["kind"]) == (
        "a, b",
        "x",
        "colleague",
        "real",
    )
    assert "disk" in row["text"]
    assert [p["field"] for p in problems] == ["acknowledged_at"]  # the one moment that Datadog does not have


def test_tests_are_tests_and_a_page_that_moved_is_one_incident() -> None:
    old = incident(1, title="old", modified="2021-03-04T10:00:00+00:00", is_test=True)
    new = incident(1, title="new", modified="2021-03-05T10:00:00+00:00", is_test=True)
    for order in ([old, new], [new, old]):
        (row,), _ = rows_of(order, "f")
        assert (row["kind"], row["title"]) == ("test", "new")


def test_what_a_file_lacks_is_said_once_with_numbers() -> None:
    _, problems = rows_of([incident(i, detected=AT.format(1), state="resolved") for i in range(50)], "f")
    assert len(problems) == len({p["problem_id"] for p in problems}) == 4
    assert "50 of 50 incidents have no started_at" in " ".join(p["message"] for p in problems)
    assert "50 of the file's records: state is resolved" in " ".join(p["message"] for p in problems)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"detected": 12}, "detected"),
        ({"detected": "2021-03-04T10:00:00"}, "detected"),
        ({"detected": "9999-12-31T23:59:59-23:59"}, "detected"),
        ({"title": ["a"]}, "title"),
        ({"is_test": "yes"}, "kind"),
        ({"fields": {"detection_method": {"a": 1}}}, "detected_by"),
        ({"fields": {"services": [3]}}, "services"),
    ],
)
def test_a_broken_field_is_null_and_told_and_the_incident_stays(broken: dict[str, Any], field: str) -> None:
    rows, problems = rows_of([incident(**broken)], "f")
    assert len(schema.frame("incidents", rows)) == 1
    assert field in [p["field"] for p in problems if p["subject"] == "datadog:7"]


@pytest.mark.parametrize(
    "broken", [None, 3, [], {}, {"data": None}, {"attributes": []}, {"id": {}}, {"id": "a\0b"}]
)
def test_an_object_without_an_id_is_told(broken: Any) -> None:
    rows, problems = rows_of([broken, incident()], "f")
    assert [row["incident_id"] for row in rows] == ["datadog:7"]
    assert sum("Record 1 has no usable id" in p["message"] for p in problems) == 1
