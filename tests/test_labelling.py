"""`resilience label`: the file of answers survives anything, and the questions that teach most come first."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import schema
from resilience.analysis import learning
from resilience.analysis.taxonomy import packaged
from resilience.cli import main
from resilience.errors import InputError
from resilience.failure_classes import FAILURE_CLASSES
from resilience.sources import labels as reader
from resilience.sources import labels_file

ANSWER = {
    "incident_id": "i1", "failure_class": "config", "second_class": "", "labelled_by": "ana",
    "labelled_at": "2021-06-01T10:00:00Z", "taxonomy_version": "1",
}  # fmt: skip
REPORT = "# {title}\n\n**Status:** resolved\n\n## Summary\n\n{text}\n"
TOLD = {
    "cert": "The certificate of the gateway expired at midnight.",
    "ddos": "A botnet started a DDoS attack on the login page.",
    "odd": "Something was slow for a while and later it was fine again.",
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data" / "incidents"
    folder.mkdir(parents=True)
    for name, text in TOLD.items():
        (folder / f"{name}.md").write_text(REPORT.format(title=f"Trouble {name}", text=text))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resilience.yml").write_text("title: T\n")
    done = CliRunner().invoke(main, ["ingest"])
    assert done.exit_code == 0, done.output
    return tmp_path


def asked(output: str) -> list[str]:
    return [line.split("Trouble ")[1] for line in output.splitlines() if ": Trouble " in line]


def test_one_key_per_answer_is_appended_at_once_and_the_loop_resumes(workspace: Path) -> None:
    path = workspace / "data" / "labels" / "root_cause.csv"
    first = CliRunner().invoke(main, ["label", "--by", "ana"], input="b")
    assert first.exit_code == 0, first.output
    assert asked(first.output)[0] == "odd"  # what the phrases cannot tell would teach most
    rows = reader.read(path)
    assert rows[["failure_class", "labelled_by", "taxonomy_version"]].to_numpy().tolist() == [
        ["config", "ana", packaged().version]
    ]
    again = CliRunner().invoke(main, ["label", "--by", "ana"], input="Jd?k")
    assert "odd" not in asked(again.output)
    assert "'?' is no answer" in again.output
    rows = reader.read(path).set_index("incident_id")
    assert len(rows) == 3
    assert ["security", "capacity"] in rows[["failure_class", "second_class"]].to_numpy().tolist()
    done = CliRunner().invoke(main, ["label", "--by", "ana"], input="")
    assert done.output.startswith("0 reports to label")
    assert CliRunner().invoke(main, ["ingest"]).exit_code == 0


def test_the_guess_is_not_shown_before_the_answer(workspace: Path) -> None:
    shown = CliRunner().invoke(main, ["label", "--by", "ana"], input="q").output
    assert "%" not in shown
    assert shown.count("time-limits") == 1  # in the list of keys only


def test_back_answers_again_and_the_later_answer_counts(workspace: Path) -> None:
    done = CliRunner().invoke(main, ["label", "--by", "ana"], input="b-cq")
    assert done.exit_code == 0, done.output
    rows = reader.read(workspace / "data" / "labels" / "root_cause.csv")
    assert rows["failure_class"].tolist() == ["deploy"]


def test_a_second_opinion_is_asked_of_what_others_labelled(workspace: Path) -> None:
    CliRunner().invoke(main, ["label", "--by", "ana"], input="b")
    done = CliRunner().invoke(main, ["label", "--by", "ben", "--double"], input="c")
    assert asked(done.output) == ["odd"]
    rows = reader.read(workspace / "data" / "labels" / "root_cause.csv")
    assert rows[["labelled_by", "failure_class"]].to_numpy().tolist() == [
        ["ana", "config"],
        ["ben", "deploy"],
    ]


def test_it_works_on_a_real_terminal_and_sigkill_loses_no_answer(workspace: Path) -> None:
    parent, child = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "resilience.cli", "label", "--by", "ana"], stdin=child, stdout=child, stderr=child,
        cwd=workspace, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, start_new_session=True,
    )  # fmt: skip
    path, seen = workspace / "data" / "labels" / "root_cause.csv", b""
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (path.exists() and path.read_bytes().count(b"\n") >= 3):
            if select.select([parent], [], [], 0.3)[0]:
                seen += os.read(parent, 65_536)
            elif b"q stop" in seen:  # quiet after a question: it waits for a key
                os.write(parent, b"b")
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        os.close(parent)
        os.close(child)
    assert len(reader.read(path)) == 2


def test_an_answer_goes_in_the_order_of_the_files_own_header(tmp_path: Path) -> None:
    path = tmp_path / "root_cause.csv"
    path.write_text(
        "note,taxonomy_version,labelled_at,labelled_by,second_class,failure_class,incident_id\nx,1,2021-06-01T09:00Z,a,,deploy,i0"
    )
    labels_file.append(path, ANSWER)
    assert path.read_text().splitlines()[2] == ",1,2021-06-01T10:00:00Z,ana,,config,i1"
    assert len(reader.read(path)) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("incident_id,failure_class\n", "no column"), ("\n\n", "first line is empty")],
)
def test_a_file_that_is_something_else_is_left_as_it_was(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "root_cause.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        labels_file.append(path, ANSWER)
    assert path.read_text() == content


def test_a_broken_last_line_is_refused_and_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "root_cause.csv"
    labels_file.append(path, ANSWER)
    whole = path.read_bytes()
    path.write_bytes(whole + b"i2,con")
    with pytest.raises(InputError, match="broken off"):
        labels_file.append(path, ANSWER)
    path.write_bytes(whole)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:9], at))
    with pytest.raises(InputError, match="could not be written"):
        labels_file.append(path, ANSWER)
    assert path.read_bytes() == whole


def test_two_people_at_once_lose_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "root_cause.csv"
    code = (
        "import sys; from pathlib import Path; from resilience.sources import labels_file as f\n"
        f"for i in range(25): f.append(Path(sys.argv[1]), {ANSWER!r} | dict(incident_id=f'i{{i}}', labelled_by=sys.argv[2]))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    people = [
        subprocess.Popen([sys.executable, "-c", code, str(path), who], env=env) for who in ("ana", "ben")
    ]
    assert [one.wait(60) for one in people] == [0, 0]
    assert len(reader.read(path)) == 50


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=30).filter(lambda t: t.strip()))
def test_any_name_comes_back_on_one_line(tmp_path_factory: pytest.TempPathFactory, who: str) -> None:
    path = tmp_path_factory.mktemp("labels") / "root_cause.csv"
    try:
        who.encode()
    except UnicodeEncodeError:
        return
    labels_file.append(path, {**ANSWER, "labelled_by": f"x{who}"})
    labels_file.append(path, ANSWER)
    assert path.read_bytes().count(b"\n") == 3


def frame(texts: list[str]) -> pd.DataFrame:
    fixed = {
        "kind": "real",
        "title": "T",
        "detected_by": "unknown",
        "simulated": False,
        "source": "t",
        "source_uri": "t",
    }
    return schema.frame(
        "incidents", [{"incident_id": f"i{i}", "text": t, **fixed} for i, t in enumerate(texts)]
    )


def labelled(causes: list[str]) -> pd.DataFrame:
    common = {"labelled_by": "ana", "labelled_at": "2021-01-01T00:00Z", "taxonomy_version": "1"}
    return schema.frame(
        "labels", [{"incident_id": f"i{i}", "failure_class": c, **common} for i, c in enumerate(causes)]
    )


def test_a_wrong_label_is_listed_and_right_ones_are_not() -> None:
    sayings = {
        "time-limits": "The TLS certificate number {i} of gateway {i} expired.",
        "security": "Attackers number {i} ran a DDoS attack.",
    }
    texts = [text.format(i=i) for i in range(8) for text in sayings.values()]
    given_ = [name for _ in range(8) for name in sayings]
    given_[5] = "config"
    found = learning.disagreements(frame(texts), labelled(given_))
    assert found["incident_id"].tolist() == ["i5"]
    assert found["model_class"].tolist() == ["security"]
    assert "ddos" in found["phrases"].iloc[0]
    assert learning.disagreements(frame(texts), labelled([])).empty


def test_of_reports_that_tell_the_same_story_one_is_asked_first() -> None:
    texts = ["Checkout was slow for an hour, nobody knows why it was slow."] * 3 + [
        "Basket pages were empty this morning, strangely."
    ]
    found = learning.ask_next(frame(texts), labelled([]))
    assert len(found) == 4
    assert set(found["incident_id"].head(2)) == {"i0", "i3"}
    assert found["alike"].max() == 2


def test_there_is_a_key_for_every_class() -> None:
    from resilience.cli.causes import _KEYS

    assert len(FAILURE_CLASSES) <= len(_KEYS)
    assert not {"v", "q"} & set(_KEYS[: len(FAILURE_CLASSES)])
