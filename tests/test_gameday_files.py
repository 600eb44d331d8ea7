"""`resilience gameday`: a file to begin with, drafts of what other tools recorded, and drills that come back as drills."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from resilience.cli import main
from resilience.errors import InputError
from resilience.report import postmortem
from resilience.sources import (
    chaos_journal,
    gameday_draft,
    gameday_file,
    gamedays,
    reports,
    slack_export,
    yaml_text,
)

from .conftest import ROOT
from .worlds import gameday as world

JOURNAL = ROOT.parent / "shared/data/chaos-journals/MDRCS+chaos-engineering__journal.json"
VOTE = "Synchronization issues, where? :factory: production :test_tube: isolated"


def load(text: str) -> Any:
    return yaml_text.load(text, "x")[0]


def filled(text: str) -> str:
    """Each empty required field with the example that the documentation gives for it."""
    examples = {"experiment_key": "a-key", "targets": "[search]", "failure_class": "config", "planned_min": "20",
                "outcome": "solved", "style": "informed", "environment": "staging"}  # fmt: skip
    return re.sub(
        r"^([ -]*)(\w+):(  # .*; required)$",
        lambda m: (
            f"{m[1]}{m[2]}: {examples.get(m[2], 'some words')}{m[3]}" if m[2] != "experiments" else m[0]
        ),
        text,
        flags=re.MULTILINE,
    )


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "resilience.yml").write_text("title: T\nzone: Europe/Berlin\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


# A new file


def test_a_new_file_is_refused_by_line_until_it_is_filled_and_read_then(space: Path) -> None:
    run("gameday", "new", "day-1", "--date", "2021-12-09", "--title", 'A "day": # 1')
    file = space / "data/gamedays/day-1/gameday.yml"
    text = file.read_text()
    said = gamedays.read(file).problems
    assert set(said["field"]) >= {"style", "environment", "experiments[0].symptom", "experiments[0].outcome"}
    assert all(text.splitlines()[int(line) - 1].endswith("; required") for line in said["line"])
    file.write_text(filled(text))
    day = gamedays.read(file)
    assert day.gamedays["title"].tolist() == ['A "day": # 1']
    assert day.experiments["outcome"].tolist() == ["solved"]


def test_every_offered_field_is_right_once_its_mark_is_taken_away() -> None:
    text = gameday_draft.write({"date": "2021-12-09", "zone": "Europe/Berlin", "title": "T"}, title="T")
    whole = re.sub(r"^# ", "", filled(text), flags=re.MULTILINE)
    checked = gameday_file.check(load(whole))
    assert isinstance(checked, tuple), checked
    day = checked[0]
    assert set(type(day).model_fields) == day.model_fields_set
    assert set(type(day.experiments[0]).model_fields) == day.experiments[0].model_fields_set


def test_a_file_that_is_there_is_not_written_over(space: Path) -> None:
    run("gameday", "new", "day-1")
    assert "there already" in run("gameday", "new", "day-1", code=2)
    assert "cannot name a GameDay" in run("gameday", "new", "../x", code=2)


@given(st.text(max_size=40))
def test_any_text_comes_back_from_a_draft_as_text(text: str) -> None:
    back = yaml.load(gameday_draft.quoted(text), yaml.SafeLoader)
    assert back == re.sub("[\ud800-\udfff]", "�", text)
    assert load(f"a: {gameday_draft.quoted(text)}") == {"a": back}


# A journal


def journal(**changes: Any) -> dict[str, Any]:
    def activity(kind: str, name: str, minute: int, **more: Any) -> dict[str, Any]:
        at = f"2021-12-09T10:{minute:02}:00+00:00"
        return {"activity": {"type": kind, "name": name, "provider": {"type": "http"}}, "status": "succeeded",
                "start": at, "end": at, **more}  # fmt: skip

    return {
        "experiment": {"title": "Search dies", "steady-state-hypothesis": {"title": "Pages answer", "probes": []}},
        "status": "completed", "deviated": False,
        "steady_states": {"before": {"steady_state_met": True}, "after": {"steady_state_met": True}},
        "run": [activity("action", "kill", 0), activity("probe", "front page", 5, output={"status": 500})],
        "rollbacks": [activity("action", "revive", 20)], **changes,
    }  # fmt: skip


def test_a_probe_in_the_method_that_failed_is_told_beside_a_hypothesis_that_held(tmp_path: Path) -> None:
    (tmp_path / "j.json").write_text(json.dumps(journal()))
    found = chaos_journal.read(tmp_path / "j.json", "j.json")
    assert "not deviated. Hypothesis before the fault: met; after it: met." in found["outcome_text"]
    assert "failed: 1 of 1: front page (answered HTTP 500)" in found["outcome_text"]
    assert found["fault"]["ended"] - found["fault"]["started"] == pd.Timedelta(minutes=20)
    assert "outcome" not in found  # whether heroes solved it, no journal knows


@pytest.mark.parametrize(
    ("status", "outcome"), [("aborted", "aborted"), ("interrupted", "aborted"), ("completed", None)]
)
def test_a_journal_that_was_called_off_says_so(tmp_path: Path, status: str, outcome: str | None) -> None:
    (tmp_path / "j.json").write_text(json.dumps(journal(status=status)))
    assert chaos_journal.read(tmp_path / "j.json", "j.json").get("outcome") == outcome


@pytest.mark.skipif(not JOURNAL.exists(), reason="the public journals are not here")
def test_a_real_journal_becomes_a_draft_that_is_read_once_finished(space: Path) -> None:
    assert "--times-in UTC" in run("gameday", "import", "greeting", JOURNAL, code=2)
    run("gameday", "import", "greeting", JOURNAL, "--times-in", "UTC")
    file = space / "data/gamedays/greeting/gameday.yml"
    file.write_text(filled(file.read_text()))
    read = gamedays.read(file)
    row = read.experiments.iloc[0]
    assert row["fault_started_at"] == pd.Timestamp("2020-06-05T09:13:58Z")
    assert pd.isna(row["fault_ended_at"])
    assert "failed, deviated" in row["outcome_text"]
    assert "not met (application-should-be-alive-and-healthy)" in row["outcome_text"]
    assert "within the method that failed: 0 of 1" in row["outcome_text"]


# A channel


def message(clock: str, text: str, user: str = "U1", **more: Any) -> dict[str, Any]:
    at = datetime.fromisoformat(f"2021-12-09T{clock}:00+00:00")
    return {"type": "message", "user": user, "text": text, "ts": f"{at.timestamp():.6f}", **more}


def reacted(**users: str) -> list[dict[str, Any]]:
    return [{"name": name, "users": who.split(), "count": len(who.split())} for name, who in users.items()]


def channel(folder: Path, messages: list[dict[str, Any]], name: str = "gameday") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "2021-12-09.json").write_text(json.dumps(messages))
    (folder / "users.json").write_text(
        json.dumps([{"id": "U1", "real_name": "Mara Lindqvist"}, {"id": "U2", "name": "ole"}])
    )
    return folder


def test_votes_are_counted_by_reaction_and_messages_become_the_timeline(space: Path) -> None:
    votes = reacted(factory="U1 U2 U3", test_tube="U1 U3", heart="U4")
    said = [
        message("09:00", VOTE, reactions=votes),
        message("10:02", "<@U2> sees stale prices &amp; alerts"),
        message("10:03", "joined", subtype="channel_join"),
        message("10:04", "deploy bot", bot_id="B1"),
    ]
    (space / "j.json").write_text(json.dumps(journal(experiment={"title": "Synchronization issues"})))
    run("gameday", "import", "sync", space / "j.json", channel(space / "slack", said))
    file = space / "data/gamedays/sync/gameday.yml"
    text = file.read_text()
    file.write_text(filled(text))
    read = gamedays.read(file)
    tally = read.experiment_votes.set_index("option")["votes"].to_dict()
    assert tally == {"production": 2, "isolated": 1}  # U1 offered both, and is not counted
    assert "1 people voted for more than one place" in text
    told = read.experiment_events
    assert "ole sees stale prices & alerts" in told["text"].tolist()
    assert set(told["moment"]) == {"note"}
    assert read.gameday_roles["names"].tolist() == ["Mara Lindqvist, ole"]
    assert "1 no message of a person" in text


def test_a_channel_alone_makes_an_experiment_of_each_vote(space: Path) -> None:
    said = [
        message("09:00", VOTE),
        message("09:01", "Login loops :a: production :b: isolated"),
        message("09:30", "who took it?"),
    ]
    run("gameday", "import", "sync", channel(space / "slack", said))
    day = load((space / "data/gamedays/sync/gameday.yml").read_text())
    assert [e["title"] for e in day["experiments"]] == [
        "Synchronization issues, where?",
        "Login loops",
    ]
    assert day["experiments"][0]["vote"]["options"] == {"isolated": 0, "production": 0}


@pytest.mark.parametrize("suffix", ["zip", "folder"])
def test_nothing_in_an_export_leads_out_of_it_or_grows(tmp_path: Path, suffix: str) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps([message("09:00", "secret")]))
    export = tmp_path / "export"
    if suffix == "zip":
        with zipfile.ZipFile(export, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("general/2021-12-09.json", json.dumps([message("09:00", "hello")]))
            made.writestr("../../evil.json", "[]")
            made.writestr("/etc/2021-12-10.json", "[]")
    else:
        channel(export, [message("09:00", "hello")], "general")
        (export / "general" / "2021-12-10.json").symlink_to(outside)
    found = slack_export.read(export, channel="general")
    assert [m.text for m in found.messages] == ["hello"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export", "outside.json"]


def test_an_export_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("general/2021-12-09.json", b" " * (slack_export.MAX_FILE + 10))
    with pytest.raises(InputError, match="larger than"):
        slack_export.read(tmp_path / "bomb.zip")


def test_hostile_messages_stay_text(space: Path) -> None:
    words = [
        '"]}\nexperiments: []\n',
        "&lt;/script&gt;&lt;script&gt;",
        "{{7*7}}",
        "\u202etxt",
        "a: &x [*x]",
        "# " + "w" * 10_000,
    ]
    said = [message(f"09:{i:02}", text) for i, text in enumerate(words)]
    run("gameday", "import", "sync", channel(space / "slack", said))
    day = load((space / "data/gamedays/sync/gameday.yml").read_text())
    told = [line["text"] for line in day["experiments"][0]["timeline"]]
    assert told[0] == '"]} experiments: []'
    assert told[1:3] == ["</script><script>", "{{7*7}}"]
    assert told[3] == "txt"
    assert max(map(len, told)) <= 500


# A drill as a postmortem


def drill(**changes: Any) -> dict[str, pd.DataFrame]:
    tables = world()
    tables["experiments"] = tables["experiments"].assign(**changes)
    return tables


def test_a_drill_comes_back_as_a_drill_with_its_times(tmp_path: Path) -> None:
    tables = world()
    row = tables["experiments"].iloc[0]
    text = postmortem.postmortem(tables, row["experiment_key"])
    (tmp_path / "drill.md").write_text(text)
    back = reports.read(tmp_path / "drill.md").incidents.iloc[0]
    first = tables["experiment_events"].groupby("moment")["at"].min()
    assert (back["kind"], back["title"]) == ("drill", row["title"])
    assert back["incident_id"] == postmortem.incident_id("day", row["experiment_key"])
    assert back["started_at"] == row["fault_started_at"]
    assert back["mitigated_at"] == first["mitigated"]


def test_a_drill_that_was_not_solved_has_no_end_that_it_did_not_reach(tmp_path: Path) -> None:
    tables = drill(outcome="not_solved")
    (tmp_path / "drill.md").write_text(
        postmortem.postmortem(tables, tables["experiments"]["experiment_key"].iloc[0])
    )
    back = reports.read(tmp_path / "drill.md").incidents.iloc[0]
    assert pd.isna(back["resolved_at"])
    assert pd.isna(back["mitigated_at"])
    assert back["kind"] == "drill"


HOSTILE = (
    "Resolved: 2001-01-01 10:00 UTC **Kind:** real\n# Timeline\n| a | <b>x</b> [l](javascript:x) `c` \\ &amp;"
)


def test_what_people_wrote_states_no_field_of_the_report(tmp_path: Path) -> None:
    tables = drill(title=HOSTILE, symptom=HOSTILE, outcome_text=HOSTILE, outcome="not_solved")
    tables["experiment_events"] = tables["experiment_events"].assign(text=HOSTILE)
    (tmp_path / "drill.md").write_text(
        postmortem.postmortem(tables, tables["experiments"]["experiment_key"].iloc[0])
    )
    back = reports.read(tmp_path / "drill.md").incidents.iloc[0]
    assert (back["kind"], back["title"]) == ("drill", " ".join(HOSTILE.split()))
    assert pd.isna(back["resolved_at"])


def test_names_stay_out_of_a_postmortem_unless_asked_for() -> None:
    from .test_gameday_page import named

    tables = named("Mara Lindqvist did it")
    assert "Lindqvist" not in postmortem.postmortem(tables, "exp")
    assert "Lindqvist" in postmortem.postmortem(tables, "exp", names=True)


def test_an_experiment_that_did_not_run_has_no_postmortem() -> None:
    with pytest.raises(InputError, match="was not run"):
        postmortem.postmortem(drill(outcome="not_run"), "exp")


def test_ids_fit_however_long_both_keys_are() -> None:
    made = {postmortem.incident_id("d" * 80, f"{'k' * 78}{i}") for i in range(3)}
    assert len(made) == 3
    assert max(map(len, made)) <= 80
