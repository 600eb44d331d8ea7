"""A team's own folder: where its data, notebooks and reports lie, and the few settings it has."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from .errors import InputError

CONFIG = "resilience.yml"
INPUTS = tuple(
    f"data/{name}" for name in ("incidents", "series", "gamedays", "labels", "graph", "deployments")
)
CALENDAR = "data/calendar.yml"
_OWN = ("store", "raw", "calendar.yml", "corrections.yml", "taxonomy.yml", "truth.json")
"""What else lies in data/: what commands write there, and files that are looked for by name."""

_CONFIG_TEXT = """\
# Settings of this workspace. Everything else is stated by the data itself.

# Name that pages and the gallery carry.
title: {title}

# IANA zone in which your business lives: the hour of the week of every capacity profile is local to it.
zone: {zone}
"""

_README = """\
# {title}

- `data/incidents/`  incident reports in Markdown and exports of trackers, as many folders as you like
- `data/series/`     metrics: CSV with a `mapping.yml` beside it, or saved Datadog responses (JSON)
- `data/gamedays/<id>/gameday.yml`  one file per GameDay
- `data/labels/root_cause.csv`      human answers to "what was the cause?"
- `data/graph/`      who calls whom: CSV, traces, Kubernetes or Compose files
- `data/deployments/`  what was deployed when: CSV, by hand or exported
- `data/calendar.yml`               freezes, sales, holidays, support hours: when not to experiment
- `data/corrections.yml`            values you correct, incidents you link or unlink
- `notebooks/`       open them with `jupyter lab`; a change here is used by `resilience render`
- `reports/`         rendered pages; open `reports/index.html`

Then: `resilience ingest`, `resilience problems`, `resilience render --all`.
"""


@dataclass(frozen=True)
class Workspace:
    """Folder `root` with its `title` and business `zone`."""

    root: Path
    title: str = "Resilience"
    zone: str = "UTC"

    @property
    def store(self) -> Path:
        return self.root / "data" / "store"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def corrections(self) -> Path | None:
        """data/corrections.yml, also where it is not there; None in a folder that is no workspace and has none."""
        file = self.root / "data" / "corrections.yml"
        return file if file.is_file() or (self.root / CONFIG).is_file() else None

    def inputs(self) -> list[Path]:
        """Folders with something in them, and the calendar, that `resilience ingest` reads when it is given none."""
        folders = [self.root / name for name in INPUTS if any((self.root / name).glob("[!.]*"))]
        return folders + [self.root / CALENDAR] * (self.root / CALENDAR).is_file()

    def strays(self) -> list[str]:
        """Names in data/ that are none of its folders, so that nothing reads them unless it is told to."""
        known = {*_OWN, *(name.removeprefix("data/") for name in INPUTS)}
        return sorted(path.name for path in (self.root / "data").glob("[!.]*") if path.name not in known)

    def notebook(self, name: str) -> Path:
        """The workspace's own notebook where it has one, else the one that came with the package."""
        own = self.root / "notebooks" / f"{name}.ipynb"
        return own if own.is_file() else packaged_notebooks() / f"{name}.ipynb"


def find(start: Path) -> Workspace:
    """The workspace at `start` or the nearest folder above it that holds resilience.yml; else `start` itself."""
    for folder in [start, *start.parents]:
        if (folder / CONFIG).is_file():
            return _read(folder)
    return Workspace(start)


def _read(folder: Path) -> Workspace:
    from .sources import yaml_text

    config, line_of = yaml_text.load(folder / CONFIG, CONFIG)
    known = {"title": "Resilience", "zone": "UTC"}
    if not isinstance(config, dict):
        raise InputError("The file should hold settings.", where=CONFIG, remedy="See `resilience init`.")
    for name in config:
        if name not in known:
            raise InputError(
                f"There is no setting {name!r}.",
                where=CONFIG,
                line=line_of((name,)),
                remedy=f"Settings: {', '.join(known)}.",
            )
    values = known | {name: str(value) for name, value in config.items()}
    if values["zone"] not in available_timezones():
        raise InputError(
            f"{values['zone']!r} is not a zone.",
            where=CONFIG,
            line=line_of(("zone",)),
            remedy="Use an IANA name such as Europe/Berlin.",
        )
    ZoneInfo(values["zone"])
    return Workspace(folder, values["title"], values["zone"])


def create(folder: Path, *, title: str, zone: str) -> Workspace:
    """Make a new workspace with the packaged notebooks; refuses a folder that already is one."""
    if (folder / CONFIG).exists():
        raise InputError(
            "This folder already is a workspace.", where=str(folder), remedy="Edit its resilience.yml."
        )
    for name in (*INPUTS, "notebooks", "reports"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for notebook in sorted(packaged_notebooks().glob("*.ipynb")):
        if not (folder / "notebooks" / notebook.name).exists():
            shutil.copyfile(notebook, folder / "notebooks" / notebook.name)
    if not (folder / "README.md").exists():
        (folder / "README.md").write_text(_README.format(title=title), encoding="utf-8")
    (folder / CONFIG).write_text(_CONFIG_TEXT.format(title=title, zone=zone), encoding="utf-8")
    return _read(folder)


def packaged_notebooks() -> Path:
    """Folder of the notebooks that came with the package; in a checkout, the top-level one."""
    package = Path(str(resources.files("resilience")))
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"
