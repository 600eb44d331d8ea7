"""CSV series by a mapping file: planted truth, property-based round trips, hostile files, and the docs' examples."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import schema
from resilience.errors import InputError
from resilience.sources import series
from resilience.sources.csv_times import align, interval_of
from resilience.sources.points import FileRead, Points, collect
from resilience.sources.series_mapping import (
    FileMapping,
    Mapping,
    Metric,
    TagColumn,
    TimeColumn,
    read_mapping,
)
from resilience.sources.yaml_text import load

DOCS = Path(__file__).parents[1] / "docs" / "series-files.md"
WIDE = "layout: wide\ninterval: 60\ntime: {column: t, zone: UTC}\nmetrics:\n- {column: v, metric: m, unit: s, rollup: avg}\n"
LONG = (
    "layout: long\ninterval: 60\ntime: {column: t, format: unix_s}\nmetric_column: name\nvalue_column: value\n"
    "scope: {service: service}\nrollup: avg\n"
)


def read(folder: Path, text: str | bytes, mapping: str) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "mapping.yml").write_text(mapping)
    found = series.read(folder / "x.csv", base=folder)
    schema.check("series", found.series)
    schema.check("problems", found.problems)
    return found


def values(found: Any) -> list[float | None]:
    return [None if math.isnan(v) else v for v in found.series["value"]]


def clocks(found: Any) -> list[str]:
    return list(found.series["at"].dt.strftime("%Y-%m-%dT%H:%M:%S"))


def refused(folder: Path, text: str | bytes, mapping: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(folder, text, mapping)
    assert caught.value.where
    assert caught.value.remedy
    return caught.value


def test_wide_file_with_every_feature(tmp_path: Path) -> None:
    text = (
        "exported by hand\n"
        "Zeit;Pod;Rate(%);Dauer;Notiz\n"
        "01.03.2022 10:00;cart-5f6585d649-fnmft;99,5;1.250;a\n"
        "01.03.2022 10:01;cart-5f6585d649-fnmft;n.v.;2.000,5;b\n"
        "01.03.2022 10:00;;100;0,5;c\n"
    )
    mapping = """
layout: wide
skip_lines: 1
separator: ";"
decimal: ","
thousands: "."
nulls: [n.v.]
time: {column: Zeit, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
interval: 60
scope: {pod: Pod, service: {column: Pod, drop: 2}}
tags: {env: prod}
rollup: last
metrics:
- {column: Rate(%), metric: success, unit: ratio, rollup: avg, scale: 0.01, tags: {edge: front}}
- {column: Dauer, metric: latency, unit: ms}
"""
    found = read(tmp_path, text, mapping)
    rows = found.series.set_index(["metric", "scope", "at"])["value"]
    nine = pd.Timestamp("2022-03-01 09:00", tz="UTC")
    pod = "env:prod,pod:cart-5f6585d649-fnmft,service:cart"
    assert rows[("latency", pod, nine)] == 1250.0
    assert rows[("latency", pod, nine + pd.Timedelta("1min"))] == 2000.5
    assert rows[("latency", "env:prod", nine)] == 0.5
    assert rows[("success", "edge:front," + pod, nine)] == pytest.approx(0.995)
    assert math.isnan(rows[("success", "edge:front," + pod, nine + pd.Timedelta("1min"))])
    assert len(rows) == 6
    by_metric = found.series.drop_duplicates("metric").set_index("metric")
    assert by_metric["rollup"].to_dict() == {"latency": "last", "success": "avg"}
    assert by_metric["unit"].to_dict() == {"latency": "ms", "success": "ratio"}
    assert set(found.series["source"]) == {"series x.csv"}
    (note,) = found.problems.to_dict("records")
    assert note["kind"] == "skipped"
    assert "Notiz" in note["message"]


def test_long_file(tmp_path: Path) -> None:
    text = (
        "t,name,service,value\n1646128800,p95,search,0.25\n1646128800,hits,search,7\n"
        "1646128860,p95,search,0.5\n1646128800,p95,cart,1\n1646128800,noise,cart,1\n"
    )
    listed = (
        "metrics:\n- {name: p95, metric: latency, unit: s, rollup: max}\n- {name: hits, metric: hits}\n"
        "- {name: gone, metric: gone}\n"
    )
    found = read(tmp_path, text, LONG + listed)
    got = set(found.series[["metric", "scope", "rollup", "value"]].itertuples(index=False, name=None))
    assert got == {
        ("latency", "service:search", "max", 0.25),
        ("latency", "service:search", "max", 0.5),
        ("latency", "service:cart", "max", 1.0),
        ("hits", "service:search", "avg", 7.0),
    }
    assert dict(zip(found.problems["kind"], found.problems["message"], strict=True)).keys() == {
        "missing",
        "skipped",
    }
    everything = read(tmp_path, text, LONG)
    assert len(everything.series) == 5
    assert everything.problems.empty
    one = LONG.replace("metric_column: name\n", "") + "metrics:\n- {metric: only, unit: s}\nignore: [noise]\n"
    assert set(read(tmp_path, "t,service,value\n1646128800,cart,1\n", one).series["metric"]) == {"only"}


def test_labels_in_headers_become_tags(tmp_path: Path) -> None:
    text = (
        'Time,"rps{service=""search"",path=""/a,b"",zone=""""}","rps{service:cart,env:prod}","rps{}",other\n'
        "2022-03-01T10:00:00Z,1,2,3,4\n"
    )
    mapping = (
        WIDE.replace("column: t", "column: Time").replace("column: v", "labelled: rps") + "ignore: [other]\n"
    )
    found = read(tmp_path, text, mapping)
    assert dict(zip(found.series["scope"], found.series["value"], strict=True)) == {
        "path:/a_b,service:search": 1.0,
        "env:prod,service:cart": 2.0,
        "*": 3.0,
    }
    assert found.problems.empty
    assert "cannot be read" in refused(tmp_path, 'Time,"rps{a=""b}"\n', mapping).what
    assert "headed rps{" in refused(tmp_path, "Time,hits\n", mapping).what


@pytest.mark.parametrize(
    ("how", "cell", "utc"),
    [
        ("format: iso", "2022-03-01T10:00:00+02:00", "2022-03-01T08:00:00"),
        ("zone: Europe/Berlin", "2022-03-01T10:00:00Z", "2022-03-01T10:00:00"),
        ("zone: Europe/Berlin", "2022-07-01 10:00", "2022-07-01T08:00:00"),
        ("zone: America/New_York", "2022-07-01", "2022-07-01T04:00:00"),
        ("format: unix_s", "1646128800.25", "2022-03-01T10:00:00"),
        ("format: unix_ms", "1646128800000", "2022-03-01T10:00:00"),
        ('format: "%d/%m/%Y %H:%M:%S %z"', "01/03/2022 10:00:00 +0100", "2022-03-01T09:00:00"),
        ("until: ' UTC'", "2022-08-22 03:51:19.573905004 +0000 UTC m=+0.079858984", "2022-08-22T03:51:19"),
        ("until: ' CST'", "2022-08-22 03:51:19.5 +0800 CST m=+0.07", "2022-08-21T19:51:19"),
        ("format: iso", "2022-03-01T10:00:00+02", "2022-03-01T08:00:00"),
    ],
)
def test_time_formats(tmp_path: Path, how: str, cell: str, utc: str) -> None:
    mapping = WIDE.replace("zone: UTC", how)
    assert clocks(read(tmp_path, f"t,v\n{cell},1\n", mapping)) == [utc]


def test_a_local_time_that_is_twice_or_never_is_not_guessed(tmp_path: Path) -> None:
    cells = ["2022-10-30 01:59", "2022-10-30 02:30", "2022-10-30 03:00", "2022-03-27 02:30", "soon"]
    text = "t,v\n" + "".join(f"{c},{i}\n" for i, c in enumerate(cells))
    found = read(tmp_path, text, WIDE.replace("UTC", "Europe/Berlin"))
    assert clocks(found) == ["2022-10-29T23:59:00", "2022-10-30T02:00:00"]
    said = {row["line"]: row["message"] for row in found.problems.to_dict("records")}
    assert "twice" in said[3]
    assert "skips" in said[5]
    assert "'soon'" in said[6]
    assert set(found.problems["kind"]) == {"unreadable"}


def test_times_without_zone_or_in_another_unit_are_refused(tmp_path: Path) -> None:
    no_zone = WIDE.replace(", zone: UTC", "")
    error = refused(tmp_path, "t,v\n2022-03-01 10:00,1\n", no_zone)
    assert "time.zone" in error.remedy
    assert error.where == "x.csv"
    seconds = WIDE.replace("zone: UTC", "format: unix_s")
    assert "unix_ms" in refused(tmp_path, "t,v\n1646128800000,1\n", seconds).remedy
    assert "'x'" in refused(tmp_path, "t,v\nx,1\n", seconds).what
    assert refused(tmp_path, "t,v\n1646128800,1\n", WIDE.replace("zone: UTC", "format: unix_ms")).line == 2


def test_stamp_and_alignment(tmp_path: Path) -> None:
    text = "t,v\n2022-03-01 10:00:59.9,1\n2022-03-01 10:02:00.1,2\n2022-03-01 10:02:59.8,3\n2022-03-01 10:06:00,4\n"
    plain = read(tmp_path, text, WIDE)
    assert plain.series["at"].iloc[0] == pd.Timestamp("2022-03-01 10:00:59.9", tz="UTC")
    aligned = read(tmp_path, text, WIDE + "align: true\n")
    assert clocks(aligned) == [f"2022-03-01T10:0{m}:00" for m in (0, 1, 2, 5)]
    end = read(tmp_path, text, WIDE.replace("zone: UTC", "zone: UTC, stamp: end") + "align: true\n")
    assert [b - a for a, b in zip(end.series["at"], aligned.series["at"], strict=True)] == [
        pd.Timedelta("1min")
    ] * 4


@settings(max_examples=60, deadline=None)
@given(
    interval=st.sampled_from([1, 10, 60, 300, 3600]),
    start=st.integers(1_600_000_000, 1_700_000_000),
    phase=st.floats(0, 0.999),
    kept=st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True),
    seed=st.integers(0, 2**31),
)
def test_alignment_makes_neither_gaps_nor_doubles(
    interval: int, start: int, phase: float, kept: list[int], seed: int
) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, len(kept)) * interval
    true = np.array(kept)
    at = ((start + phase * interval + true * interval + jitter) * 1e6).astype(np.int64)
    edges = align(at, interval)
    assert (edges % (interval * 10**6) == 0).all()
    assert (np.diff(edges) == np.diff(true) * interval * 10**6).all()
    assert (np.abs(at - edges) <= 1.2 * interval * 1e6).all()


def test_auto_interval(tmp_path: Path) -> None:
    base = 1_646_128_800
    regular = (base + np.array([0, 60, 121, 179, 600, 660])) * 10**6
    assert interval_of(regular, "auto", "m", "f") == 60.0
    assert interval_of(regular[:2], "auto", "m", "f") is None
    with pytest.raises(InputError, match="do not fit the median step"):
        interval_of((base + np.array([0, 60, 150, 190, 333])) * 10**6, "auto", "m", "f")
    with pytest.raises(InputError, match="60 s apart, but the mapping says 300 s"):
        interval_of(regular, 300.0, "m", "f")
    auto = WIDE.replace("interval: 60", "interval: auto").replace("zone: UTC", "format: unix_s")
    text = "t,v\n" + "".join(f"{base + 300 * i},{i}\n" for i in range(5))
    assert set(read(tmp_path, text, auto).series["interval_s"]) == {300.0}
    assert "at least 3 points" in refused(tmp_path, f"t,v\n{base},1\n", auto).what


def test_what_is_not_a_number_is_missing_and_counted(tmp_path: Path) -> None:
    text = "t,v\n2022-03-01 10:00,1\n2022-03-01 10:01,oops\n\n"
    text += "2022-03-01 10:02,1_0\n2022-03-01 10:03,\n2022-03-01 10:04,-Inf\n"
    found = read(tmp_path, text, WIDE)
    assert values(found) == [1.0, None, None, None, None]
    words = found.problems.sort_values("message")["message"].tolist()
    assert "2 cell(s) are not a number, first 'oops'" in words[0]
    assert found.problems["line"].dropna().tolist() == [3]
    assert "1 infinite value(s)" in words[1]


def test_lines_with_too_many_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "t,v\n2022-03-01 10:00,1\n2022-03-01 10:01,2,3\n2022-03-01 10:02,x\n"
    found = read(tmp_path, text, WIDE)
    assert values(found) == [1.0, None]
    assert sorted(found.problems["line"]) == [3, 4]


def test_a_bad_line_that_is_not_utf8_is_not_lost_in_silence(tmp_path: Path) -> None:
    (tmp_path / "f.mapping.yml").write_text(WIDE)
    for bad in (b"2020-01-01T00:01:00,7,\xe4\n", b"2020-01-01T00:01:00,7,x\n"):
        (tmp_path / "f.csv").write_bytes(b"t,v\n2020-01-01T00:00:00,5\n" + bad)
        if b"\xe4" in bad:
            with pytest.raises(InputError, match="as UTF-8 CSV"):
                series.read(tmp_path / "f.csv")
        else:
            assert "1" in series.read(tmp_path / "f.csv").problems["message"].iloc[0]


def test_lines_are_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    text = "a note\nanother\nt,v\n2022-03-01 10:00,x\nonly\n2022-03-01 10:01,y,z\nlater,1\n"
    found = read(tmp_path, text, WIDE + "skip_lines: 2\n")
    lines = {row["line"]: row["message"] for row in found.problems.to_dict("records")}
    assert set(lines) == {4, 5, 7}
    assert "2 line(s) have more or fewer" in lines[5]
    assert "'later'" in lines[7]


def test_large_hostile_files_end_soon(tmp_path: Path) -> None:
    for text in (
        "t,v\n" + "x" * 20_000_000,
        "," * 20_000_000,
        '"' * 20_000_000,
        "t,v\n" + "a,b\n" * 2_000_000,
    ):
        refused(tmp_path, text, WIDE)
    long = LONG.replace("format: unix_s", "zone: UTC")
    found = read(tmp_path, "t,name,service,value\n2022-03-01," + "n" * 500_000 + ",a,1\n", long)
    assert len(found.series) == 1


def test_doubles(tmp_path: Path) -> None:
    text = "t,v\n" + "".join(f"2022-03-01 10:0{c}\n" for c in ("0,1", "0,1", "1,2", "1,", "2,3", "2,4", "3,"))
    found = read(tmp_path, text, WIDE)
    assert values(found) == [1.0, 2.0, None, None]
    (row,) = found.problems.to_dict("records")
    assert row["kind"] == "contradiction"
    assert "with 3 and 4" in row["message"]
    assert "10:02" in row["message"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1.0, 2.0, math.nan, math.inf])), max_size=25),
    st.data(),
)
def test_collect_does_not_depend_on_the_order_of_rows(rows: list[tuple[int, float]], data: Any) -> None:
    def gathered(given: list[tuple[int, float]]) -> pd.DataFrame:
        at = np.array([1_646_128_800_000_000 + t for t, _ in given], dtype=np.int64)
        points = Points("m", "*", 60.0, "avg", None, at, np.array([v for _, v in given]))
        return collect([FileRead("r", "f", [points], [])]).series

    expected = {}
    for t, v in rows:
        expected.setdefault(t, set()).update(set() if math.isnan(v) or math.isinf(v) else {v})
    got = gathered(rows)
    assert [next(iter(expected[t])) if len(expected[t]) == 1 else None for t in sorted(expected)] == [
        None if math.isnan(v) else v for v in got["value"]
    ]
    pd.testing.assert_frame_equal(got, gathered(data.draw(st.permutations(rows))))


def test_missing_column_is_named_with_those_present(tmp_path: Path) -> None:
    error = refused(tmp_path, "t,w,u\n", WIDE)
    assert error.where == "x.csv"
    assert "no column v" in error.what
    assert "t, w, u" in error.what
    assert "stands twice" in refused(tmp_path, "t,v,v\n", WIDE).what


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00\x00" * 50, b"t,v\n\xff\xfe,1\n", b"\xff\xfet\x00,\x00v\x00", b"\n\n\n"],
)
def test_files_that_are_no_csv(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, WIDE)


def test_a_header_alone_is_an_empty_frame(tmp_path: Path) -> None:
    found = read(tmp_path, "t,v\n", WIDE)
    assert found.series.empty
    assert found.problems.empty
    assert read(tmp_path, b"\xef\xbb\xbft,v\r\n2022-03-01 10:00,1\r\n", WIDE).series["value"].tolist() == [
        1.0
    ]


@pytest.mark.parametrize(
    ("mapping", "line", "said"),
    [
        (WIDE + "colour: red\n", 6, "colour is not a known key"),
        (WIDE.replace("interval: 60", "interval: fast"), 2, "interval"),
        (WIDE.replace("zone: UTC", "zone: Berlin"), 3, "IANA"),
        (WIDE.replace("rollup: avg", "rollup: p95"), 5, "rollup"),
        (WIDE.replace("rollup: avg", "scale: 0"), 5, "must not be 0"),
        (WIDE.replace("rollup: avg", "scale: .inf"), 5, "finite"),
        (WIDE.replace("metrics:\n", "metrics: &a\n"), 4, "anchor or alias"),
        (WIDE + "interval: 30\n", 6, "stands twice, first in line 2"),
        (WIDE + "value_column: v\n", 1, "belong to layout: long"),
        (WIDE + "decimal: ','\nthousands: ','\n", 1, "same mark"),
        (LONG.replace("value_column: value\n", ""), 1, "value_column"),
        (LONG.replace("metric_column: name\n", ""), 1, "exactly one metric"),
        ("- 1\n", 1, "dictionary"),
        ("", 1, "dictionary"),
        ("files:\n- {glob: '*.csv', layout: wide}\n", 2, "time is missing"),
        ("files: 3\n", 1, "not a list"),
        ("layout: wide\nfiles:\n- {glob: a/b}\n", 3, "no /"),
        ("layout: tall\nfiles:\n- {glob: b}\n", 1, "layout"),
    ],
)
def test_wrong_mappings_are_refused_with_their_line(
    tmp_path: Path, mapping: str, line: int, said: str
) -> None:
    error = refused(tmp_path, "t,v\n", mapping)
    assert (error.where, error.line) == ("mapping.yml", line)
    assert said in error.what


def test_mapping_is_found_beside_the_file_or_given(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,v\n2022-03-01 10:00,1\n")
    with pytest.raises(InputError, match=r"no mapping file x\.mapping\.yml or mapping\.yml"):
        series.read(tmp_path / "x.csv")
    (tmp_path / "mapping.yml").write_text(WIDE)
    assert series.read(tmp_path / "x.csv").series["metric"].tolist() == ["m"]
    (tmp_path / "x.mapping.yml").write_text(WIDE.replace("metric: m", "metric: own"))
    assert series.read(tmp_path / "x.csv").series["metric"].tolist() == ["own"]
    elsewhere = tmp_path / "elsewhere.yml"
    elsewhere.write_text(WIDE.replace("metric: m", "metric: given"))
    assert series.read(tmp_path / "x.csv", elsewhere).series["metric"].tolist() == ["given"]
    with pytest.raises(InputError, match=r"no mapping file gone\.yml"):
        series.read(tmp_path / "x.csv", tmp_path / "gone.yml")
    with pytest.raises(InputError, match="no such file"):
        series.read(tmp_path / "gone.csv")


def test_a_folder_keeps_the_good_files_and_lists_the_bad_ones(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "mapping.yml").write_text(
        "time: {column: t, zone: UTC}\ninterval: 60\nlayout: wide\nfiles:\n"
        "- {glob: 'a*.csv', metrics: [{column: v, metric: a}]}\n- {glob: '*.csv', metrics: [{column: w, metric: b}]}\n"
    )
    (data / "a1.csv").write_text("t,v\n2022-03-01 10:00,1\n")
    (data / "a2.csv").write_text("t,v\n2022-03-01 10:00,1\n2022-03-01 10:01,5\n")
    (data / "b.csv").write_text("t,w\n2022-03-01 10:00,2\n")
    (data / "c.csv").write_text("t,v\n2022-03-01 10:00,3\n")
    found = series.read(data, base=tmp_path)
    assert found.series["metric"].tolist() == ["a", "a", "b"]
    assert found.series["value"].tolist() == [1.0, 5.0, 2.0]
    (row,) = found.problems.to_dict("records")
    assert row["source_uri"] == "data/c.csv"
    assert row["kind"] == "unreadable"
    assert "no column w" in row["message"]
    with pytest.raises(InputError, match=r"holds no \.csv"):
        series.read(tmp_path)


def test_a_folder_without_a_fitting_glob_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,v\n")
    (tmp_path / "mapping.yml").write_text(
        "files:\n- {glob: y.csv, "
        + WIDE.replace("\n", ", ").split("metrics")[0]
        + "metrics: [{column: v, metric: m}]}\n"
    )
    with pytest.raises(InputError, match=r"No entry of mapping\.yml has a glob that fits x\.csv"):
        series.read(tmp_path / "x.csv")


CELL = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r\x00"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=6),
    how=st.sampled_from(["zone: UTC", "format: unix_s", 'format: "%d.%m.%Y", zone: Asia/Tokyo']),
)
def test_any_cells_end_in_a_frame_or_a_clear_error(
    tmp_path_factory: Any, rows: list[tuple[str, ...]], how: str
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("t", "v", "pod"), *rows])
    mapping = WIDE.replace("zone: UTC", how) + "scope: {pod: {column: pod, drop: 1}}\n"
    with contextlib.suppress(InputError):
        read(tmp_path_factory.mktemp("any"), text.getvalue(), mapping)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 10_000), st.sampled_from(["a", "b-1", "ü"])),
        st.floats(allow_nan=False, allow_infinity=False, width=64),
        min_size=1,
        max_size=40,
    )
)
def test_what_is_written_is_read_wide_and_long(
    tmp_path_factory: Any, truth: dict[tuple[int, str], float]
) -> None:
    base = 1_646_128_800
    rows = [(base + 60 * minute, pod, repr(value)) for (minute, pod), value in truth.items()]
    expected = {(60 * minute + base, f"pod:{pod}"): value for (minute, pod), value in truth.items()}
    for header, mapping in (
        (("t", "pod", "v"), WIDE.replace("zone: UTC", "format: unix_s") + "scope: {pod: pod}\n"),
        (
            ("t", "service", "value"),
            LONG.replace("metric_column: name", "metrics: [{metric: m}]").replace("{service:", "{pod:"),
        ),
    ):
        text = io.StringIO()
        csv.writer(text).writerows([header, *rows])
        found = read(tmp_path_factory.mktemp("same"), text.getvalue(), mapping).series
        seconds = found["at"].astype("int64") // 10**6
        assert dict(zip(zip(seconds, found["scope"], strict=True), found["value"], strict=True)) == expected


def test_a_million_points_in_seconds(tmp_path: Path) -> None:
    n, wide = 20_000, 16
    times = pd.date_range("2022-01-01", periods=n, freq="1min").astype(str)
    table = pd.DataFrame(
        np.random.default_rng(0).normal(size=(n, wide)), columns=[f"m{i}" for i in range(wide)]
    )
    table.insert(0, "t", times)
    metrics = "".join(f"- {{column: m{i}, metric: m{i}}}\n" for i in range(wide))
    (tmp_path / "mapping.yml").write_text(WIDE.split("metrics:")[0] + "metrics:\n" + metrics)
    table.to_csv(tmp_path / "x.csv", index=False)
    found = series.read(tmp_path / "x.csv").series
    assert len(found) == n * wide
    np.testing.assert_array_equal(found.loc[found["metric"] == "m7", "value"], table["m7"])


def test_the_documentation_lists_every_field() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for model in (Mapping, TimeColumn, Metric, TagColumn, FileMapping):
        for name, field in model.model_fields.items():
            own = name == "glob" or model is not FileMapping
            assert not own or f"| `{name}` | {field.description}" in text, f"{model.__name__}.{name}"


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- ([\w.-]+) -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert {name for name, _ in blocks} == {
        "prometheus.csv", "prometheus.mapping.yml", "datadog.csv", "datadog.mapping.yml", "mapping.yml",
    }  # fmt: skip
    for name, block in blocks:
        (tmp_path / name).write_text(block, encoding="utf-8")
    found = series.read(tmp_path)
    assert found.problems.empty, found.problems["message"].tolist()
    rows = found.series.set_index(["metric", "scope", "at"])["value"]
    ten = pd.Timestamp("2020-12-10 10:00", tz="UTC")
    assert rows[("http.latency_p95", "env:prod,service:search", ten)] == pytest.approx(0.212)
    assert math.isnan(rows[("http.latency_p95", "env:prod,service:product-page", ten + pd.Timedelta("1min"))])
    assert rows[("queue.ready", "queue:price-updates", ten)] == 1520.0
    assert found.series.groupby("metric")["unit"].first().to_dict() == {
        "http.latency_p95": "s",
        "queue.ready": "messages",
    }
    shapes = dict(blocks)["mapping.yml"]
    assert [m.column for m in read_mapping(shapes, "front_service.csv", "docs").metrics] == ["LatencyP95(s)"]
    assert [m.column for m in read_mapping(shapes, "a_metric.csv", "docs").metrics] == ["CpuUsageRate(%)"]


def test_yaml_is_read_as_written() -> None:
    text = "at: 11:20\nday: 2020-12-10\nno: no\nrows: [1, -2.5e3, ~, true, '1']\nnested:\n  - {a: 1}\n  - a:\n      b: 2\n"
    data, line_of = load(text, "f.yml")
    assert data == {
        "at": "11:20", "day": "2020-12-10", "no": "no", "rows": [1, -2500.0, None, True, "1"],
        "nested": [{"a": 1}, {"a": {"b": 2}}],
    }  # fmt: skip
    assert [line_of(p) for p in (("day",), ("nested", 1, "a", "b"), ("nested", 1, "gone"), ("gone",))] == [
        2,
        8,
        7,
        1,
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: &x [1]\n", 2, "anchor or alias"),
        ("a: [" + "[" * 100_000, 1, "nesting"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: 'x\n", 2, "not valid YAML"),
        ("? [1]\n: 2\n", 1, "key is a list"),
        ("a: " + "x" * 300_000, None, "limit"),
        ("a: \x07\n", None, "not valid YAML"),
        ("a:\n  b: 1\n  b: 2\n", 3, "twice"),
    ],
)
def test_hostile_yaml_is_refused(text: str, line: int | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "f.yml"
    file.write_text(text)
    for source in (text, file):
        with pytest.raises(InputError) as caught:
            load(source, "f.yml")
        assert caught.value.line == line
        assert said in caught.value.what
        assert caught.value.remedy
