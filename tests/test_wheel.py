"""What a team gets: the wheel, in an empty environment elsewhere, makes a workspace and renders a GameDay."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from resilience import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "resilience"
GAMEDAY = "vaccine-our-system-2020-12"
UNREACHABLE = re.compile(
    r"connection broken by|Max retries exceeded|Temporary failure in name resolution", re.IGNORECASE
)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Output of `command`; on failure the test says what it printed."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )
    said = done.stdout + done.stderr
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} exited {done.returncode}:\n{said[-4000:]}", pytrace=False)
    return said


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    run(*pip, "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("resilience-*.whl")
    return built


def test_wheel_carries_notebooks_templates_and_nothing_else(wheel: Path) -> None:
    beside = {
        ".data/data/share/jupyter/kernels/resilience-warm/kernel.json"
    }  # where JupyterLab looks for kernels
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".data/" in name} == {
        f"resilience-{__version__}{name}" for name in beside
    }
    inside = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    ours = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    notebooks = {f"resilience/notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert inside == {path.relative_to(ROOT).as_posix() for path in ours} | notebooks
    assert notebooks
    assert "resilience/taxonomy.yml" in inside
    assert any(name.endswith(".html.j2") for name in inside)


def test_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    meta = {name.split(".dist-info/")[1]: name for name in archive.namelist() if ".dist-info/" in name}
    assert "licenses/LICENSE" in meta
    assert "resilience = resilience.cli:main" in archive.read(meta["entry_points.txt"]).decode()


def test_wheel_renders_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    # The pins without the hashes: pip takes none in a constraints file for a wheel that has none itself.
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^[a-z0-9].*?(?= \\$)", lock)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(pins), encoding="utf-8")
    bin_folder = tmp_path / "venv" / "bin"
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    _install(bin_folder / "python", wheel, constraints)

    home = tmp_path / "home"  # no settings, kernels or caches of whoever runs the tests
    home.mkdir()
    resilience = bin_folder / "resilience"
    run(resilience, "init", "ws", cwd=tmp_path, HOME=str(home))
    workspace = tmp_path / "ws"
    run(resilience, "sample", ".", "--size", "small", cwd=workspace, HOME=str(home))
    needed = ["data/gamedays", "data/incidents", *workspace.glob(f"data/series/{GAMEDAY}*.json")]
    run(resilience, "ingest", *needed, cwd=workspace, HOME=str(home))
    run(resilience, "render", GAMEDAY, cwd=workspace, HOME=str(home))

    report = workspace / "reports" / GAMEDAY
    assert {path.name for path in report.iterdir()} >= {
        "report.html",
        "report.ipynb",
        "result.json",
        "provenance.json",
    }
    assert "Vaccine our system" in (report / "report.html").read_text(encoding="utf-8")
    for path in (workspace / "reports").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")  # the slide is a picture
            assert str(ROOT) not in text, path.name
            assert str(tmp_path) not in text, path.name


def _install(python: Path, wheel: Path, constraints: Path) -> None:
    pip = [str(python), "-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "-c", str(constraints), str(wheel)],
        cwd=wheel.parent,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if UNREACHABLE.search(said) and os.environ.get("CI") != "true":
        pytest.skip("pip cannot reach a package registry, which an empty environment needs")
    pytest.fail(f"pip install exited {done.returncode}:\n{said[-4000:]}", pytrace=False)
