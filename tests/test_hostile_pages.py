"""Two workspaces that differ in words alone, one harmless and one hostile: Chromium builds the same page of both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from resilience import schema, workspace
from resilience.cli import main
from resilience.report import gallery, render
from resilience.store import Store

from . import worlds
from .sizes import FULL  # else of the notebooks the GameDay's alone

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAYLOADS = (
    "<script>window.pwned=1</script>",
    "</script></style></title></textarea><img src=x onerror=window.pwned=1>",
    "' onmouseover='window.pwned=1' \" autofocus onfocus=\"window.pwned=1",
    "javascript:window.pwned=1",
    "[a](javascript:window.pwned=1) ![b](data:text/html,x) **c** # d",
    "{{ 7*7 }} {% raise %} ${7*7} #{7*7} %{x} {x}",
    "\u202egnp.exe \u2066x",
    "&lt;script&gt;window.pwned=1&lt;/script&gt; &#60;b&#62;",
    "<!-- --> ]]> <a href='javascript:window.pwned=1'>x</a><br><i>y</i>",
    "<svg onload=window.pwned=1><style>*{display:none}</style><base href=//x>",
    "__proto__ constructor $\\href{javascript:window.pwned=1}{x}$",
    "w<" * 5_000,
)
ADDRESSES = (
    "javascript:window.pwned=1",
    "data:text/html,<script>window.pwned=1</script>",
    "//x/<img src=x onerror=x>",
)
LINKS = ('https://x/"onmouseover="window.pwned=1', "https://x/'><script>window.pwned=1</script>")
# Words that mean something to the program, and so are not free: everything else that is text is replaced.
MEANT = {"gameday_id", "experiment_key", "zone", "failure_class", "second_class", "taxonomy_version", "audience", "source",
         "rollup", "unit", "backlog_unit", "row_key", "column_name", "target", "edge_id", "role", "relation"}  # fmt: skip


def free(table: str) -> list[str]:
    """Columns of `table` that hold whatever somebody wrote."""
    columns = schema.TABLES[table][0].to_schema().columns
    text = [name for name, column in columns.items() if "str" in str(column.dtype) and not column.checks]
    return [name for name in text if name not in MEANT and not name.endswith("_kind")]


class Words:
    """For each word of the world one that is not like any other: hostile, or harmless of the same shape and order."""

    def __init__(self, hostile: bool) -> None:
        self._hostile, self._given = hostile, dict[str, str]()
        self._texts, self._addresses = itertools.cycle(PAYLOADS), itertools.cycle(ADDRESSES + LINKS)

    def __call__(self, value: Any, *, address: bool = False) -> Any:
        if pd.isna(value):
            return value
        if value.startswith("service:"):
            return f"service:{self(value.removeprefix('service:'))}"
        if value not in self._given:
            n = len(self._given)
            made = (
                f"{next(self._addresses)}#{n}"
                if address
                else f"{chr(97 + n // 26)}{chr(97 + n % 26)}{next(self._texts)}"
            )
            self._given[value] = made if self._hostile else shape(made)
        return self._given[value]


def shape(text: str) -> str:
    """`text` as harmless letters: words as long, addresses that are followed still followed, the others not."""
    start = next((p for p in ("https://", "javascript:", "data:", "//") if text.startswith(p)), "")
    kept = start if start == "https://" else "/" * len(start)
    return kept + "".join(
        c if c in " \u202e\u2066" or (c.isalnum() and c.isascii()) else "x" for c in text[len(start) :]
    )


def tables() -> dict[str, pd.DataFrame]:
    """Every kind of row that a page shows, in the words of a harmless world."""
    values = np.full(180, 0.5)
    values[60:80] = 2.0
    said: dict[str, Any] = dict.fromkeys(
        ("title", "symptom", "prediction", "hypothesis", "outcome_text", "fallback", "fallback_load_unit"),
        "word",
    )
    said = {name: f"{value} of {name}" for name, value in said.items()}
    backlog = {"backlog_metric": "queue", "backlog_scope": "service:a", "backlog_unit": "messages"}
    done = {
        "fallback_exercised": True,
        "fallback_worked": True,
        "fallback_load": 67.0,
        "expected_backlog": 900.0,
    }
    made = worlds.gameday(worlds.series(values), **said, **backlog, **done)
    made["series"] = pd.concat(
        [
            made["series"],
            worlds.series(values * 400, metric="queue"),
            worlds.series(values, scope="service:b"),
        ]
    )
    made["gamedays"] = made["gamedays"].assign(theme="a theme", summary="a summary")
    day = {"gameday_id": "day", "experiment_key": "exp"}

    def rows(table: str, *given: dict[str, Any]) -> None:
        made[table] = pd.concat(
            [made.get(table, schema.frame(table)), schema.frame(table, given)], ignore_index=True
        )

    notes = [{**day, "kind": kind, "position": i, "text": f"some {kind}", "owner": "an owner", "state": "open"}
             for i, kind in enumerate(("surprise", "learning", "action"))]  # fmt: skip
    told = {**day, "kind": "communication", "position": 9, "text": "a message", "at": worlds.START}
    rows(
        "gameday_notes",
        *notes,
        {**told, "audience": "customers"},
        {**told, "position": 8, "audience": "inside"},
    )
    rows("gameday_roles", {"gameday_id": "day", "role": "villain", "people": 2, "names": "Somebody"})
    rows(
        "experiment_events",
        {**day, "position": 7, "moment": "note", "at": worlds.START, "role": "hero", "text": "slack"},
    )
    rows("experiment_votes", {**day, "option": "production", "votes": 3})
    score = {"gameday_id": "day", "points": 5.0, "at": worlds.START}
    rows(
        "gameday_scores",
        *({**score, "position": i, "team": f"team {i}", "reason": f"reason {i}"} for i in range(3)),
    )
    ask = {"gameday_id": "day", "question": "a question", "asked": 99, "answered": 60, "scale_max": 5.0}
    rows(
        "gameday_surveys", {**ask, "moment": "before", "score": 3.0}, {**ask, "moment": "after", "score": 4.0}
    )
    real = {
        "kind": "real",
        "detected_by": "monitor",
        "simulated": False,
        "source": "markdown",
        "environment": "production",
    }
    for i in range(12):
        began = worlds.START + pd.Timedelta(days=30 * i - 200)
        named = {name: f"{name} {i}" for name in ("title", "text", "summary", "severity")}
        rows(
            "incidents",
            {**real, **named, "incident_id": f"id {i}", "services": "a" if i % 2 else "b", "teams": f"team {i % 3}",
             "source_uri": f"uri {i}", "started_at": began, "detected_at": began + worlds.minutes(5),
             "resolved_at": began + worlds.minutes(40)},
        )  # fmt: skip
        rows("incident_services", {"incident_id": f"id {i}", "service": "a" if i % 2 else "b"})
        rows("labels", {"incident_id": f"id {i}", "failure_class": ("capacity", "config")[i % 2], "labelled_by": "someone",
                        "labelled_at": worlds.START, "taxonomy_version": "1"})  # fmt: skip
    edge = {
        "from_kind": "service",
        "from_name": "b",
        "relation": "calls",
        "to_kind": "service",
        "to_name": "a",
    }
    rows("service_edges", {**edge, "edge_id": "edge", "source": "test"})
    return made


def spoilt(words: Callable[..., Any]) -> dict[str, pd.DataFrame]:
    made = {}
    for name, given in tables().items():
        changed = {
            column: given[column]
            .map(lambda v, c=column: words(v, address=c == "source_uri"))
            .astype(given[column].dtype)
            for column in free(name)
        }
        made[name] = given.assign(**changed)
    return made


def exported(root: Path, words: Callable[..., Any], hostile: bool) -> Path:
    """A CSV whose name, one id that stands twice and one kind are somebody's words: the page of random dates tells them."""
    name = "<img src=x onerror=window.pwned=1><b onclick='x'>"
    days = pd.date_range("2020-01-01", periods=40, freq="9D")
    rows = pd.DataFrame(
        {"id": [f"id {max(i, 1)}" for i in range(40)], "kind": "real", "start": days, "duration": "40 min"}
    )
    rows.loc[0, "kind"] = "another kind"
    rows["id"] = rows["id"].map(words)
    rows["kind"] = rows["kind"].where(rows["kind"] == "real", rows["kind"].map(words))
    file = root / f"{name if hostile else shape(name)}.csv"
    rows.to_csv(file, index=False)
    return file


def rendered(root: Path, hostile: bool) -> workspace.Workspace:
    words = Words(hostile)
    (root / workspace.CONFIG).write_text("title: Test\nzone: UTC\n")
    space = workspace.Workspace(root, words("the title of the workspace"), "UTC")
    for name, rows in spoilt(words).items():
        Store(space.store).upsert(name, rows)
    wanted = render.jobs(Store(space.store), space, None if FULL else "day")
    for done in render.render_all(wanted, Store(space.store), space, at_once=2):
        assert (done.state, done.error) == ("made", "")
    told = exported(root, words, hostile)
    commands = [["placebo", told.name, "--date", "2020-06-01", "--out", "reports/placebo.html"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for command in [*commands, *([["ledger", "--html"]] if FULL else [])]:
            ran = CliRunner().invoke(main, command)
            assert ran.exit_code == 0, ran.output
    gallery.write(space.reports, space.title)
    return space


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[workspace.Workspace, workspace.Workspace]:
    """The harmless workspace and the hostile one, all pages made."""
    harmless, hostile = (
        rendered(tmp_path_factory.mktemp(name), name == "hostile") for name in ("harmless", "hostile")
    )
    return harmless, hostile


# Tags with their attributes; the values of those that are made of no text. Of a drawing only what kinds of things are
# in it, since where its labels and ticks stand depends on how wide a letter is.
BUILT = """() => {
  const shown = new Set(["class", "role", "type", "scope", "tabindex", "colspan", "rowspan", "data-drawn", "lang"]);
  const kind = (href) => (href.match(/^[a-z]+:|^#|^\\/\\//i) || [""])[0];
  const told = (e) => e.tagName + "[" + [...e.attributes].map((a) =>
    a.name === "href" ? "href=" + kind(a.value) : shown.has(a.name) ? `${a.name}=${a.value}` : a.name).sort() + "]";
  const drawing = (e) => e.closest(".js-plotly-plot .svg-container, figure svg");
  const all = [...document.querySelectorAll("*")];
  const inside = all.filter(drawing);
  return {
    page: all.filter((e) => !drawing(e)).map(told),
    drawn: [...new Set(inside.map((e) => e.tagName + "[" + e.getAttributeNames().sort() + "]"))].sort(),
    counts: ["a", "script", "image", "img", "foreignObject", "iframe", "use", "animate"]
      .map((t) => t + inside.filter((e) => e.tagName === t).length),
    handlers: all.flatMap((e) => e.getAttributeNames().filter((n) => n.startsWith("on"))),
    runs: all.filter((e) => /^a$/i.test(e.tagName))
      .filter((e) => /^(javascript|data|vbscript):/i.test((e.getAttribute("href") || "").trim())).length,
    pwned: window.pwned ?? null,
  };
}"""


@pytest.mark.browser
def test_hostile_words_change_nothing_but_text(
    both: tuple[workspace.Workspace, workspace.Workspace], page: Page, complaints: list[str]
) -> None:
    names = sorted(path.relative_to(both[0].reports).as_posix() for path in both[0].reports.rglob("*.html"))
    assert names == sorted(
        path.relative_to(both[1].reports).as_posix() for path in both[1].reports.rglob("*.html")
    )
    assert len(names) == (8 if FULL else 3)
    for name in names:
        built = []
        for space in both:
            page.goto((space.reports / name).as_uri())
            if page.locator(".plot").count():
                page.wait_for_selector("body[data-drawn]", timeout=60_000)
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            built.append(page.evaluate(BUILT))
        harmless, hostile = built
        assert hostile["page"] == harmless["page"], name
        assert hostile["counts"] == harmless["counts"], name
        assert hostile["drawn"] == harmless["drawn"], name
        assert (hostile["handlers"], hostile["runs"], hostile["pwned"]) == ([], 0, None), name
    assert complaints == []
