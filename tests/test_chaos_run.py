"""Chaos Toolkit runs an experiment against a server that really breaks, and the journal it wrote becomes a GameDay."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from resilience.cli import main
from resilience.sources import gamedays

from .test_gameday_files import filled

chaoslib = pytest.importorskip("chaoslib.experiment", reason="chaostoolkit-lib is not installed")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A page in a folder, and the address of a server that shows it."""
    (folder := tmp_path / "shop").mkdir()
    (folder / "page.html").write_text("open")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()


def experiment(folder: Path, address: str, *, undone_in_time: bool) -> dict[str, Any]:
    page, away = str(folder / "page.html"), str(folder / "away.html")
    moved = {"type": "process", "path": shutil.which("mv")}
    take = {"type": "action", "name": "take the page away", "provider": {**moved, "arguments": [page, away]}}
    give = {"type": "action", "name": "put it back", "provider": {**moved, "arguments": [away, page]}}
    http = {"type": "http", "url": address, "timeout": 5}
    see = {"type": "probe", "name": "page during the fault", "provider": http}
    answers = {"type": "probe", "name": "page answers", "tolerance": 200, "provider": http}
    given = {
        "title": "The page is gone", "description": "Somebody deletes it.", "tags": [],
        "steady-state-hypothesis": {"title": "The page answers", "probes": [answers]},
        "method": [take, see, *([give] if undone_in_time else [])],
        "rollbacks": [] if undone_in_time else [give],
    }  # fmt: skip
    chaoslib.ensure_experiment_is_valid(given)
    return given


@pytest.mark.parametrize(
    ("undone_in_time", "says", "after"),
    [(True, "completed, not deviated", "met"), (False, "completed, deviated", "not met (page answers)")],
)
def test_a_journal_of_a_real_run_becomes_a_gameday(
    shop: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undone_in_time: bool,
    says: str,
    after: str,
) -> None:
    (tmp_path / "resilience.yml").write_text("title: T\nzone: Europe/Berlin\n")
    monkeypatch.chdir(tmp_path)
    before = pd.Timestamp.now("UTC").floor("s")  # as gameday.yml has it
    journal = chaoslib.run_experiment(experiment(*shop, undone_in_time=undone_in_time))
    (tmp_path / "journal.json").write_text(json.dumps(journal, default=str))
    assert (shop[0] / "page.html").exists()

    done = CliRunner().invoke(main, ["gameday", "import", "gone", "journal.json"])
    assert done.exit_code == 0, done.output
    file = tmp_path / "data/gamedays/gone/gameday.yml"
    file.write_text(filled(file.read_text()))
    read = gamedays.read(file)
    (row,) = read.experiments.to_dict("records")
    assert row["title"] == "The page is gone"
    assert row["hypothesis"] == "The page answers"
    assert before <= row["fault_started_at"] <= pd.Timestamp.now("UTC")
    assert pd.isna(row["fault_ended_at"]) == undone_in_time  # only a rollback says when a fault ended
    assert (
        f"Chaos Toolkit says {says}. Hypothesis before the fault: met; after it: {after}."
        in row["outcome_text"]
    )
    # The hypothesis may have held although the probe within the method saw the fault: both are told.
    assert "failed: 1 of 1: page during the fault (answered HTTP 404)" in row["outcome_text"]
    told = read.experiment_events["text"].tolist()
    assert "action take the page away" in told
    assert "probe page during the fault: answered HTTP 404" in told
