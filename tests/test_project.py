"""The shell around the code: one set of dependencies in three files, light imports, and nothing of a machine in git."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import resilience

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

CONDA = {"tzdata": "python-tzdata", "pandera": "pandera-pandas"}
"""Where conda-forge calls a package otherwise than PyPI."""

MEGABYTE = 1 << 20
MACHINE = re.compile(
    r"(?<![\w.-])/(?:home|root|work|mnt|Users)/[\w.]"  # somebody's folders
    r"|\b[A-Z]:\\Users\\"
    r"|\bpypi\.(?:org|python)|\bpythonhosted\b|\bregistry\.npmjs|\bdeb\.debian|\bconda\.anaconda\b",
    re.ASCII,
)


def requirements(*groups: str) -> list[Requirement]:
    """Runtime dependencies, or those of the optional groups named."""
    project = PROJECT["project"]
    named = [line for group in groups for line in project["optional-dependencies"][group]]
    return [Requirement(line) for line in (named or project["dependencies"])]


def lock() -> list[tuple[Requirement, list[str]]]:
    """Each entry of requirements.lock with its hashes."""
    text = re.sub(r"(?m)^\s*#.*$", "", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    entries = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(Requirement(entry.split(" --hash")[0]), re.findall(r"--hash=(\S+)", entry)) for entry in entries]


def pinned() -> dict[str, str]:
    """Name -> version of the lock for this interpreter."""
    here = [need for need, _ in lock() if need.marker is None or need.marker.evaluate()]
    return {canonicalize_name(need.name): str(need.specifier).removeprefix("==") for need in here}


def kept_files() -> list[Path]:
    """Files that git has or would take."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


# One set of dependencies


def test_every_locked_package_has_hashes_and_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert len(lock()) > 100
    for need, hashes in lock():
        assert re.fullmatch(r"==[\w.!+]+", str(need.specifier)), need
        assert hashes, need
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), need


@pytest.mark.parametrize("need", requirements() + requirements("dev"), ids=str)
def test_the_lock_satisfies_pyproject(need: Requirement) -> None:
    assert need.specifier.contains(pinned()[canonicalize_name(need.name)])


def test_the_build_backend_is_locked_too() -> None:
    for line in PROJECT["build-system"]["requires"]:
        need = Requirement(line)
        assert need.specifier.contains(pinned()[canonicalize_name(need.name)])


def test_the_lock_pins_pandas_3() -> None:
    assert pinned()["pandas"].startswith("3.")


def test_conda_environment_has_the_bounds_of_pyproject() -> None:
    stated = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    packages = [Requirement(line) for line in stated["dependencies"] if isinstance(line, str)]
    wanted = {CONDA.get(need.name, need.name): need.specifier for need in requirements()}
    wanted |= {"python": Requirement(f"python{PROJECT['project']['requires-python']}").specifier}
    wanted |= {"pip": Requirement("pip").specifier}
    assert {need.name: need.specifier for need in packages} == wanted
    assert [line for line in stated["dependencies"] if not isinstance(line, str)] == [{"pip": ["-e ."]}]
    assert stated["channels"][0] == "conda-forge"


# Light imports


@pytest.mark.parametrize("module", ["resilience", "resilience.cli"])
def test_import_is_light(module: str) -> None:
    loaded = json.loads(python(f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))"))
    heavy = {
        "deltalake",
        "numpy",
        "pandas",
        "pandera",
        "papermill",
        "plotly",
        "pyarrow",
        "pydantic",
        "scipy",
        "sklearn",
    }
    assert module in loaded
    assert heavy.isdisjoint(loaded)


def test_help_works_from_anywhere(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "resilience"
    began = time.perf_counter()
    shown = subprocess.run([script, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    print(f"resilience --help took {time.perf_counter() - began:.2f} s")
    assert shown.returncode == 0, shown.stderr
    for verb in ("init", "ingest", "problems", "causes", "times", "capacity", "gameday", "render", "status"):
        assert re.search(rf"^  {verb}\b", shown.stdout, re.MULTILINE), verb


# What git holds


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in kept_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures
        lines = enumerate(text.splitlines(), 1)
        found += [
            f"{path.relative_to(ROOT)}:{n}: {m.group()}" for n, line in lines if (m := MACHINE.search(line))
        ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /home/" + "ann/x",
        "cwd=/root/" + ".cache",
        "index: https://pypi." + "org/simple",
        "C:" + "\\Users\\ann",
    ],
)
def test_the_search_for_machines_finds(line: str) -> None:
    assert MACHINE.search(line)


@pytest.mark.parametrize(
    "line", ["/usr/bin/chromium", "https://example.com/home/page", "data/work/items", "a/root/b"]
)
def test_the_search_for_machines_lets_pass(line: str) -> None:
    assert not MACHINE.search(line)


def test_no_file_is_larger_than_a_megabyte() -> None:
    assert [str(path) for path in kept_files() if path.stat().st_size > MEGABYTE] == []


def test_the_version_is_said_once_and_has_a_changelog_entry() -> None:
    version = PROJECT["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert resilience.__version__ == version
    assert re.search(rf"^## \[{re.escape(version)}\]", changes, re.MULTILINE)
    assert re.search(r"^### Changes that move numbers$", changes, re.MULTILINE)


def test_licence_is_the_one_that_pyproject_names() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Copyright resilience contributors" in text


# Makefile and documentation


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8")))


def test_make_alone_lists_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^  make (\w+) ", shown, re.MULTILINE)) == targets()
    assert targets() >= {"install", "demo", "test", "acceptance", "lint", "bench", "lab", "browser", "help"}


def test_every_make_target_that_a_page_names_exists() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"(?:`|^|\s\$ )make ([a-z]+)", page.read_text("utf-8"), re.M)
    }
    assert named <= targets()
    assert {"test", "demo"} <= named


def test_ci_runs_the_readme_s_own_test_command_and_requires_the_browser() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().splitlines()[-1] == "exec make test"
    assert "export RESILIENCE_REQUIRE_BROWSER=1" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# The browser that tests of pages use (tests/pages.py)


@pytest.mark.browser
def test_the_browser_opens_a_file_and_runs_its_script(
    page: Page, complaints: list[str], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text("<h1>x</h1><script>document.title = 'ran'</script>", encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() == "ran"
    assert complaints == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<script>console.error('told')</script>", "console: told"),
        ("<script>throw Error('thrown')</script>", "exception: thrown"),
        ("<img src='http://127.0.0.1:9/x.png'>", "request: http://127.0.0.1:9/x.png"),
        ("<script src='https://example.com/x.js'></script>", "request: https://example.com/x.js"),
    ],
)
def test_the_browser_complains(
    page: Page, complaints: list[str], tmp_path: Path, body: str, complaint: str
) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html>{body}", encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    assert any(complaint in said for said in complaints), complaints
