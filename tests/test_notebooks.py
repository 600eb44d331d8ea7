"""Notebooks stay thin: what they compute and say comes from the library, and papermill can set every parameter."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EXPECTED = {"gameday", "failure_classes", "time_to_restore", "capacity", "next_experiments"}

WORDS = re.compile(r"[a-z]+(-([a-z]+|[0-9]{1,2}))*")
MADE_BY_CHANCE = re.compile(r"[0-9a-f]{8}(-.*)?|[0-9a-f-]{32,}")
TYPES = {"str", "int", "float", "bool"}  # papermill turns others into strings, or fails
HELP = re.compile(r"  # \S.*")
LOGIC = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.If, ast.Try, ast.TryStar,
)  # fmt: skip
LINES = 5


def violations(notebook: NotebookNode) -> list[str]:
    """Sentences about the rules that `notebook` breaks; empty when it keeps them all."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {error}"]
    return [*_shape(notebook), *_parameters(notebook), *_code(notebook)]


def _cells(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def _shape(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        name = cell.get("id", "")
        if not WORDS.fullmatch(name) or MADE_BY_CHANCE.fullmatch(name):
            yield f"cell id {name!r} is not made of words"
    for cell in _cells(notebook, "code"):
        if cell.outputs or cell.execution_count is not None:
            yield f"cell {cell.id} holds an output or a run number"
    headings = [
        (opening.tag, text.content)
        for cell in _cells(notebook, "markdown")
        for tokens in [MarkdownIt().parse(cell.source)]
        for opening, text in pairwise(tokens)
        if opening.type == "heading_open"
    ]
    titles = [text for tag, text in headings if tag == "h1"]
    if len(titles) != 1:
        yield f"has {len(titles)} H1 headings, not one"
    yield from (
        f"section {text!r} asks no question" for tag, text in headings if tag == "h2" and "?" not in text
    )


def _parameters(notebook: NotebookNode) -> Iterator[str]:
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0].cell_type != "code":
        yield f"has {len(tagged)} cells tagged parameters, not one code cell"
        return
    for line in tagged[0].source.splitlines():
        if not _sets_a_parameter(line):
            yield f"parameter {line!r} is not `name: str|int|float|bool = literal  # help`"


def _sets_a_parameter(line: str) -> bool:
    try:
        (statement,) = ast.parse(line).body
        if not (isinstance(statement, ast.AnnAssign) and statement.value is not None):
            return False
        given, stated = type(ast.literal_eval(statement.value)).__name__, ast.unparse(statement.annotation)
        rest = line.encode()[statement.end_col_offset :].decode()
        return given == stated and given in TYPES and HELP.fullmatch(rest) is not None
    except (ValueError, SyntaxError):
        return False


def _code(notebook: NotebookNode) -> Iterator[str]:
    importing = []
    for cell in _cells(notebook, "code"):
        lines = len(cell.source.strip().splitlines())
        if lines > LINES:
            yield f"cell {cell.id} has {lines} lines, more than {LINES}"
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            yield f"cell {cell.id} is not plain Python"
            continue
        yield from (
            f"cell {cell.id} holds {type(node).__name__}: it belongs in the library"
            for node in ast.walk(tree)
            if isinstance(node, LOGIC)
        )
        roots = [root for node in ast.walk(tree) for root in _imports(node)]
        importing += [cell.id] if roots else []
        yield from (
            f"cell {cell.id} imports {root}, not resilience" for root in roots if root != "resilience"
        )
    if len(importing) != 1:
        yield f"imports in {len(importing)} cells ({', '.join(importing)}), not in one"


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [(node.module or "").split(".")[0]] if isinstance(node, ast.ImportFrom) else []


def test_the_notebooks_are_there() -> None:
    assert {path.stem for path in NOTEBOOKS} >= EXPECTED


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path: Path) -> None:
    assert violations(nbformat.read(path, as_version=nbformat.NO_CONVERT)) == []


def good() -> NotebookNode:
    made = nbformat.v4
    return made.new_notebook(
        cells=[
            made.new_markdown_cell("# One title\n\n```\n# not a title\n```", id="title"),
            made.new_code_cell(
                'name: str = "x"  # whose page\ncells: int = -1  # how many\nshare: float = 0.5  # of all',
                id="parameters",
                metadata={"tags": ["parameters"]},
            ),
            made.new_code_cell("from resilience.report import panels", id="imports"),
            made.new_markdown_cell("## What happened?", id="what-happened"),
            made.new_code_cell("panels.show([n for n in name])", id="what-happened-2"),
        ]
    )


def test_the_checker_lets_a_good_notebook_pass() -> None:
    assert violations(good()) == []


def _set(index: int, **fields: object) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[index].update(fields)


def _tag(index: int, *tags: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[index].metadata.update(tags=list(tags))


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (_set(4, outputs=[nbformat.v4.new_output("stream", text="hello")]), "holds an output"),
        (_set(4, execution_count=3), "a run number"),
        (_set(4, id="9f3a01bc"), "not made of words"),
        (_set(4, id="deadbeef"), "not made of words"),
        (_set(4, id="3"), "not made of words"),
        (_set(3, source="# Another title"), "2 H1"),
        (_set(0, source="## No title?"), "0 H1"),
        (_set(0, source="Title\n=====\n\nOther\n====="), "2 H1"),
        (_set(3, source="## Results"), "asks no question"),
        (_tag(1), "0 cells tagged"),
        (_tag(2, "parameters"), "2 cells tagged"),
        (_set(1, source='name: str = "x"'), "literal  # help"),
        (_set(1, source='name = "x"  # help'), "literal  # help"),
        (_set(1, source="share: float = 1  # whole numbers are not floats"), "literal  # help"),
        (_set(1, source="names: list = []  # help"), "literal  # help"),
        (_set(1, source='name: str = str("x")  # help'), "literal  # help"),
        (_set(1, source='name: str = "x  # help"'), "literal  # help"),
        (_set(4, source="import resilience"), "in 2 cells"),
        (_set(2, source="panels = 1"), "in 0 cells"),
        (_set(2, source="import pandas"), "imports pandas"),
        (_set(2, source="from . import x"), "imports , not resilience"),
        (_set(4, source="\n".join("abcdef")), "6 lines"),
        (_set(4, source="%matplotlib inline"), "plain Python"),
        (_set(4, source="def f():\n    pass"), "FunctionDef"),
        (_set(4, source="class A:\n    pass"), "ClassDef"),
        (_set(4, source="for n in name:\n    n"), "For"),
        (_set(4, source="if name:\n    name"), "If"),
        (_set(4, source="try:\n    name\nfinally:\n    name"), "Try"),
        (_set(4, cell_type="poem"), "not a valid notebook"),
    ],
)
def test_the_checker_catches(plant: Callable[[NotebookNode], None], complaint: str) -> None:
    planted = copy.deepcopy(good())
    plant(planted)
    found = violations(planted)
    assert any(complaint in sentence for sentence in found), found
