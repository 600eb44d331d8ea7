"""Durations and clock times as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.sources import report_clocks, report_durations

EXACT = {
    "19 hours 43 minutes.": 1183,
    "1h 50m": 110,
    "1h50m": 110,
    "0:07": 7,
    "1:02:30": 62.5,
    "11 Days": 15840,
    "54 hours 10 minutes": 3250,
    "0 minutes": 0,
    "1 minutes": 1,
    "an hour and 5 minutes": 65,
    "1 day, 2 hours": 1560,
    "2,5 hours": 150,
    "90 s": 1.5,
    "two weeks": 20160,
    "PT1H5M": 65,
}
NOT_ONE = [
    "20-60 days",
    "5 to 10 minutes",
    "<5 min",
    "less than 5 minutes",
    "at least 5 min",
    "1,415 minutes",
    "5",
]
NOT_ONE += [
    "1 month",
    "5 minutes 3 minutes",
    "-5 minutes",
    "5 minutes, customers 2 hours",
    "1h 50m later",
    "soon",
]


@pytest.mark.parametrize(("text", "minutes"), EXACT.items())
def test_exact_durations(text: str, minutes: float) -> None:
    read = report_durations.read(text)
    assert (read.minutes, read.doubt) == (minutes, None)


@pytest.mark.parametrize("text", NOT_ONE)
def test_what_is_not_one_duration_is_null_with_the_reason(text: str) -> None:
    read = report_durations.read(text)
    assert read.minutes is None
    assert read.doubt
    assert not read.absent


@pytest.mark.parametrize("text", ["?", "N/A", "n/a", "", "-", "TBD", "YYY", "unknown"])
def test_no_duration_stated_is_absent_and_not_zero(text: str) -> None:
    read = report_durations.read(text)
    assert read.minutes is None
    assert read.absent


@pytest.mark.parametrize("text", ["96h (estimated)", "~96 hours", "about 4 days", "96h approx."])
def test_an_estimate_keeps_its_value_and_a_doubt(text: str) -> None:
    assert report_durations.read(text) == report_durations.Duration(5760, "it is an estimate")


def test_a_unit_in_the_key_serves_a_bare_number() -> None:
    assert report_durations.read("1.5", "h").minutes == 90
    assert report_durations.read("5").minutes is None


WORDS = {
    "d": ["d", " days", " Day"],
    "h": ["h", " hours", "hrs", " hour"],
    "m": ["m", " minutes", "min", " mins"],
    "s": ["s", " seconds", "sec"],
}
SIZE = {"d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}


@given(st.data())
def test_a_duration_written_from_the_grammar_is_read_back(data: st.DataObject) -> None:
    units = [u for u in "dhms" if data.draw(st.booleans())] or ["m"]
    counts = {u: data.draw(st.integers(0, 99_999)) for u in units}
    parts = [f"{counts[u]}{data.draw(st.sampled_from(WORDS[u]))}" for u in units]
    text = data.draw(st.sampled_from([" ", ", ", " and "])).join(parts) + data.draw(
        st.sampled_from(["", "."])
    )
    read = report_durations.read(text)
    assert read.doubt is None
    assert read.minutes == pytest.approx(sum(counts[u] * SIZE[u] for u in units))


@given(st.text(max_size=400) | st.text("0123456789 hmd:.,-~()<>?", max_size=60))
def test_no_text_makes_a_duration_or_a_time_fail(text: str) -> None:
    read = report_durations.read(text)
    assert read.minutes is None or read.minutes >= 0
    assert (read.minutes is None) <= (read.doubt is not None)
    instant = report_clocks.read(text, within=UTC)
    assert instant.at is None or instant.lack is None
    report_clocks.zones_in(text), report_clocks.day_in(text), report_clocks.zone(text)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "at", "rest"),
    [
        ("2020-11-04 13:13 CET - text", utc(2020, 11, 4, 12, 13), "text"),
        ("2020-07-04 13:13 CET", utc(2020, 7, 4, 12, 13), ""),  # as written, although it was summer
        ("2020-11-04T13:13:05+02:00", utc(2020, 11, 4, 11, 13, 5), ""),
        ("2020-11-04 13:13 +0200: x", utc(2020, 11, 4, 11, 13), "x"),
        ("2020-11-04 13:13 UTC-3", utc(2020, 11, 4, 16, 13), ""),
        ("4 November 2020, 13:13 UTC", utc(2020, 11, 4, 13, 13), ""),
        ("November 4th, 2020 at 1:13 pm (CET): x", utc(2020, 11, 4, 12, 13), "x"),
        ("20/06/2023 12:32 UTC - We", utc(2023, 6, 20, 12, 32), "We"),
        ("27.11.2023 10:00 Europe/Berlin", utc(2023, 11, 27, 9), ""),
        ("2020-07-01 10:00 PT", utc(2020, 7, 1, 17), ""),
        ("~2025-03-03 19:30 UTC", utc(2025, 3, 3, 19, 30), ""),
        ("2020-11-17 10:45~ UTC", utc(2020, 11, 17, 10, 45), ""),
        ("2020-10-06 09:00 - 11:00 UTC", utc(2020, 10, 6, 9), ""),
        ("2022-08-03 12:26-12:?? UTC", utc(2022, 8, 3, 12, 26), ""),
    ],
)
def test_instants(text: str, at: datetime, rest: str) -> None:
    read = report_clocks.read(text)
    assert (read.at, read.lack, read.rest) == (at, None, rest)


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        ("2020-11-04 13:13", "zone"),
        ("10:27 OBS is down", "date"),
        ("2019-12-03 --:--", "clock"),
        ("2024-03-13 14:??", "clock"),
        ("2022-05-?? HH:mm", "clock"),
        ("2021/22-??-?? HH:mm", "clock"),
        ("20202-01-16 12:00", "clock"),
        ("2021-12-10", "clock"),
        ("06/04/2023 21:42 UTC", "day and month could be either way round"),
        ("2020-02-30 10:00 UTC", "it is not in the calendar"),
        ("2020-01-01 25:00 UTC", "it is on no clock"),
        ("2020-01-01 10:00 IST", "IST names several zones"),
        ("2021-03-28 02:30 Europe/Berlin", "the clocks of Europe/Berlin jumped over it"),
        ("2021-10-31 02:30 Europe/Berlin", "it happened twice in Europe/Berlin"),
    ],
)
def test_a_time_that_is_not_known_says_what_it_lacks(text: str, lack: str) -> None:
    read = report_clocks.read(text)
    assert (read.at, read.lack) == (None, lack)
    assert read.stated


@pytest.mark.parametrize(
    "text", ["text", "1 node down", "March 2020", "- - -", "?", "2020 was a year", "24-7 support"]
)
def test_what_does_not_start_with_a_time_states_none(text: str) -> None:
    assert report_clocks.read(text, day=date(2020, 1, 1), within=UTC).stated == ""


def test_zones_of_headings() -> None:
    assert report_clocks.zones_in("Date and Time in CET") == [report_clocks.zone("CET")]
    assert report_clocks.zones_in("Timeline (All Time in UTC)") == [UTC]
    assert len(report_clocks.zones_in("UTC / CET")) == 2
    assert report_clocks.zones_in("Timeline of 2020-11-04") == []
    assert report_clocks.zone("../../etc/passwd") is None


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30)).map(
        lambda d: d.replace(second=0, microsecond=0)
    ),
    st.sampled_from(["UTC", "CET", "CEST", "+05:30", "UTC-3", "EST", "Asia/Tokyo"]),
    st.sampled_from(
        ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%d %B %Y %H:%M", "%b %d, %Y %H:%M", "%d.%m.%Y %H:%M"]
    ),
)
def test_a_written_time_is_read_back(local: datetime, zone: str, layout: str) -> None:
    read = report_clocks.read(f"{local.strftime(layout)} {zone}")
    named = ZoneInfo(zone) if "/" in zone else report_clocks.zone(zone)
    assert read.at == local.replace(tzinfo=named).astimezone(UTC)
    offset = {"UTC": 0, "CET": 1, "CEST": 2, "+05:30": 5.5, "UTC-3": -3, "EST": -5, "Asia/Tokyo": 9}[zone]
    assert local.replace(tzinfo=UTC) - read.at == timedelta(hours=offset)
