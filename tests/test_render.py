"""A report is one offline page, made of its inputs only, swapped in whole; a failure says so and loses nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from resilience import pipeline, schema, views, workspace
from resilience.errors import InputError
from resilience.report import gallery, kernels, render
from resilience.store import Store

from . import worlds

HOSTILE = "Slow <script>window.pwned=1</script><img src=x onerror='window.pwned=1'> {{ 7*7 }} </script>"

NAME = "Mara Lindqvist"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> workspace.Workspace:
    """A workspace whose store holds one GameDay with hostile texts, rendered once, with its gallery."""
    space = workspace.Workspace(tmp_path_factory.mktemp("space"), HOSTILE)
    values = np.full(180, 0.5)
    values[60:80] = 2.0
    about = {
        "title": HOSTILE,
        "symptom": HOSTILE,
        "hypothesis": "javascript:alert(1)",
        "outcome_text": HOSTILE,
    }
    tables = worlds.gameday(worlds.series(values), **about)
    tables["gamedays"]["title"] = f"{HOSTILE} of {NAME}"
    tables["gameday_roles"] = schema.frame(
        "gameday_roles", [{"gameday_id": "day", "role": "villain", "people": 1, "names": NAME}]
    )
    note = {"gameday_id": "day", "experiment_key": "exp", "position": 0, "text": f"{NAME} said: =1+1"}
    tables["gameday_notes"] = schema.frame(
        "gameday_notes",
        [
            {**note, "kind": "action", "owner": NAME, "state": "open"},
            {**note, "kind": "communication", "audience": "customers", "at": worlds.START},
        ],
    )
    tables["experiment_probes"]["probe"] = HOSTILE
    store = Store(space.store)
    for name, rows in tables.items():
        store.upsert(name, rows)
    common = {"kind": "real", "detected_by": "monitor", "simulated": False, "source": "test", "text": HOSTILE}
    incidents = [
        {
            **common,
            "incident_id": f"{HOSTILE} {i}",
            "title": HOSTILE,
            "services": HOSTILE,
            "severity": HOSTILE,
            "source_uri": HOSTILE,
            "started_at": worlds.START,
            "resolved_at": worlds.START + worlds.minutes(i + 1),
        }
        for i in range(3)
    ]
    store.upsert("incidents", schema.frame("incidents", incidents))
    services = [{"incident_id": row["incident_id"], "service": HOSTILE} for row in incidents]
    store.upsert("incident_services", schema.frame("incident_services", services))
    for job in render.jobs(store, space):
        done = render.render(job, store, space)
        assert (done.state, done.error) == ("made", "")
    gallery.write(space.reports, space.title)
    return space


def gameday_job(space: workspace.Workspace) -> render.Job:
    return render.jobs(Store(space.store), space, "day")[0]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_report_has_its_files_and_no_path_of_this_machine(made: workspace.Workspace) -> None:
    found = files(made.reports / "day")
    assert set(found) == {
        "customer-service.csv", "report.html", "report.ipynb", "result.json", "provenance.json", "slide.png",
    }  # fmt: skip
    assert len(found["report.html"]) < 2_500_000
    for name, content in found.items():
        assert str(made.root).encode() not in content, name
    result = json.loads(found["result.json"])
    assert result["verdicts"] == {"held": 0, "deviated": 1, "inconclusive": 0}
    provenance = json.loads(found["provenance.json"])
    assert provenance["versions"]["experiments"] == 1
    assert provenance["tables"]["series"]["rows"] == 180  # all that lies within hours of the fault


def test_four_experiments_are_an_attachment_and_each_further_one_is_small(tmp_path: Path) -> None:
    """Each has three probes at ten-second points, a timeline of twelve lines, and long texts."""
    sizes = {}
    for many in (4, 8):
        space = workspace.Workspace(tmp_path / str(many), "Test")
        tables: dict[str, list[pd.DataFrame]] = {}
        for i in range(many):
            for name, rows in experiment_with_much_to_tell(i).items():
                tables.setdefault(name, []).append(rows)
        for name, parts in tables.items():
            rows = pd.concat(parts).drop_duplicates(list(schema.key(name)), ignore_index=True)
            Store(space.store).upsert(name, rows)
        done = render.render(gameday_job(space), Store(space.store), space)
        assert (done.state, done.error) == ("made", "")
        sizes[many] = done.path.stat().st_size
        result = json.loads((done.path.parent / "result.json").read_text(encoding="utf-8"))
        assert len(result["experiments"]) == many
    assert sizes[4] <= 2_500_000
    assert (sizes[8] - sizes[4]) / 4 <= 80_000, sizes


def experiment_with_much_to_tell(i: int) -> dict[str, pd.DataFrame]:
    key = f"experiment-{i}"
    said = dict.fromkeys(("symptom", "hypothesis", "prediction", "outcome_text"), f"Words about {key}. " * 20)
    made = worlds.gameday(title=f"Experiment {i}", **said)
    rng = np.random.default_rng(i)
    points = []
    for probe in range(3):
        rows = worlds.series(rng.lognormal(size=1080), scope=f"service:a{i}", metric=f"latency.{probe}")
        at = rows["at"].iloc[0] + pd.to_timedelta(np.arange(len(rows)) * 10, unit="s")
        points.append(rows.assign(at=at.astype(rows["at"].dtype), interval_s=10.0))
    (probe,), (event, _) = (made[n].to_dict("records") for n in ("experiment_probes", "experiment_events"))
    probes = [
        {**probe, "probe": f"p {p}", "metric": f"latency.{p}", "scope": f"service:a{i}"} for p in range(3)
    ]
    lines = [{**event, "position": n, "text": f"Line {n} of the timeline. " * 6} for n in range(12)]
    made |= {"experiment_probes": schema.frame("experiment_probes", probes), "series": pd.concat(points),
             "experiment_events": schema.frame("experiment_events", lines)}  # fmt: skip
    own = {"experiments": {"position": i + 1}}
    return {
        name: rows.assign(
            **{**({"experiment_key": key} if "experiment_key" in rows else {}), **own.get(name, {})}
        ).astype(rows.dtypes)
        for name, rows in made.items()
    }


@pytest.mark.browser
def test_the_page_draws_offline_and_nothing_hostile_runs(made: workspace.Workspace, page, complaints) -> None:
    for name, plots in {"day": 5, "failure-classes": 6, "time-to-restore": 3, "capacity": 2}.items():
        page.goto((made.reports / name / "report.html").as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        assert page.locator(".plot").count() == plots
        assert page.locator(".plot .main-svg").count() >= plots
        assert page.evaluate("window.pwned") is None
        assert page.locator("main script:not([type='application/json'])").count() == 0
        assert page.locator("main img").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        assert name == "capacity" or HOSTILE in page.locator("main").text_content()
        assert complaints == []
    page.goto((made.reports / "index.html").as_uri())
    assert page.locator("h3 a").first.get_attribute("href") == "day/report.html"
    assert HOSTILE in page.locator("h3 a").first.inner_text()
    assert page.evaluate("window.pwned") is None
    assert complaints == []


@pytest.mark.browser
def test_the_policy_itself_stops_a_script_that_escaping_would_have_missed(made, page, tmp_path: Path) -> None:
    whole = (made.reports / "day" / "report.html").read_text(encoding="utf-8")
    broken = whole.replace(
        "</main>", "<script>window.pwned=1</script><img src=x onerror='window.pwned=2'></main>"
    )
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    page.goto((tmp_path / "broken.html").as_uri())
    page.wait_for_selector("body[data-drawn]", timeout=60_000)
    assert page.evaluate("window.pwned") is None


def test_no_name_of_a_person_is_in_any_file_unless_asked_for(made: workspace.Workspace) -> None:
    everything = [p for p in made.reports.rglob("*") if p.is_file()]
    assert len(everything) > 20
    for path in everything:
        for part in NAME.split():
            assert part.encode() not in path.read_bytes(), path.name
    assert b"a villain" in (made.reports / "day" / "result.json").read_bytes()
    assert b"A villain said" in (made.reports / "day" / "customer-service.csv").read_bytes()
    job, *_ = render.jobs(Store(made.store), made, "day", names=True)
    assert (job.parameters["names"], job.title.endswith(NAME)) == (True, True)


def test_the_same_inputs_give_the_same_bytes(
    made: workspace.Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, store = files(made.reports / "day"), Store(made.store)
    assert render.render(gameday_job(made), store, made).state == "unchanged"
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setattr(kernels, "can_fork", lambda: False)  # a cold kernel, where `made` had a warm one
    elsewhere = workspace.Workspace(tmp_path, HOSTILE)
    shutil.copytree(made.store, elsewhere.store)
    assert render.render(gameday_job(elsewhere), Store(elsewhere.store), elsewhere).state == "made"
    assert files(elsewhere.reports / "day") == before


def test_a_failing_notebook_leaves_the_last_report_and_says_so(
    made: workspace.Workspace, tmp_path: Path
) -> None:
    space = workspace.Workspace(tmp_path, "Test")
    shutil.copytree(made.store, space.store)
    shutil.copytree(made.reports / "day", space.reports / "day")
    before = files(space.reports / "day")
    own = tmp_path / "notebooks" / "gameday.ipynb"
    own.parent.mkdir()
    broken = json.loads(workspace.Workspace(tmp_path).notebook("gameday").read_text(encoding="utf-8"))
    broken["cells"][-1]["source"] = ["import os; os._exit(3)"]
    own.write_text(json.dumps(broken), encoding="utf-8")
    dead = render.render(gameday_job(space), Store(space.store), space)
    assert (dead.state, "kernel died" in dead.error) == ("failed", True)
    assert b"What we tried" in (space.reports / "day" / "failure.html").read_bytes()  # the cells that ran
    broken["cells"][-1]["source"] = ["raise ValueError('<b>planted</b>')"]
    own.write_text(json.dumps(broken), encoding="utf-8")
    done = render.render(gameday_job(space), Store(space.store), space)
    assert (done.state, done.error) == ("failed", "ValueError: <b>planted</b>")
    now = files(space.reports / "day")
    assert {name: now[name] for name in before} == before
    assert b"ValueError: &lt;b&gt;planted&lt;/b&gt;" in now["failure.html"]
    assert b"could not be made" in now["failure.html"]
    assert "&lt;b&gt;planted" in gallery.write(space.reports, "Test").read_text(encoding="utf-8")
    own.unlink()
    assert render.render(gameday_job(space), Store(space.store), space).state == "made"
    assert files(space.reports / "day") == before


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones(made: workspace.Workspace) -> None:
    job = gameday_job(made)
    wrong = render.Job(job.report_id, job.title, job.notebook, {**job.parameters, "gameday": "x"})
    with pytest.raises(InputError, match=r"no parameter gameday\..*gameday_id"):
        render.render(wrong, Store(made.store), made, force=True)


@pytest.mark.parametrize(
    "name", ["gameday", "failure_classes", "time_to_restore", "capacity", "next_experiments"]
)
def test_a_notebook_reads_no_table_that_its_provenance_leaves_out(
    made: workspace.Workspace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store, read = Store(made.store).pinned(), set()
    load = Store.load
    monkeypatch.setattr(Store, "load", lambda self, table, **kw: read.add(table) or load(self, table, **kw))
    (job,) = (job for job in render.jobs(store, made) if job.notebook == name)
    read.clear()
    named = views.report_tables(name, job.parameters, store)
    assert read <= named.keys() | {"corrections"}
    read.clear()
    about = {"store": made.store, "versions": "{}", **job.parameters}
    space: dict = {}
    for cell in nbformat.read(made.notebook(name), as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, space)
            space |= about if "parameters" in cell.metadata.get("tags", []) else {}
    assert read
    assert read <= named.keys()


@pytest.mark.parametrize("wanted", ["../../x", "", "day/../day", "nowhere"])
def test_only_reports_that_the_store_can_give(made: workspace.Workspace, wanted: str) -> None:
    with pytest.raises(InputError, match="can be made: day, "):
        render.jobs(Store(made.store), made, wanted)


def test_a_killed_swap_is_mended(tmp_path: Path) -> None:
    for name in (".a.old", "b", ".b.old", ".c.999999999.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").write_text(name)
    render.recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a" / "report.html").read_text() == ".a.old"
    assert (tmp_path / "b" / "report.html").read_text() == "b"


def test_a_day_of_real_faults_renders_with_its_real_figures(shared_data: Path, tmp_path: Path) -> None:
    """Nezha 2022-08-22: through the mapping and gameday.yml that the example writes, to a page."""
    day, nezha = "2022-08-22", shared_data / "nezha"
    example = Path(__file__).resolve().parents[1] / "docs" / "examples" / "nezha.py"
    subprocess.run([sys.executable, example, nezha, day, tmp_path], check=True, capture_output=True)
    space = workspace.Workspace(tmp_path, "Nezha")
    assert pipeline.ingest(Store(space.store), space.inputs(), base=tmp_path).refused.empty
    (job,) = render.jobs(Store(space.store), space, f"nezha-{day}")
    done = render.render(job, Store(space.store), space)
    assert (done.state, done.error) == ("made", "")
    result = json.loads((done.path.parent / "result.json").read_text(encoding="utf-8"))
    assert len(result["experiments"]) == 24
    assert "No heroes took part." in result["text"]
    raw = pd.read_csv(nezha / "rca_data" / day / "metric" / "front_service.csv")
    at = pd.to_datetime(raw["Time"].str.slice(0, 19), utc=True)
    seen = [
        p
        for p in result["probes"]
        if p["probe"] == "front latency p95" and p["window"] == "during" and p["n"]
    ]
    assert len(seen) > 15
    tables = views.gameday_tables(Store(space.store), f"nezha-{day}")["experiments"].set_index(
        "experiment_key"
    )
    for probe in seen:
        start = tables.loc[probe["experiment_key"], "fault_started_at"]
        box = pd.Timedelta(minutes=tables.loc[probe["experiment_key"], "planned_min"])
        # A sample describes the minute that it ends.
        inside = raw[(at - pd.Timedelta("60s") >= start.floor("s")) & (at <= start + box)]["LatencyP95(s)"]
        assert probe["value"] == pytest.approx(inside.mean(), rel=0.02)


def test_a_kernel_is_its_own_process_and_leaves_nothing_behind(
    made: workspace.Workspace, tmp_path: Path
) -> None:
    """Two runs share no state: each sees the modules as the server had them, in a folder and environment of its own."""
    if not kernels.can_fork():
        pytest.skip("this platform cannot fork")
    (tmp_path / "notebooks").mkdir()
    notebook = json.loads(made.notebook("gameday").read_text(encoding="utf-8"))
    probe = [
        "import os, sys, resilience",
        "print(os.getcwd(), hasattr(resilience, 'dirty'), 'sklearn' in sys.modules)",
    ]
    notebook["cells"][-1]["source"] = "\n".join([*probe, "resilience.dirty = True"])
    (tmp_path / "notebooks" / "gameday.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    space = workspace.Workspace(tmp_path, "Test")
    shutil.copytree(made.store, space.store)
    for _ in range(2):
        done = render.render(gameday_job(space), Store(space.store), space, force=True)
        assert (done.state, done.error) == ("made", "")
        page = done.path.read_text(encoding="utf-8")
        assert f"{space.store} False True" in page
    assert [p.name for p in space.store.iterdir() if "ipc" in p.name] == []
    assert list(space.reports.glob(".*")) == []


def test_a_warm_kernel_is_interrupted_and_restarted_as_any_other() -> None:
    """What JupyterLab's buttons do."""
    if not kernels.can_fork():
        pytest.skip("this platform cannot fork")
    asyncio.run(_interrupt_and_restart())


async def _interrupt_and_restart() -> None:
    manager = kernels.WarmKernelManager()
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        printed = asyncio.Event()

        def told(message: dict) -> None:
            if message["msg_type"] == "stream":
                printed.set()

        code = "print('here', flush=True)\nimport time\ntime.sleep(60)"
        waiting = asyncio.create_task(client.execute_interactive(code, output_hook=told, timeout=60))
        await printed.wait()
        await manager.interrupt_kernel()
        assert (await waiting)["content"]["ename"] == "KeyboardInterrupt"
        first = manager.provisioner.pid
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        assert manager.provisioner.pid != first
        assert (await client.execute_interactive("1", timeout=60))["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@pytest.mark.browser
def test_the_gallery_is_searched_and_narrowed_by_keyboard(
    made: workspace.Workspace, page, complaints
) -> None:
    page.goto((made.reports / "index.html").as_uri())
    assert page.locator("#shown").inner_text() == "All 5 reports"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    order = []
    for _ in range(7):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.name || document.activeElement.tagName"))
    assert order == ["words", "year", "style", "verdict", "BUTTON", "A", "SUMMARY"]
    page.locator("[name=words]").fill("time to restore")
    assert (
        page.locator(".card:visible").count() == 0 or "restore" in page.locator(".card:visible").inner_text()
    )
    page.locator("[name=words]").fill("slow window.pwned")
    assert page.locator(".card:visible").count() >= 1
    page.locator("[name=words]").fill("")
    page.locator("[name=verdict]").select_option("deviated")
    assert page.locator("#shown").inner_text() == "1 of 5 reports"
    page.locator("button[type=reset]").click()
    page.wait_for_function("document.getElementById('shown').textContent === 'All 5 reports'")
    assert page.evaluate("window.pwned") is None
    assert complaints == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation(made: workspace.Workspace, page, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    found = []
    for path in sorted(made.reports.rglob("*.html")):
        page.goto(path.as_uri())
        if page.locator(".plot").count():
            page.wait_for_selector("body[data-drawn]", timeout=60_000)
        found += [
            (path.parent.name, wrong["id"], wrong["nodes"][0]["html"][:150])
            for wrong in axe.run(page).response["violations"]
            if wrong["impact"] in ("serious", "critical")
        ]
    assert found == []


@pytest.mark.browser
def test_print_cuts_no_chart(made: workspace.Workspace, page) -> None:
    """On paper every chart is as narrow as the text, and none may be broken across pages."""
    page.set_viewport_size({"width": 1280, "height": 900})
    for path in sorted(made.reports.rglob("report.html")):
        page.emulate_media(media="screen")
        page.goto(path.as_uri())
        if not page.locator(".plot").count():
            continue
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        page.set_viewport_size({"width": 680, "height": 900})  # A4 between its margins
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_timeout(600)
        for figure in page.locator("figure").all():
            assert figure.evaluate("f => getComputedStyle(f).breakInside") == "avoid"
            drawn = "[...f.querySelectorAll('.main-svg')].map(s => s.getBoundingClientRect().width)"
            widths = figure.evaluate(f"f => [f.clientWidth, Math.max(...{drawn})]")
            assert widths[1] <= widths[0] + 1
