"""The main job on the sample: everything planted comes out again, every notebook runs, every page draws."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from resilience.analysis import probing
from resilience.cli import main
from resilience.store import Store

from . import jupyterlab, probe_trials
from .sizes import FULL, SIZE, at_full_size

NOTEBOOKS = ("gameday", "failure_classes", "time_to_restore", "capacity", "next_experiments")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `resilience demo` makes in an empty folder."""
    space = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(space)
        done = CliRunner().invoke(main, ["demo", "--size", SIZE])
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith(str(space / "reports" / "index.html"))
    return space


def truth(space: Path) -> dict:
    return json.loads((space / "data" / "truth.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_verdicts_are_those_planted(demo: Path) -> None:
    planted = truth(demo)["experiments"]
    for day in sorted({e["gameday_id"] for e in planted}):
        result = json.loads((demo / "reports" / day / "result.json").read_text(encoding="utf-8"))
        found = {e["experiment_key"]: e["verdict"] for e in result["experiments"]}
        assert found == {e["experiment_key"]: e["verdict"] for e in planted if e["gameday_id"] == day}
        assert set(found.values()) > {"held"}
        assert result["simulated"] is True


def test_the_backlog_of_experiment_four_is_about_80000(demo: Path) -> None:
    result = json.loads((demo / "reports/vaccine-our-system-2020-12/result.json").read_text(encoding="utf-8"))
    (four,) = [e for e in result["experiments"] if e["position"] == 4]
    assert four["title"] == "Synchronization issues"
    assert four["expected_backlog"] == 80_000
    assert four["observed_backlog"] == pytest.approx(80_000, rel=0.05)
    assert "Nobody voted: no vote meant production" in four["vote"]
    assert "held 1 of 1, at 67 messages/s, production" in four["fallback"]


def test_costly_cells_that_nobody_rehearsed_lead_the_ledger(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo)
    done = CliRunner().invoke(main, ["ledger", "--format", "json"])
    rows = [r for r in json.loads(done.stdout) if r["last_rehearsed_at"] is None][:10]
    first = {(r["failure_class"], r["service"]) for r in rows}
    planted = {(c["failure_class"], c["service"]) for c in truth(demo)["planted"]["costly_unrehearsed"]}
    assert len(planted) == 6
    assert planted <= first, planted - first


def test_pages_and_command_choose_the_same(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same store, undeclared dependencies among the candidates everywhere."""
    monkeypatch.chdir(demo)
    chosen = json.loads(CliRunner().invoke(main, ["plan", "--format", "json"]).stdout)
    cards = {
        f"Does {row['follower']} depend on {row['service']}?"
        if row["follower"]
        else f"{row['failure_class'].capitalize()} at {row['service']}"
        for row in chosen
    }
    assert len(cards) == 4
    for page in ("next-experiments/report.html", "ledger.html"):
        text = (demo / "reports" / page).read_text(encoding="utf-8")
        numbered = re.findall(r"id=\"plan-\d+\"><h3>\d+\. ([^<]+)", text)
        assert {html.unescape(title).strip() for title in numbered} == cards, page


def test_the_sample_is_read_whole(demo: Path) -> None:
    """Every deployment that it wrote is in the store, and the page tells of those before incidents."""
    planted = truth(demo)["planted"]["deployments"]
    assert len(Store(demo / "data/store").load("deployments")) == planted > 0
    page = (demo / "reports/failure-classes/report.html").read_text(encoding="utf-8")
    assert "no record of deployments" not in page


def test_a_second_demo_changes_no_byte(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, versions = contents(demo / "reports"), Store(demo / "data/store").versions()
    monkeypatch.chdir(demo)
    done = CliRunner().invoke(main, ["demo", "--size", SIZE])
    assert done.exit_code == 0
    assert done.output.count("unchanged") == len(NOTEBOOKS) + 1
    assert "Nothing changed" in done.output
    assert contents(demo / "reports") == before
    assert Store(demo / "data/store").versions() == versions


def test_exported_probes_hold_in_ordinary_windows_and_break_in_planted_faults(demo: Path) -> None:
    """Limits from before a cut, windows of 20 minutes after it: all probes of an experiment together."""
    share = probe_trials.shares(probe_trials.trial(demo))
    assert share[probing.ORDINARY] >= 0.95
    assert share[probing.ALL] >= 0.8


@at_full_size("two more marketplaces of full size")
@pytest.mark.parametrize("seed", [7, 11])
def test_exported_probes_on_other_marketplaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["init", "."], ["sample", ".", "--seed", str(seed)], ["ingest"]):
        assert CliRunner().invoke(main, words).exit_code == 0, words
    share = probe_trials.shares(probe_trials.trial(tmp_path))
    assert share[probing.ORDINARY] >= 0.95
    assert share[probing.ALL] >= 0.8


def test_the_sample_is_never_written_among_other_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "incidents").mkdir(parents=True)
    (tmp_path / "data" / "incidents" / "ours.md").write_text("# Ours\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["demo", "--size", SIZE])
    assert done.exit_code == 2
    assert "never mixed" in done.output
    assert [p.name for p in (tmp_path / "data").rglob("*") if p.is_file()] == ["ours.md"]


def test_every_notebook_runs_as_it_stands(demo: Path) -> None:
    """With its default parameters and in its own folder, as JupyterLab would; in kernels that start warm."""
    import papermill

    from resilience.report import engine

    found = sorted((demo / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in found] == sorted(NOTEBOOKS)
    for path in found:
        there = {"metadata": {"path": str(path.parent)}}
        done = papermill.execute_notebook(
            str(path),
            None,
            engine_name=engine.register(),
            kernel_name="python3",
            progress_bar=False,
            resources=there,
        )
        code = [cell for cell in done.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code), path
        shown = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
        assert "application/vnd.plotly.v1+json" in shown, path


@pytest.mark.acceptance
def test_notebooks_run_cold(demo: Path) -> None:
    """nbval executes them in ordinary kernels; at reduced size one, since only how it starts differs from a warm one."""
    which = NOTEBOOKS if FULL else NOTEBOOKS[:1]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax"]
    command += [f"notebooks/{name}.ipynb" for name in which]
    done = subprocess.run(command, cwd=demo, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


@pytest.mark.acceptance
@pytest.mark.browser
@at_full_size("a JupyterLab server and a browser")
@pytest.mark.parametrize("kernel", ["", "Python 3 (resilience, warm)"], ids=["ordinary", "warm"])
def test_run_all_in_jupyterlab_ends_idle_with_every_plot(demo: Path, tmp_path: Path, kernel: str) -> None:
    """In a real server and browser; the plots are as many as the page of the same notebook has."""
    pages = {"gameday": "vaccine-our-system-2020-12"}
    with jupyterlab.server(demo, tmp_path) as address, jupyterlab.browser() as tab:
        for name in NOTEBOOKS:
            report = demo / "reports" / pages.get(name, name.replace("_", "-")) / "report.ipynb"
            plots = report.read_text(encoding="utf-8").count('"application/vnd.plotly.v1+json"')
            jupyterlab.open_notebook(tab, address, f"notebooks/{name}.ipynb")
            if kernel:
                jupyterlab.choose(tab, kernel)
            ran = jupyterlab.run_all(tab, plots)
            assert (ran.errors, ran.ran) == ([], True), name
            assert ran.drawn == ran.plots == plots > 0, name


@pytest.mark.browser
def test_every_page_draws_offline_wide_and_narrow(demo: Path, page, complaints) -> None:
    pages = sorted((demo / "reports").glob("*/report.html"))
    assert len(pages) == len(NOTEBOOKS) + 1
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for path in pages:
            page.goto(path.as_uri())
            page.wait_for_selector("body[data-drawn]", timeout=60_000)
            plots = page.locator(".plot").count()
            assert plots == page.locator(".plot[data-drawn]").count() > 0, path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            assert "Simulated" in page.locator(".simulated").first.inner_text()
            page.emulate_media(media="print")
            page.set_viewport_size({"width": 700, "height": 900})
            for _ in range(80):  # figures are drawn anew for the sheet
                if (paper := page.evaluate("document.documentElement.scrollWidth")) <= 700:
                    break
                page.wait_for_timeout(250)
            assert paper <= 700, (path, "a sheet of paper")
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": width, "height": 900})
    page.goto((demo / "reports" / "index.html").as_uri())
    headings = page.locator("h2").all_inner_texts()
    assert [h.split()[0:2] for h in headings] == [
        ["What", "did"],
        ["What", "keeps"],
        ["What", "should"],
        ["How", "much"],
    ]
    assert page.locator("h3 a").count() == len(pages) + 2, "the ledger and the random dates have a card too"
    for link in page.locator("h3 a").all():
        assert (demo / "reports" / (link.get_attribute("href") or "")).is_file()
    assert complaints == []
