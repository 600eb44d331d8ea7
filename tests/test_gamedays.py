"""gameday.yml: what is read, what is refused with line and remedy, and that nothing else ever happens."""

from __future__ import annotations

import copy
import re
import shutil
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from resilience import schema
from resilience.errors import InputError
from resilience.failure_classes import FAILURE_CLASSES
from resilience.sources import gameday_docs, gameday_values, gamedays
from resilience.sources.gameday_experiment import Experiment
from resilience.sources.gameday_fields import Part, part_in
from resilience.sources.gameday_file import GameDayFile

FIXTURES = Path(__file__).parent / "fixtures" / "gamedays"
DOCUMENT = Path(__file__).parents[1] / "docs" / "gameday-file.md"
MARK = re.compile(r"#! (\w+)(?: ([^ |]+))? \| (.+)$")  # the wrong line says: kind, field, part of the remedy
TABLES = [field.name for field in fields(gamedays.GameDays)]


def write(folder: Path, text: str | bytes, gameday_id: str = "day") -> Path:
    file = folder / gameday_id / "gameday.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def is_empty(found: gamedays.GameDays) -> bool:
    return all(getattr(found, name).empty for name in TABLES if name != "problems")


def lists(frame: pd.DataFrame) -> list[list[Any]]:
    return [list(row) for row in frame.itertuples(index=False)]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


# The example


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> gamedays.GameDays:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    return gamedays.read(write(tmp_path_factory.mktemp("example"), block, "2020-12-10-vaccine"))


def test_the_example_of_the_documentation_reads_without_a_problem(example: gamedays.GameDays) -> None:
    assert example.problems.empty
    for name in TABLES:
        schema.check(name, getattr(example, name))


def test_the_day_is_read_exactly(example: gamedays.GameDays) -> None:
    day = example.gamedays.iloc[0].to_dict()
    assert day == {
        "gameday_id": "2020-12-10-vaccine",
        "title": "Vaccine our system",
        "theme": "peak readiness",
        "held_on": utc("2020-12-10"),
        "zone": "Europe/Berlin",
        "style": "informed",
        "environment": "production",
        "starts_at": utc("2020-12-10 09:00"),
        "ends_at": utc("2020-12-10 12:00"),
        "attendance_tech": 96,
        "attendance_other": 14,
        "summary": day["summary"],
        "simulated": True,
        "source_uri": "2020-12-10-vaccine/gameday.yml",
    }
    assert example.gameday_roles["names"].fillna("-").tolist() == ["A. Person, B. Person", "-", "-"]
    assert lists(example.gameday_scores[["team", "at", "points"]]) == [
        ["Otters", utc("2020-12-10 09:20"), 30.0],
        ["Badgers", utc("2020-12-10 09:35:30"), -5.0],
    ]
    assert lists(example.gameday_surveys[["moment", "asked", "answered", "score", "scale_max"]]) == [
        ["before", 96, 71, 3.1, 5.0],
        ["after", 96, 64, 3.6, 5.0],
    ]


def test_the_experiments_are_read_exactly(example: gamedays.GameDays) -> None:
    first, second = (row for _, row in example.experiments.iterrows())
    assert first["experiment_key"] == "price-sync-stopped"
    assert (first["position"], first["planned_min"], first["vote_default"]) == (1, 20.0, "production")
    assert (
        first["expected_backlog"],
        first["backlog_unit"],
        first["backlog_metric"],
        first["backlog_scope"],
    ) == (
        80000.0,
        "messages",
        "queue.messages.ready",
        "queue:price-updates",
    )
    assert (first["fault_started_at"], first["fault_ended_at"]) == (
        utc("2020-12-10 10:20"),
        utc("2020-12-10 10:40"),
    )
    assert (first["fallback_exercised"], first["fallback_worked"], first["fallback_load"]) == (
        True,
        True,
        67.0,
    )
    assert (second["environment"], second["outcome"], second["position"]) == ("production", "not_run", 2)
    # what was left out is unknown: not zero, not false
    assert second[["expected_backlog", "fault_started_at", "fallback_exercised", "vote_default"]].isna().all()
    assert example.experiment_targets.groupby("experiment_key")["service"].apply(list).to_dict() == {
        "price-sync-stopped": ["search", "product-page", "product-listing-page"],
        "search-without-synonyms": ["search"],
    }
    assert lists(example.experiment_votes[["option", "votes"]]) == [
        ["production", 0],
        ["isolated", 0],
    ]
    assert example.experiment_probes["probe"].tolist() == ["listing latency", "listing traffic"]
    assert example.experiment_probes["high"].tolist()[0] == 0.4
    assert lists(example.experiment_probes[["low", "high"]].isna()) == [[True, False], [False, True]]
    assert lists(example.experiment_events[["moment", "at"]]) == [
        ["note", utc("2020-12-10 10:15")],
        ["alerted", utc("2020-12-10 10:24")],
        ["diagnosed", utc("2020-12-10 10:31")],
        ["mitigated", utc("2020-12-10 10:38")],
    ]


def test_the_notes_say_whose_they_are(example: gamedays.GameDays) -> None:
    notes = example.gameday_notes
    assert notes.groupby(["experiment_key", "kind"]).size().to_dict() == {
        ("", "action"): 1,
        ("", "communication"): 2,
        ("", "learning"): 1,
        ("", "surprise"): 1,
        ("price-sync-stopped", "action"): 1,
        ("price-sync-stopped", "communication"): 1,
        ("price-sync-stopped", "learning"): 1,
        ("price-sync-stopped", "surprise"): 1,
    }
    told = notes[notes["kind"] == "communication"]
    assert told["at"].tolist() == [
        utc("2020-12-10 08:30"),
        utc("2020-12-03 14:00"),
        utc("2020-12-10 10:25"),
    ]
    assert notes.loc[notes["kind"] == "action", "state"].tolist() == ["done", "open"]


# The documentation


def test_the_documentation_is_in_step_with_the_models() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == gamedays.documentation(), "resilience docs gameday-file"


def test_the_example_uses_and_the_tables_explain_every_field() -> None:
    data = yaml.safe_load(gameday_docs.example())

    def walk(part: type[Part], given: list[dict[str, Any]], place: str) -> None:
        for name, field in part.model_fields.items():
            used = [item[name] for item in given if name in item]
            assert used, f"{place}{name} is not in the example"
            assert field.description, f"{place}{name} is not explained"
            if inner := part_in(field.annotation):
                items = [item for value in used for item in (value if isinstance(value, list) else [value])]
                walk(inner, items, f"{place}{name}.")

    walk(GameDayFile, [data], "")


def test_the_schema_holds_what_the_file_says() -> None:
    """Each plain field of the file has its column, so that nothing written is dropped."""
    plain = {name for name, field in Experiment.model_fields.items() if not part_in(field.annotation)}
    elsewhere = {"targets", "surprises", "learnings"}
    assert plain - elsewhere <= set(schema.dtypes("experiments"))


# What is refused, and what is told


def expected(file: Path) -> list[tuple[int, str, str | None, str]]:
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
    return [(n, *m.groups()) for n, line in lines if (m := MARK.search(line))]  # type: ignore[misc]


@pytest.mark.parametrize("case", sorted(p.name for p in (FIXTURES / "invalid").iterdir()))
def test_what_cannot_be_true_is_refused_with_line_and_remedy(case: str) -> None:
    found = gamedays.read(FIXTURES / "invalid" / case)
    assert is_empty(found)
    assert_told(found.problems, FIXTURES / "invalid" / case / "gameday.yml")
    assert set(found.problems["source_uri"]) == {f"{case}/gameday.yml"}
    assert set(found.problems["subject"]) == {case}


@pytest.mark.parametrize("case", sorted(p.name for p in (FIXTURES / "doubtful").iterdir()))
def test_what_is_doubtful_is_read_and_told(case: str) -> None:
    found = gamedays.read(FIXTURES / "doubtful" / case)
    assert found.gamedays["gameday_id"].tolist() == [case]
    assert_told(found.problems, FIXTURES / "doubtful" / case / "gameday.yml")


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("{production: 0, isolated: 0}", "{production: 4, isolated: 4}"),  # a tie
        ('at: "11:38"', 'at: "11:40:59"'),  # times are written to the minute: 20 min 59 s is within 20
        ("outcome: not_run  ", "vote: {options: {isolated: 5}}\n    outcome: not_run  "),  # it ran nowhere
        (
            'fault: {started: "11:20", ended: "11:40"}',
            'fault: {started: "11:20", ended: "11:20"}',
        ),  # a killed process
        ("learnings: [Votes should close a day earlier.]", "learnings:"),  # left blank
    ],
)
def test_what_is_not_doubtful_is_not_told(tmp_path: Path, written: str, instead: str) -> None:
    text = gameday_docs.example()
    assert written in text
    assert gamedays.read(write(tmp_path, text.replace(written, instead))).problems.empty


def assert_told(problems: pd.DataFrame, file: Path) -> None:
    wanted = expected(file)
    assert wanted, f"{file} marks no line"
    told = problems.astype(object).where(problems.notna(), None)
    assert sorted(zip(told["line"], told["kind"], told["field"], strict=True), key=str) == sorted(
        ((line, kind, field) for line, kind, field, _ in wanted), key=str
    )
    for line, _, _, remedy in wanted:
        assert any(remedy in said for said in told.loc[told["line"] == line, "remedy"]), told[
            "remedy"
        ].tolist()


def test_good_files_come_in_and_bad_ones_are_listed(tmp_path: Path) -> None:
    write(tmp_path, gameday_docs.example(), "good")
    write(tmp_path, "title: [", "bad")
    write(tmp_path, b"\xff\xfe\x00binary", "binary")
    write(tmp_path, gameday_docs.example(), "Weird Name")
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "gameday.yaml").write_text("title: x")
    (tmp_path / "loose.yml").write_text("title: x")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("x")
    found = gamedays.read(tmp_path, base=tmp_path.parent)
    assert found.gamedays["gameday_id"].tolist() == ["good"]
    assert found.gamedays["source_uri"].tolist() == [f"{tmp_path.name}/good/gameday.yml"]
    told = {
        Path(row.source_uri).relative_to(tmp_path.name).parts[0]: row for row in found.problems.itertuples()
    }
    assert {name: row.kind for name, row in told.items()} == {
        "Weird Name": "unreadable",
        "bad": "unreadable",
        "binary": "unreadable",
        "draft": "skipped",
        "loose.yml": "skipped",
    }
    assert "such as 2020-12-10-vaccine" in told["Weird Name"].remedy
    assert "<id>/gameday.yml" in told["draft"].remedy


def test_a_file_a_folder_and_a_folder_of_folders_are_the_same(tmp_path: Path) -> None:
    file = write(tmp_path, gameday_docs.example())
    for path in (file, file.parent, tmp_path, str(file), file.parent / ".." / "day"):
        found = gamedays.read(path)
        assert lists(found.gamedays[["gameday_id", "source_uri"]]) == [["day", "day/gameday.yml"]]


@pytest.mark.parametrize("name", ["none", "x" * 5000, "nul\0byte", "empty", "other.yml", "no-gameday"])
def test_a_path_without_a_gameday_is_an_input_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.yml").write_text(gameday_docs.example())
    (tmp_path / "no-gameday" / "deep" / "deeper").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        gamedays.read(tmp_path / name)
    assert error.value.remedy


@pytest.mark.parametrize("name", ["../../x", "..", "", "A", "a b", "a/b", "-a", "a\n", "ä", "a" * 81, "a\0"])
def test_an_id_that_is_not_a_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a GameDay"):
        gamedays.checked_id(name)


@pytest.mark.parametrize("name", ["a", "2020-12-10-vaccine", "a" * 80])
def test_an_id_that_is_a_name_is_kept(name: str) -> None:
    assert gamedays.checked_id(name) == name


def test_an_offset_tells_repeated_hours_apart(tmp_path: Path) -> None:
    text = (FIXTURES / "invalid" / "clock-repeated-in-autumn" / "gameday.yml").read_text()
    for offset, hour in (("+02:00", "00:30"), ("+01:00", "01:30"), ("Z", "02:30")):
        file = write(tmp_path, text.replace("02:30 #!", f"2020-10-25T02:30{offset} #"))
        assert gamedays.read(file).gamedays["starts_at"].tolist() == [utc(f"2020-10-25 {hour}")]


def test_a_day_without_frame_has_its_local_date_also_when_clocks_change(tmp_path: Path) -> None:
    day = "title: x\ndate: 2020-10-25\nzone: Europe/Berlin\nstyle: informed\nenvironment: staging\n"
    scores = 'scores: [{team: A, at: "00:00", points: 1}, {team: A, at: "23:59:59", points: 1}]\n'
    found = gamedays.read(write(tmp_path, day + scores))
    assert found.gameday_scores["at"].tolist() == [utc("2020-10-24 22:00"), utc("2020-10-25 22:59:59")]


# Hostile and broken text


def test_a_yaml_bomb_is_refused_at_once(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [*a, *a, *a]\n" for i in range(60))
    deep = "roles: " + "[" * 20_000
    wide = "".join(f"k{i}: 1\n" for i in range(20_000))
    huge = "summary: " + "x" * 50_000_000
    for text in (bomb, deep, wide, huge):
        found = gamedays.read(write(tmp_path, text))
        assert is_empty(found)
        assert 1 <= len(found.problems) <= gamedays.MOST_PROBLEMS + 1
        assert found.problems["message"].str.len().max() < 300


def test_more_errors_than_anybody_reads_are_counted(tmp_path: Path) -> None:
    found = gamedays.read(write(tmp_path, "".join(f"k{i}: 1\n" for i in range(250))))
    assert len(found.problems) == gamedays.MOST_PROBLEMS + 1
    # 250 unknown keys and 5 missing ones
    assert "155 more errors" in set(found.problems["message"].str.rstrip("."))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "{{ 7*7 }} {% raw %}",
        "\u202egnp.exe",
        "w" * 10_000,
        "=cmd|' /C calc'!A0",
        "nul \0 and bell \a",
        "\U0001f9e8",
        " no: 'quotes' \"here\" #1\n\n---\n...\n",
    ],
)
def test_hostile_text_is_kept_as_text(tmp_path: Path, text: str) -> None:
    data = yaml.safe_load(gameday_docs.example())
    data["title"] = data["experiments"][0]["symptom"] = data["surprises"][0] = text
    found = gamedays.read(write(tmp_path, dump(data)))
    assert found.problems.empty
    assert found.gamedays["title"][0] == text
    assert found.experiments["symptom"][0] == text
    assert found.gameday_notes["text"][0] == text


def test_half_a_surrogate_pair_is_refused_whichever_yaml_parser_is_installed() -> None:
    with pytest.raises(PydanticCustomError, match="surrogate"):
        gameday_values.text("\ud800", None)  # type: ignore[arg-type]  # libyaml stops it before, PyYAML's own does not


def test_a_hostile_key_is_told_and_cut(tmp_path: Path) -> None:
    found = gamedays.read(write(tmp_path, f'"\\ud800<script>{"k" * 10_000}": 1\n' + gameday_docs.example()))
    assert is_empty(found)
    assert found.problems["message"].str.len().max() < 200


class _Quoted(yaml.SafeDumper):
    """Quotes every text, so that what is read is what was dumped in any version of YAML."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Quoted.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def dump(data: Any) -> str:
    return yaml.dump(data, Dumper=_Quoted, sort_keys=False)


def keys(part: type[Part]) -> set[str]:
    inner = (found for field in part.model_fields.values() if (found := part_in(field.annotation)))
    return set(part.model_fields).union(*(keys(found) for found in inner))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["11:20", "2020-12-10", "2020-12-11T00:10", "1990-01-01T00:00+23:59", "production", "solved"]
    ),
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(keys(GameDayFile))) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_good_or_told(file: Path) -> None:
    found = gamedays.read(file)
    refused = bool((found.problems["kind"] == "unreadable").any())
    assert refused == found.gamedays.empty
    assert refused == is_empty(found)


@quick
@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_read_or_told(tmp_path: Path, text: str | bytes) -> None:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    assert_good_or_told(write(tmp_path, raw))


@quick
@given(data=nested)
def test_any_yaml_is_read_or_told(tmp_path: Path, data: Any) -> None:
    assert_good_or_told(write(tmp_path, dump(data).encode("utf-8", "replace")))


@settings(quick, max_examples=80)
@given(pick=st.data())
def test_any_change_of_a_good_file_is_read_or_told(tmp_path: Path, pick: st.DataObject) -> None:
    data = copy.deepcopy(yaml.safe_load(gameday_docs.example()) | {"date": "2020-12-10"})
    for _ in range(pick.draw(st.integers(1, 2))):
        node: Any = data
        while True:
            spots = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not spots:
                break
            spot = pick.draw(st.sampled_from(spots))
            if not isinstance(node[spot], dict | list) or pick.draw(st.integers(0, 4)) == 0:
                change = pick.draw(st.sampled_from(["replace", "remove", "repeat"]))
                if change == "remove":
                    del node[spot]
                elif change == "repeat" and isinstance(node, list):
                    node.append(copy.deepcopy(node[spot]))
                else:
                    node[spot] = pick.draw(nested)
                break
            node = node[spot]
    assert_good_or_told(write(tmp_path, dump(data).encode("utf-8", "replace")))


# Round trip

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(
    lambda t: t.strip()
)
slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True)
amounts = st.floats(0, 1e9)
environments = st.sampled_from(schema.ENVIRONMENTS)


@st.composite
def experiment(draw: st.DrawFn, hour: int) -> dict[str, Any]:
    start = draw(st.integers(0, 20))
    end = draw(st.integers(start, 40))
    low = draw(st.floats(-1e6, 1e6))
    probes = draw(st.lists(words, max_size=3, unique=True))
    exercised = draw(st.booleans())
    fallback = {"name": draw(words), "exercised": exercised, "load_unit": draw(words)}
    if exercised:
        fallback |= {"worked": draw(st.booleans()), "load": draw(amounts)}
    moments = st.tuples(st.integers(start, 59), st.sampled_from(schema.EXPERIMENT_MOMENTS), words)
    return {
        "title": draw(words),
        "symptom": draw(words),
        "targets": draw(st.lists(words, min_size=1, max_size=3, unique=True)),
        "failure_class": draw(st.sampled_from(FAILURE_CLASSES)),
        "environment": draw(st.none() | environments),
        "vote": {"options": draw(st.dictionaries(environments, st.integers(0, 10**9), min_size=1))},
        "planned_min": draw(st.floats(0.1, 10_080) | st.integers(1, 10_080)),
        "prediction": draw(st.none() | words),
        "backlog": {"expected": draw(amounts), "unit": draw(words)},
        "steady_state": {
            "probes": [
                {
                    "name": name,
                    "metric": draw(words),
                    "scope": draw(words),
                    "statistic": "p95",
                    "low": low,
                    "high": low,
                }
                for name in probes
            ]
        },
        "fault": {"started": f"{hour}:{start:02}", "ended": f"{hour}:{end:02}"},
        "timeline": [
            {"at": f"{hour}:{m:02}", "moment": w, "text": t}
            for m, w, t in draw(st.lists(moments, max_size=3))
        ],
        "outcome": draw(st.sampled_from(schema.OUTCOMES)),
        "fallback": fallback,
        "surprises": draw(st.lists(words, max_size=2)),
    }


@st.composite
def whole_day(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.dictionaries(slugs, st.integers(9, 19).flatmap(experiment), max_size=3))
    return {
        "title": draw(words),
        "date": draw(st.dates(date(2000, 1, 1), date(2099, 12, 31))).isoformat(),
        # none of them changes its clocks by day
        "zone": draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])),
        "style": draw(st.sampled_from(schema.STYLES)),
        "environment": draw(environments),
        "simulated": draw(st.booleans()),
        "attendance": {"tech": draw(st.integers(0, 10**9)), "other": None},
        "roles": [{"role": role, "people": 3} for role in draw(st.lists(words, max_size=3, unique=True))],
        "scores": [{"team": draw(words), "at": "09:15:30", "points": draw(st.floats(-1e9, 1e9))}],
        "experiments": [{"experiment_key": key} | given for key, given in found.items()],
        "learnings": draw(st.lists(words, max_size=2)),
    }


@settings(quick, max_examples=40)
@given(data=whole_day())
def test_a_generated_day_reads_back_equal(tmp_path: Path, data: dict[str, Any]) -> None:
    found = gamedays.read(write(tmp_path, dump(data)))
    assert not (found.problems["kind"] == "unreadable").any(), lists(found.problems[["field", "message"]])

    def instant(clock: str) -> datetime:
        hour, minute, *second = map(int, clock.split(":"))
        day = date.fromisoformat(data["date"])
        return datetime(day.year, day.month, day.day, hour, minute, *second, tzinfo=ZoneInfo(data["zone"]))

    def rows(table: str, *columns: str) -> list[tuple[Any, ...]]:
        frame = getattr(found, table)[list(columns)].astype(object)
        return list(frame.where(frame.notna(), None).itertuples(index=False, name=None))

    experiments = data["experiments"]
    assert rows(
        "gamedays",
        "title",
        "zone",
        "style",
        "environment",
        "simulated",
        "attendance_tech",
        "attendance_other",
    ) == [
        (
            *(data[name] for name in ("title", "zone", "style", "environment", "simulated")),
            data["attendance"]["tech"],
            None,
        )
    ]
    assert rows("gameday_roles", "role", "people") == [(role["role"], 3) for role in data["roles"]]
    assert rows("gameday_scores", "at", "points") == [(instant("09:15:30"), data["scores"][0]["points"])]
    plain = ("experiment_key", "title", "symptom", "failure_class", "planned_min", "prediction", "outcome")
    assert rows("experiments", *plain) == [tuple(e[name] for name in plain) for e in experiments]
    assert rows(
        "experiments", "position", "environment", "fault_started_at", "fault_ended_at", "expected_backlog"
    ) == [
        (
            i,
            e["environment"] or data["environment"],
            instant(e["fault"]["started"]),
            instant(e["fault"]["ended"]),
            e["backlog"]["expected"],
        )
        for i, e in enumerate(experiments, start=1)
    ]
    of_fallback = ("name", "exercised", "worked", "load")
    assert rows("experiments", "fallback", *(f"fallback_{name}" for name in of_fallback[1:])) == [
        tuple(e["fallback"].get(name) for name in of_fallback) for e in experiments
    ]
    assert rows("experiment_targets", "experiment_key", "service") == [
        (e["experiment_key"], service) for e in experiments for service in e["targets"]
    ]
    assert rows("experiment_votes", "option", "votes") == [
        v for e in experiments for v in e["vote"]["options"].items()
    ]
    probe = ("name", "metric", "scope", "low", "high")
    assert rows("experiment_probes", "probe", *probe[1:]) == [
        tuple(p[name] for name in probe) for e in experiments for p in e["steady_state"]["probes"]
    ]
    assert rows("experiment_events", "at", "moment", "text") == [
        (instant(line["at"]), line["moment"], line["text"]) for e in experiments for line in e["timeline"]
    ]
    assert rows("gameday_notes", "experiment_key", "kind", "text") == [
        *(("", "learning", text) for text in data["learnings"]),
        *((e["experiment_key"], "surprise", text) for e in experiments for text in e["surprises"]),
    ]


def test_reading_leaves_the_files_alone(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "doubtful", tmp_path / "days")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    gamedays.read(tmp_path / "days")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
