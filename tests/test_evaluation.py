"""What is said about the classifier's scores: checked by hand on small sets, then on public corpora."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience.analysis import calibration, causes, evaluation, taxonomy
from resilience.analysis.causes import CauseClassifier
from resilience.cli import main
from resilience.errors import InputError
from resilience.sources import corpus

from .sizes import FULL

CORPORA = Path(__file__).parent / "corpora"


def test_brier_log_loss_and_calibration_error_by_hand() -> None:
    p, y = np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0, 1])
    assert calibration.brier(p, y) == pytest.approx((0.04 + 0.04 + 0.25 + 0.25) / 2)
    assert calibration.log_loss(p, y) == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)
    assert calibration.ece(np.array([0.9, 0.9, 0.3, 0.3]), np.array([1, 1, 0, 1])) == pytest.approx(
        (0.2 + 0.4) / 4
    )


def test_the_prior_never_counts_the_row_itself() -> None:
    rows = calibration.prior(np.array([0, 0, 1]), 2)
    assert rows == pytest.approx(np.array([[2 / 4, 2 / 4], [2 / 4, 2 / 4], [3 / 4, 1 / 4]]))


def test_calibration_error_by_chance_is_what_calibrated_answers_show() -> None:
    rng = np.random.default_rng(5)
    surest = rng.uniform(0.2, 1, 234)
    mean, tail = calibration.ece_by_chance(surest, seed=1)
    drawn = [calibration.ece(surest, rng.random(234) < surest) for _ in range(400)]
    assert mean == pytest.approx(np.mean(drawn), abs=0.005)
    assert np.mean(np.array(drawn) <= tail) == pytest.approx(0.95, abs=0.03)


def test_risk_and_coverage_by_hand_with_ties() -> None:
    curve = calibration.risk_coverage(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0]))
    assert curve.threshold.tolist() == [0.9, 0.5, 0.1]
    assert curve.coverage.tolist() == [0.25, 0.75, 1]
    assert curve.risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert curve.accuracy_at(0.5) == pytest.approx(2 / 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.05, 1), st.booleans()), min_size=1, max_size=30))
def test_the_threshold_costs_least_of_all_that_are_allowed(rows: list[tuple[float, bool]]) -> None:
    surest, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = calibration.threshold(calibration.risk_coverage(surest, right), 0.6, (0.25, 0.6))

    def cost(at: float) -> float:
        answered = surest >= at
        return float((answered & ~right).sum() + 0.6 * (~answered).sum())

    allowed = [t for t in surest if 0.25 <= t <= 0.6]
    assert found in (allowed or [0.4])
    assert not allowed or cost(found) <= min(map(cost, allowed)) + 1e-6


SAYINGS = {
    "time-limits": "The TLS certificate number {i} of gateway {i} expired at night.",
    "security": "Attackers number {i} ran a DDoS attack on page {i}.",
    "operator": "Engineer {i} ran the command on the wrong server by mistake.",
}


def labelled(n: int = 12, **changed: object) -> evaluation.Labelled:
    texts = [text.format(i=i) for i in range(n) for text in SAYINGS.values()]
    size = len(texts)
    rows = {
        "ids": [f"i{i}" for i in range(size)],
        "texts": {"report": texts, "masked": ["Something broke."] * size},
        "cause": [name for _ in range(n) for name in SAYINGS],
        "others": [()] * size,
        "group": [str(i) for i in range(size)],
        "at": pd.Series(pd.date_range("2021-01-01", periods=size, freq="D", tz="UTC")),
        "read": [None] * size,
    }
    return evaluation.Labelled(**{**rows, **changed})


def test_reports_that_tell_the_same_story_are_never_split() -> None:
    """Near-duplicates share a group, so no fold can learn the answer by heart."""
    texts = ["Frobnicator seven wobbled again in the evening hours."] * 4 + [
        "Completely different words about billing."
    ]
    groups = evaluation._groups(texts, ["a", "b", "c", "d", "a"])
    assert len(set(groups)) == 1
    assert len(set(evaluation._groups(texts[3:], ["a", "b"]))) == 2


def test_scores_of_clear_texts_are_high_and_masked_ones_are_not() -> None:
    mixed = [i % 2 == 0 for i in range(36)]
    distinct = [
        f"{text} {'-'.join(np.random.default_rng(i).choice(list('abcdefghij'), 9))}"
        for i, text in enumerate(labelled().texts["report"])
    ]
    found = evaluation.evaluate(
        labelled(read=mixed, texts={"report": distinct, "masked": labelled().texts["masked"]}), repeats=1
    )
    table = found.table.set_index(["setting", "text", "rows"])
    assert table.loc[(evaluation.RULES, "report", "all"), "macro_f1"] == 1
    assert table.loc[(evaluation.RULES, "masked", "all"), "macro_f1"] < 0.4
    assert {"read", "unread"} <= set(found.table["rows"])
    assert table.loc[(evaluation.RULES, "report", "read"), "n"] == 18
    assert "could be read by the author of the rules" in found.text
    assert (found.table["low"] <= found.table["macro_f1"] + 1e-9).all()


def test_shuffled_labels_score_no_better_than_the_prior() -> None:
    given_ = labelled()
    cause = list(np.random.default_rng(3).permutation(given_.cause))
    found = evaluation.evaluate(labelled(cause=cause), repeats=1)
    held = found.table[(found.table["setting"] == evaluation.RULES) & (found.table["text"] == "report")].iloc[
        0
    ]
    assert held["macro_f1"] < 0.6
    assert held["log_loss"] > held["prior_log_loss"]


def test_too_few_labels_are_refused_and_unknown_ones_counted() -> None:
    with pytest.raises(InputError, match="too few"):
        evaluation.evaluate(labelled(3))
    cause = ["unknown", *labelled().cause[1:]]
    found = evaluation.evaluate(labelled(cause=cause), repeats=1)
    assert "1 report(s) that people call unknown" in found.text
    assert found.table["n"].max() == 35


def test_macro_f1_equals_scikit_learns() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    y, said = rng.integers(0, 4, 60), rng.integers(0, 6, 60)
    assert evaluation.macro_f1(y, said) == pytest.approx(
        f1_score(y, said, average="macro", labels=np.unique(y))
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("file\nx.md\n", "no column cause"),
        ("file,cause\na.md,gremlins\n", "no class 'gremlins'"),
        ("file,cause\nno.md,config\n", "No label names"),
        ("", "not a CSV"),
    ],
)
def test_what_is_no_label_file_of_a_corpus_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "a.md").write_text("# A\n\nThe certificate expired.\n")
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(InputError, match=complaint):
        corpus.read(tmp_path, tmp_path / "labels.csv")


def test_the_folder_is_read_once_per_label_with_its_group(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ncompany: Acme\n---\n\n# A\n\nThe certificate expired.\n")
    (tmp_path / "b.md").write_text("# B\n\nA botnet.\n")
    (tmp_path / "labels.csv").write_text(
        "file,cause,other_causes,read_by_author\na.md,time-limits,config security,yes\nx.md,config,,\n"
    )
    found = corpus.read(tmp_path, tmp_path / "labels.csv")
    assert (found.cause, found.others, found.group, found.read) == (
        ["time-limits"],
        [("config", "security")],
        ["acme"],
        [True],
    )
    assert found.left_out == ["1 label(s) without a report or a class", "1 report(s) without a label"]


def test_two_wording_pools_that_share_no_sentence() -> None:
    """Taught by one hand of the sample, asked about the other: at least .30 above always answering the commonest."""
    from resilience.sample import wording

    slots = {"s": "checkout", "d": "basket", "n": "7", "pct": "30", "ver": "2.1.0", "clock": "10:00"}
    pools: dict[str, tuple[list[str], list[str]]] = {}
    for half in wording.HALVES:
        texts, names = [], []
        for name in taxonomy.packaged().names:
            for one in wording.scenarios(half, name):
                texts.append("\n".join([one.title, one.cause, *one.because]).format_map(slots))
                names.append(name)
        pools[half] = texts, names
    for train, test in (wording.HALVES, wording.HALVES[::-1]):
        model = CauseClassifier(threshold=0).fit(*pools[train])
        y, said = (
            np.searchsorted(model.classes_, part) for part in (pools[test][1], model.predict(pools[test][0]))
        )
        majority = evaluation.macro_f1(y, np.full(len(y), np.bincount(y).argmax()))
        assert evaluation.macro_f1(y, said) >= majority + 0.30


@pytest.mark.parametrize("name", ["dfds", "opensuse"])
def test_corpora_read_after_the_freeze_are_scored_by_one_command(name: str, shared_data: Path) -> None:
    """Labelled after the rules were frozen (docs/taxonomy.md). The floor is far under the scores: it only tells breakage."""
    labels = CORPORA / f"{name}.csv"
    run = CliRunner().invoke(
        main,
        [
            *("evaluate", "causes", str(shared_data / f"{name}-postmortems"), "--labels", str(labels)),
            *("--repeats", "1", "--format", "json"),
        ],
    )
    assert run.exit_code == 0, run.output
    rows = pd.DataFrame(json.loads(run.stdout)).set_index(["setting", "text"])
    rules = rows.loc[(evaluation.RULES, "report")]
    assert rules["macro_f1"] >= rules["majority_f1"] + 0.30
    held = rows.loc[(evaluation.HELD_OUT, "report")]
    assert held["log_loss"] < held["prior_log_loss"]


def test_icco_is_marked_as_read_by_the_author(shared_data: Path) -> None:
    folder = shared_data / "icco-postmortems"
    run = CliRunner().invoke(main, ["evaluate", "causes", str(folder), "--repeats", "1"]) if FULL else None
    assert run is None or "could be read by the author" in run.output
    assert taxonomy.packaged().written_from == (folder.name,)


def test_the_folds_are_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model that answers for a fold was fitted without any report of the groups in it."""
    seen: list[set[str]] = []
    real: Callable[..., CauseClassifier] = CauseClassifier.fit

    def watched(self: CauseClassifier, texts: list[str], names: list[str]) -> CauseClassifier:
        seen.append(set(texts))
        return real(self, texts, names)

    monkeypatch.setattr(CauseClassifier, "fit", watched)
    given_ = labelled(group=[str(i // 6) for i in range(36)])
    texts, names = given_.texts["report"], list(given_.cause)
    evaluation.held_out(texts, names, list(given_.group), taxonomy.packaged())
    groups = evaluation._groups(texts, list(given_.group))
    for trained in seen:
        inside = {groups[i] for i, text in enumerate(texts) if text in trained}
        outside = {groups[i] for i, text in enumerate(texts) if text not in trained}
        assert not inside & outside


def test_masking_takes_the_section_on_the_cause_out() -> None:
    from tests.test_causes import incidents

    report = "# T\nIt was slow.\n## Root cause\nThe certificate expired.\n## Actions\nBuy tea.\n"
    rows = incidents([report])
    assert "certificate" in causes.report_texts(rows)[0]
    assert "certificate" not in causes.report_texts(rows, masked=True)[0]
