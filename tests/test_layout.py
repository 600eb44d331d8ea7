"""Imports run one way and third-party names are fenced. The table is here, held by reading the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "resilience"

VOCABULARY = {"errors", "failure_classes", "moments", "plain_text"}
"""Words that every layer shares; they import nothing of ours but one another."""

BASE = VOCABULARY | {"schema"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "moments": {"errors"},
    "failure_classes": set(),
    "plain_text": set(),
    "schema": VOCABULARY,
    "sources": BASE,
    "delta": BASE,
    "store": BASE | {"delta"},
    "analysis": BASE,
    "sample": BASE,
    "workspace": BASE | {"sources"},
    "views": BASE | {"kept", "store", "analysis", "points"},
    "points": BASE | {"store"},
    "estate": BASE | {"store", "analysis", "points", "views"},
    "workers": BASE | {"store"},
    "reconcile": BASE | {"sources", "store", "analysis"},
    "clashes": BASE | {"sources"},
    "pipeline": BASE | {"sources", "store", "clashes", "workspace", "reconcile"},
    "files": set(),
    "kept": BASE | {"files", "store"},
    "archive": BASE | {"files"},
    "clean": BASE | {"store"},
    "sync": BASE | {"sources", "store"},
    "sync_forecast": BASE | {"files", "sources", "store", "sync"},
    "sync_records": BASE | {"sources", "store", "archive", "sync", "reconcile"},
    "report": BASE | {"files", "store", "analysis", "workspace", "views", "evidence", "planning", "pipeline"},
    "terminal": set(),
    "evidence": BASE | {"kept", "store", "analysis", "views"},
    "planning": BASE | {"store", "analysis", "views", "evidence"},
    "cli": BASE
    | {
        "files",
        "terminal",
        "sources",
        "store",
        "analysis",
        "sample",
        "workspace",
        "views",
        "pipeline",
        "report",
        "evidence",
        "planning",
        "estate",
        "points",
        "workers",
    }
    | {"archive", "clean", "sync", "sync_forecast", "sync_records"},
}
"""What each part of the package may import of the others, itself aside."""

FENCED: dict[str, tuple[str, ...]] = {
    "datadog_api_client": ("sources.datadog_api",),
    "deltalake": ("store", "delta"),
    "distributed": ("workers",),
    "papermill": ("report",),
    "matplotlib": ("report.slide",),
    "plotly": ("report.figures", "report.export"),
}
"""Third-party package -> the only modules (or packages) that may name it."""

SAMPLE_NEEDS = {"numpy", "orjson", "pandas", "yaml"}
# fmt: off
DISK_NETWORK_CHANCE = {
    "aiohttp", "glob", "http", "httpx", "importlib", "io", "os", "pathlib", "random", "requests", "secrets", "shutil",
    "socket", "sqlite3", "subprocess", "tempfile", "time", "urllib", "urllib3", "uuid",
}
# fmt: on
PACKAGE_DATA = {"analysis.taxonomy", "analysis.faults"}
"""Modules of analysis that may read a file of the package itself: a constant written as YAML, not data."""

CLOCK = {"now", "today", "utcnow"}
DISK_CALLS = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}


def imported(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of every import in `module` (as 'report.render'), inside functions too."""
    package = ("resilience." + module).split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            start = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            # `from .. import store` names a module, `from ..store import Store` what is inside one
            names = [f"{start}.{alias.name}" for alias in node.names] if start == "resilience" else [start]
            yield from ((node.lineno, name) for name in names)
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__") and node.args:
            named = node.args[0]
            yield (
                node.lineno,
                str(named.value) if isinstance(named, ast.Constant) else "a name made at run time",
            )


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def violations(module: str, source: str) -> list[str]:
    """Sentences about what `source`, as resilience module `module`, may not do; empty when it keeps the table."""
    tree = ast.parse(source)
    part = module.split(".")[0]
    if part not in MAY_IMPORT:
        return [f"{module}: {part} is not in the table of parts; say there what it may import"]
    found = []
    for line, name in imported(module, tree):
        top, _, rest = name.partition(".")
        ours = rest.split(".")[0]
        fence = FENCED.get(top)
        if top == "resilience":
            if ours and not ours.startswith("__") and ours != part and ours not in MAY_IMPORT[part]:
                found.append(f"{module}:{line} imports {name}; {part} may not import {ours}")
        elif fence and not any(module == home or module.startswith(home + ".") for home in fence):
            found.append(f"{module}:{line} imports {top}, which is fenced in {', '.join(fence)}")
        elif name == "a name made at run time":
            found.append(f"{module}:{line} imports {name}")
        elif name == "importlib" and module in PACKAGE_DATA:
            continue
        elif part == "analysis" and top in DISK_NETWORK_CHANCE:
            found.append(f"{module}:{line} imports {name}; analysis has no disk, network, clock or chance")
    if part == "analysis":
        packaged = {"calls read_text"} if module in PACKAGE_DATA else set()
        found += [
            f"{module}:{line} {what}" for line, what in impurities(tree) if what.split(":")[0] not in packaged
        ]
    return found


def impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and sentence for each call that reads a disk or a clock, or draws unseeded numbers."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        texts = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
        if name in DISK_CALLS or (name.startswith("read_") and isinstance(node.func, ast.Attribute)):
            yield node.lineno, f"calls {name}: tables are handed in, nothing is loaded"
        elif name in CLOCK or (name in ("Timestamp", "to_datetime") and texts & {"now", "today"}):
            yield node.lineno, f"calls {name}: the time is a parameter"
        elif name == "default_rng" and not node.args and not node.keywords:
            yield node.lineno, "calls default_rng without a seed"


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@pytest.mark.parametrize("module", modules())
def test_imports_run_one_way_and_third_party_names_are_fenced(module: str) -> None:
    assert violations(module, modules()[module].read_text(encoding="utf-8")) == []


def test_the_sample_can_be_taken_apart_from_everything_else() -> None:
    """It must not look at the analyses that it judges (the table above), nor need more than to make and write data."""
    sample = {module: path for module, path in modules().items() if module.startswith("sample.")}
    assert sample
    for module, path in sample.items():
        tops = {
            name.split(".")[0] for _, name in imported(module, ast.parse(path.read_text(encoding="utf-8")))
        }
        assert tops - sys.stdlib_module_names - SAMPLE_NEEDS - {"resilience"} == set(), module


def test_the_table_has_no_circle() -> None:
    settled: set[str] = set()
    while ready := {part for part, needs in MAY_IMPORT.items() if part not in settled and needs <= settled}:
        settled |= ready
    assert settled == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("analysis.times", "from ..store import Store", "may not import store"),
        ("analysis.times", "from .. import sources", "may not import sources"),
        ("analysis.times", "def f():\n    import resilience.pipeline", "analysis.times:2"),
        ("analysis.__init__", "from ..report import figures", "may not import report"),
        ("analysis.times", "from pathlib import Path", "no disk"),
        ("analysis.times", "import os.path", "no disk"),
        ("analysis.times", "from importlib import resources", "no disk"),
        ("analysis.times", "rows = open('x')", "calls open"),
        ("analysis.times", "import pandas as pd\npd.read_csv('x')", "calls read_csv"),
        ("analysis.times", "from datetime import datetime\ndatetime.now()", "the time is a parameter"),
        ("analysis.times", "import pandas as pd\npd.Timestamp('now')", "the time is a parameter"),
        ("analysis.times", "import numpy as np\nnp.random.default_rng()", "without a seed"),
        ("schema", "from . import store", "may not import store"),
        ("sources.reports", "from ..analysis import causes", "may not import analysis"),
        ("sources.reports", "from ..store import Store", "may not import store"),
        ("store", "from .pipeline import ingest", "may not import pipeline"),
        ("pipeline", "from resilience.report import render", "may not import report"),
        ("report.render", "from ..cli import main", "may not import cli"),
        ("sample.world", "from ..analysis import times", "may not import analysis"),
        ("pipeline", "import deltalake", "fenced in store"),
        ("storefront", "import deltalake", "not in the table"),
        ("analysis.times", "import plotly.graph_objects as go", "fenced in report.figures"),
        ("report.panels", "from plotly import graph_objects", "fenced in report.figures"),
        ("pipeline", "from importlib import import_module\nimport_module('papermill')", "fenced in report"),
        ("pipeline", "from importlib import import_module\nimport_module(name)", "made at run time"),
        ("sources.series", "from datadog_api_client import ApiClient", "fenced in sources.datadog_api"),
    ],
)
def test_the_checker_catches(module: str, source: str, complaint: str) -> None:
    (found,) = violations(module, source)
    assert complaint in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("analysis.times", "from . import intervals\nfrom ..schema import frame\nfrom .. import __version__"),
        ("analysis.times", "import numpy as np\nnp.random.default_rng(seed)\nrows['at'].dt.time"),
        ("store", "import time\nfrom deltalake import DeltaTable"),
        ("report.render", "def f():\n    import papermill\nfrom ..pipeline import ingest"),
        ("sources.datadog_api", "from datadog_api_client.v2 import model"),
    ],
)
def test_the_checker_lets_pass(module: str, source: str) -> None:
    assert violations(module, source) == []


def needed_first(module: str, source: str, known: Collection[str]) -> set[str]:
    """Those of `known` that must be whole before the top of `module` is; its own packages are not, as they are under way."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*module.split(".")[: -node.level], *(node.module or "").split(".")]
            names = [[*filter(None, base), alias.name] for alias in node.names]
            found |= {".".join(parts[:i]) for parts in names for i in range(1, len(parts) + 1)}
    parts = module.split(".")
    under_way = {".".join([*parts[:i], "__init__"]) for i in range(len(parts))}
    return {name for name in known if name.removesuffix(".__init__") in found} - under_way


def circle(sources: Mapping[str, str]) -> set[str]:
    """Modules that cannot be imported before others that cannot be imported before them."""
    needs = {module: needed_first(module, source, sources) for module, source in sources.items()}
    settled: set[str] = set()
    while ready := {module for module, of in needs.items() if module not in settled and of <= settled}:
        settled |= ready
    return needs.keys() - settled


def test_whichever_module_is_imported_first_finds_the_others_whole() -> None:
    assert circle({module: path.read_text(encoding="utf-8") for module, path in modules().items()}) == set()


@pytest.mark.parametrize(
    "sources",
    [
        {"a": "from . import b", "b": "from .a import name"},
        {
            "a": "from .rooms.one import name",
            "rooms.__init__": "from .one import name",
            "rooms.one": "from ..a import x",
        },
        {"rooms.__init__": "", "rooms.one": "from .two import x", "rooms.two": "from . import one"},
    ],
)
def test_a_circle_is_found(sources: dict[str, str]) -> None:
    assert circle(sources)


def test_what_is_imported_when_it_is_used_makes_no_circle() -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A\ndef f():\n    from .a import g"
    assert circle({"a": "from .b import f", "b": late}) == set()


def test_papermill_can_be_imported_after_the_engine_that_it_asks_for() -> None:
    """It imports its engines while it is itself half imported."""
    command = "from resilience.report import engine; engine.register()"
    subprocess.run([sys.executable, "-c", command], check=True)
