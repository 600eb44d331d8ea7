"""Deployments from CSV, incidents after them, and what classes add up to: planted truth first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import pipeline, schema
from resilience.analysis import causes, deployments, patterns
from resilience.errors import InputError
from resilience.sources import deployments as reader
from resilience.store import Store
from tests.test_causes import NOTHING, TOLD, incidents, labels

from .sizes import FULL

FIRST = pd.Timestamp("2020-01-06T00:00Z")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "service", "at"),
    [
        ("service,env,version,started_at\ncart,prod,1.2,2020-01-06T10:00:00Z\n", "cart", "2020-01-06T10:00Z"),
        ("Service,Deployed At,Tag\ncart,2020-01-06 11:00:00+01:00,v1\n", "cart", "2020-01-06T10:00Z"),
        ("id,service_name,timestamp\n7,cart,1578304800\n", "cart", "2020-01-06T10:00Z"),
        ("deployment_id,service,started_at\n7,cart,1578304800000000000\n", "cart", "2020-01-06T10:00Z"),
        ("attributes.service,attributes.started_at\ncart,1578304800000\n", "cart", "2020-01-06T10:00Z"),
    ],
)
def test_the_columns_of_several_houses_are_read(tmp_path: Path, text: str, service: str, at: str) -> None:
    path = write(tmp_path / "deployments.csv", text)
    assert reader.recognise(path)
    (row,) = reader.read(path, path.name).deployments.itertuples()
    assert (row.service, row.started_at) == (service, pd.Timestamp(at))


def test_rows_without_a_service_or_a_zone_are_left_out_with_their_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "deployments.csv",
        "service,started_at\ncart,2020-01-06T10:00:00\n,2020-01-06T10:00:00Z\nx,soon\ncart,2020-01-06T10:00Z\n",
    )
    found = reader.read(path, "deployments.csv")
    assert len(found.deployments) == 1
    assert found.problems["line"].tolist() == [2, 3, 4]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "service\ncart\n"])
def test_another_table_is_not_taken_for_deployments(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "deployments.csv", text)
    assert not reader.recognise(path)
    with pytest.raises(InputError):
        reader.read(path, path.name)
    series = write(tmp_path / "series.csv", "service,timestamp,value\ncart,1578304800,3\n")
    assert not reader.recognise(series)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("d") / "deployments.csv"
    path.write_bytes(b"service,started_at\n" + content)
    try:
        found = reader.read(path, path.name)
    except InputError:
        return
    assert found.deployments["started_at"].notna().all()


def test_ingest_takes_them_in_once(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deployments"
    folder.mkdir(parents=True)
    write(
        folder / "deployments-2020.csv",
        "service,started_at,version\ncart,2020-01-06T10:00:00Z,1\ncart,2020-01-07T10:00:00Z,2\n",
    )
    store = Store(str(tmp_path / "store"))
    assert pipeline.ingest(store, [folder], base=tmp_path).files == {"deployments": 1}
    assert len(store.load("deployments")) == 2
    assert not pipeline.ingest(store, [folder], base=tmp_path).commits


def world(seed: int, *, behind: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A year of weekday deployments of ten services and 100 incidents, `behind` of them ten minutes after a deployment."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(10):
        for w in range(52):
            day, hour = int(7 * w + rng.integers(0, 5)), int(rng.integers(9, 17))
            rows.append({"service": f"s{s}", "started_at": FIRST + pd.Timedelta(days=day, hours=hour)})
    releases = pd.DataFrame(rows)
    picked = releases.iloc[rng.choice(len(releases), behind, replace=False)]
    after = pd.DataFrame(
        {"service": picked["service"], "started_at": picked["started_at"] + pd.Timedelta(minutes=10)}
    )
    other = pd.DataFrame(
        {"service": [f"s{i}" for i in rng.integers(0, 10, 100 - behind)],
         "started_at": FIRST + pd.to_timedelta(rng.uniform(0, 364 * 24, 100 - behind), unit="h")}
    )  # fmt: skip
    touched = pd.concat([after, other], ignore_index=True)
    touched.insert(0, "incident_id", [f"i{i}" for i in range(100)])
    return touched, releases


def test_planted_incidents_behind_deployments_are_found_and_nothing_is_blamed() -> None:
    touched, releases = world(1, behind=15)
    found = deployments.after(touched, releases, seed=4, draws=400)
    hour = found.table.iloc[0]
    assert hour["observed"] >= 15
    assert hour["verdict"] == "more"
    assert hour["low"] < hour["observed"] < hour["high"]
    assert "because of" not in found.text.replace("After is not because of", "")
    pd.testing.assert_frame_equal(found.table, deployments.after(touched, releases, seed=4, draws=400).table)


@pytest.mark.acceptance
def test_without_a_plant_the_verdict_is_rarely_more() -> None:
    worlds = 300 if FULL else 40
    hits = sum(
        (
            deployments.after(*world(seed, behind=0), seed=seed, draws=300).table["verdict"]
            != "not distinguishable"
        ).any()
        for seed in range(worlds)
    )
    print(f"{hits} of {worlds} null worlds")
    assert hits <= worlds * (0.06 if FULL else 0.125)


def test_rollbacks_and_incidents_that_cannot_be_looked_at_are_left_out_and_counted() -> None:
    touched, releases = world(1, behind=5)
    releases = pd.concat([releases.assign(kind="release"), releases.head(7).assign(kind="rollback")])
    touched.loc[:2, "started_at"] = pd.NaT
    touched.loc[3:4, "service"] = "nowhere"
    found = deployments.after(touched.astype({"started_at": "datetime64[us, UTC]"}), releases, draws=50)
    assert "7 rollbacks; 5 incidents" in found.text
    assert found.table["n"].tolist() == [95, 95]


def test_without_a_record_or_with_a_short_one_nothing_is_measured() -> None:
    touched, releases = world(1, behind=5)
    for rows in (releases.head(0), releases[releases["started_at"] < FIRST + pd.Timedelta(weeks=3)]):
        found = deployments.after(touched, rows)
        assert set(found.table["verdict"]) == {"not measurable"}
        assert found.chance.empty


def test_an_incident_counts_once_whatever_it_touched() -> None:
    touched, releases = world(1, behind=15)
    double = pd.concat([touched, touched.assign(service="s1")]).drop_duplicates(["incident_id", "service"])
    assert deployments.after(double, releases, draws=50).table["n"].iloc[0] == 100


def several(texts: list[str], **columns: object) -> tuple[pd.DataFrame, causes.Causes]:
    rows = incidents(texts, **columns)
    at = pd.Series(pd.date_range("2021-01-01", periods=len(texts), freq="20D", tz="UTC")).astype(
        "datetime64[us, UTC]"
    )
    rows = rows.assign(started_at=at, resolved_at=at + pd.Timedelta(minutes=60))
    return rows, causes.classify(rows)


def test_unknown_is_carried_in_every_total() -> None:
    rows, found = several([*TOLD.values(), NOTHING, NOTHING] * 3)
    over, cost = patterns.over_time(rows, found, draws=20), patterns.impact(rows, found, draws=50)
    touched = rows.assign(service="cart")
    services = patterns.by_service(touched, found)
    for table, value, total in (
        (over.table, "expected", 24),
        (services.table, "expected", 24),
        (cost.table, "minutes", 24 * 60),
    ):
        assert table[value].sum() == pytest.approx(total)
        share = table.loc[table["failure_class"] == "unknown", value].sum() / total
        assert share == pytest.approx(6 / 24)
    assert (cost.table["low"] <= cost.table["minutes"] + 1e-6).all()
    assert (cost.table["minutes"] <= cost.table["high"] + 1e-6).all()


def test_a_mix_that_turns_is_told_from_one_that_stays() -> None:
    turned, found = several([TOLD["security"]] * 12 + [TOLD["time-limits"]] * 12)
    assert "more than chance" in patterns.over_time(turned, found, draws=200).text
    stays, found = several([TOLD["security"], TOLD["time-limits"]] * 12)
    assert "no trend of a class is claimed" in patterns.over_time(stays, found, draws=200).text


def test_what_comes_back_is_counted_at_its_service_within_ninety_days() -> None:
    rows, _ = several([TOLD["security"]] * 3 + [NOTHING])
    at = pd.to_datetime(["2021-01-01", "2021-02-01", "2021-12-01", "2021-12-02"], utc=True).astype(
        "datetime64[us, UTC]"
    )
    rows = rows.assign(started_at=at, service="cart")
    found = patterns.recurrences(rows, causes.classify(rows, labels(("i0", "a", "security"))), draws=50)
    (row,) = found.table.itertuples()
    assert (row.service, row.failure_class, row.n, row.soon) == ("cart", "security", 3, 1)
    assert "1 incidents without a date" in found.text


def test_factors_are_the_same_where_their_words_are() -> None:
    rows, _ = several([NOTHING] * 3)
    listed = [("i0", "No alert!"), ("i1", "no  alert"), ("i1", "No alert"), ("i2", "Old docs")]
    given_ = schema.frame(
        "incident_factors",
        [
            {"incident_id": i, "position": n, "kind": "why", "text": text, "line": 1}
            for n, (i, text) in enumerate(listed)
        ],
    )
    found = patterns.factors(given_, rows)
    assert found.table[["factor", "n", "incident_ids"]].to_numpy().tolist() == [["No alert!", 2, "i0, i1"]]
    assert "3 of 3 reports list" in found.text


def test_nothing_at_all_is_said_in_words() -> None:
    rows = incidents([])
    found = causes.classify(rows)
    touched = rows.assign(service=pd.Series(dtype="str"))
    for text in (
        patterns.over_time(rows, found).text, patterns.by_service(touched, found).text, patterns.impact(rows, found).text,
        patterns.recurrences(touched, found).text, patterns.factors(schema.frame("incident_factors"), rows).text,
        patterns.mechanisms(found).text,
    ):  # fmt: skip
        assert text.endswith((".", "it."))


def test_a_report_cannot_put_markup_or_another_address_into_the_page() -> None:
    from resilience.report import cause_panels, panels

    rows, found = several(
        [f"{text} <script>x</script>" for text in TOLD.values()], title="<img src=x onerror=y>"
    )
    rows = rows.assign(
        source="markdown",
        source_uri=["a b.md", "javascript:alert(1)", "../../etc", "/etc/x", 'x".md', "ok.md"],
    )
    body = cause_panels.reports_of(rows, found, causes.distribution(found)).body
    assert "<script" not in body
    assert "<img" not in body
    assert f'href="{panels.root()}/a%20b.md"' in body
    assert 'href="javascript' not in body
    assert body.count("<a href") == 3
