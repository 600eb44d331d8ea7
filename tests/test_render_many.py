"""Many GameDays at a time, some failing for real: each page is its own, each failure its own, a kill leaves no half page."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resilience import workspace
from resilience.report import provenance, render
from resilience.store import Store

from . import worlds
from .sizes import FULL, at_full_size

DAYS = 100 if FULL else 10
FAILING = {
    "day-000": ("raise ValueError('planted')", "ValueError: planted"),
    "day-001": ("import time; time.sleep(600)", "ran for more than"),
    "day-002": ("import os; os.kill(os.getpid(), 9)", "kernel died"),
    "day-003": ("print('x' * 6_000_000)", "File too large"),  # more than the limit on files set below
    "day-004": ("open('/dev/full', 'w', buffering=1).write('x\\n')", "No space left on device"),
}
LIMIT_KB = 5_000
SLOW_BUT_FINE = 20  # seconds that a cell may take; the planted one would take 600


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> workspace.Workspace:
    """A store of DAYS GameDays, each with a level of its own, and a notebook in which FAILING do what they do."""
    root = tmp_path_factory.mktemp("many")
    (root / workspace.CONFIG).write_text("title: Many\n")
    made = workspace.Workspace(root, "Many")
    tables: dict[str, list[pd.DataFrame]] = {}
    for i in range(DAYS):
        values = np.full(180, 0.5)
        values[60:80] = 200 + i
        day = worlds.gameday(worlds.series(values, scope=f"service:s{i:03}"), title=f"Experiment-{i:03}")
        for name, rows in day.items():
            changed = {"gameday_id": f"day-{i:03}"} if "gameday_id" in rows else {}
            changed |= (
                {"experiment_key": f"key-{i:03}"} if "experiment_key" in rows else {}
            )  # none repeats another's
            changed |= {"title": f"Title-{i:03}"} if name == "gamedays" else {}
            changed |= {"scope": f"service:s{i:03}"} if name == "experiment_probes" else {}
            tables.setdefault(name, []).append(rows.assign(**changed).astype(rows.dtypes))
    for name, parts in tables.items():
        Store(made.store).upsert(name, pd.concat(parts, ignore_index=True))
    notebook = json.loads(made.notebook("gameday").read_text(encoding="utf-8"))
    source = "".join(notebook["cells"][-1]["source"])
    planted = {name: code for name, (code, _) in FAILING.items()}
    notebook["cells"][-1]["source"] = f"{source}\nexec({planted!r}.get(gameday_id, ''))"
    (root / "notebooks").mkdir()
    (root / "notebooks" / "gameday.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return made


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "resilience.cli", "render", "--all", "--jobs", "4", *words]


@pytest.fixture(scope="module")
def ran(space: workspace.Workspace) -> subprocess.CompletedProcess[str]:
    limited = [
        "bash",
        "-c",
        f'ulimit -f {LIMIT_KB}; exec "$@"',
        "bash",
        *command("--timeout", str(SLOW_BUT_FINE)),
    ]
    return subprocess.run(limited, cwd=space.root, capture_output=True, text=True, timeout=1800, env=_path())


def _path(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **more}


def fine() -> list[str]:
    return [name for name in (f"day-{i:03}" for i in range(DAYS)) if name not in FAILING]


def test_five_fail_for_five_reasons_and_the_others_are_made(space: workspace.Workspace, ran) -> None:
    assert ran.returncode == 1, ran.stdout + ran.stderr
    for name, (_, reason) in FAILING.items():
        (line,) = re.findall(rf"failed +reports/{name}/failure\.html.*", ran.stdout)
        assert reason in line
        assert "could not be made" in (space.reports / name / "failure.html").read_text(encoding="utf-8")
        assert not (space.reports / name / "report.html").exists()
    assert len(re.findall(r"^ +made +reports/day-", ran.stdout, re.MULTILINE)) == DAYS - len(FAILING)
    assert list(space.reports.glob(".*")) == []
    gallery = (space.reports / "index.html").read_text(encoding="utf-8")
    assert gallery.count("The last render failed") == len(FAILING)
    assert {name for name in fine() if f'href="{name}/report.html"' in gallery} == set(fine())


def test_each_page_has_its_own_id_and_figures_only(space: workspace.Workspace, ran) -> None:
    for name in fine():
        folder, own = space.reports / name, name[-3:]
        page = (folder / "report.html").read_text(encoding="utf-8").split('id="plotly-js"')[0]
        assert set(re.findall(r"Title-(\d{3})", page)) == {own}
        assert set(re.findall(r"Experiment-(\d{3})", page)) == {own}
        assert set(re.findall(r"service:s(\d{3})", page)) == {own}
        assert f"{200 + int(own)}" in page
        assert json.loads((folder / "result.json").read_text())["gameday"]["gameday_id"] == name
        made = provenance.read(folder)
        assert made is not None
        assert made["parameters"]["gameday_id"] == name


def another_locale(folder: Path) -> dict[str, str]:
    """Variables that choose Turkish, made here where the system can, since hardly any has it; else the C locale."""
    named = "tr_TR.UTF-8"
    if shutil.which("localedef"):
        make = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / named)]
        if subprocess.run(make, capture_output=True).returncode == 0:
            return {"LOCPATH": str(folder), "LC_ALL": named, "LANG": named}
    return {"LC_ALL": "C", "LANG": "C"}


def test_another_folder_zone_hash_seed_and_locale_give_the_same_bytes(
    space: workspace.Workspace, ran, tmp_path: Path
) -> None:
    for name in ("data", "notebooks"):
        (tmp_path / name).symlink_to(space.root / name)
    (tmp_path / workspace.CONFIG).write_text("title: Many\n")
    name = fine()[0]
    other = _path(TZ="Asia/Tokyo", PYTHONHASHSEED="77", **another_locale(tmp_path))
    one = [sys.executable, "-m", "resilience.cli", "render", name]
    subprocess.run(one, cwd=tmp_path, env=other, check=True, capture_output=True)
    for path in sorted((space.reports / name).iterdir()):
        assert (tmp_path / "reports" / name / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("after", [0.0, 0.4] if DAYS == 10 else [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
def test_a_kill_leaves_the_old_report_or_the_new_one(space: workspace.Workspace, ran, after: float) -> None:
    whole = {name: provenance.read(space.reports / name) for name in fine()}
    before = {name: (space.reports / name / "report.html").stat().st_mtime_ns for name in fine()}
    run = subprocess.Popen(
        command("--force"), cwd=space.root, env=_path(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert run.stdout is not None
        next(
            line for line in run.stdout if "made  " in line
        )  # a first page is new, the next are on their way
        time.sleep(after)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    for name in fine():
        made = provenance.read(space.reports / name)
        assert made == whole[name]
        assert provenance.altered(space.reports / name, made) == []
    now = {name: (space.reports / name / "report.html").stat().st_mtime_ns for name in fine()}
    assert now != before  # it was killed while it worked, not before
    render.recover(space.reports)
    assert list(space.reports.glob(".*")) == []


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as rest:
        while True:
            rest.write(b"0" * 4096)


@pytest.mark.acceptance
@at_full_size("a disk to fill twice")
def test_a_file_system_that_is_really_full_loses_no_report(
    space: workspace.Workspace, tmp_path: Path
) -> None:
    """A small file system of its own under reports/: what fitted is whole, the rest failed for that reason and says so."""
    for name in ("data", workspace.CONFIG):
        (tmp_path / name).symlink_to(space.root / name)
    (reports := tmp_path / "reports").mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", reports], capture_output=True
    ).returncode:
        pytest.skip("mounting a file system of its own is not allowed here")
    try:
        ran = subprocess.run(
            command(), cwd=tmp_path, capture_output=True, text=True, timeout=1800, env=_path()
        )
        assert ran.returncode == 1
        made = re.findall(r"^ +made +reports/(day-\d+)/", ran.stdout, re.MULTILINE)
        assert 2 <= len(made) < DAYS
        assert len(re.findall(r"failed .* No space left on device", ran.stdout)) >= DAYS - len(made)
        with pytest.raises(OSError, match="No space"):
            fill(reports / "fill")
        again = subprocess.run(
            command("--force"), cwd=tmp_path, capture_output=True, text=True, timeout=1800, env=_path()
        )
        assert again.returncode == 1
        assert "The disk is full. Make room" in again.stderr
        assert "Traceback" not in again.stderr
        for name in made:
            found = provenance.read(reports / name)
            assert found is not None
            assert provenance.altered(reports / name, found) == []
        assert list(reports.rglob("*.part")) == []
    finally:
        subprocess.run(["umount", reports], check=True)
