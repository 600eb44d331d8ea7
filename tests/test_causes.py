"""The classifier, the classes of incidents and what they add up to."""

from __future__ import annotations

import csv
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from resilience import schema
from resilience.analysis import causes, classifier, learning, taxonomy, word_vectors
from resilience.analysis.causes import CauseClassifier
from resilience.errors import InputError, RefusedError
from resilience.failure_classes import FAILURE_CLASSES

from .sizes import FULL

ROOT = Path(__file__).resolve().parents[1]

TOLD = {
    "time-limits": "The TLS certificate of the gateway expired during the night and no client trusted it.",
    "security": "A botnet started a DDoS attack on the login page.",
    "hardware-power": "A power outage in the data center took the generators and every rack with it.",
    "third-party": "The payment provider had an outage on their side and declined every order.",
    "datastore": "The replica lagged behind after a failover of the primary database and writes were lost.",
    "software-bug": "A race condition in the basket code crashed the workers with a null pointer exception.",
}
NOTHING = "Something was slow for a while and later it was fine again."


def incidents(texts: list[str], **columns: Any) -> pd.DataFrame:
    fixed = {
        "kind": "real",
        "title": "Incident",
        "detected_by": "unknown",
        "simulated": False,
        "source": "t",
        "source_uri": "t",
    }
    return schema.frame(
        "incidents", [{"incident_id": f"i{i}", "text": t, **fixed, **columns} for i, t in enumerate(texts)]
    )


def labels(*rows: tuple[str, str, str]) -> pd.DataFrame:
    common = {"labelled_at": "2021-01-01T00:00Z", "taxonomy_version": "1"}
    return schema.frame(
        "labels", [{"incident_id": i, "labelled_by": who, "failure_class": c, **common} for i, who, c in rows]
    )


def test_the_packaged_taxonomy_is_whole() -> None:
    found = taxonomy.packaged()
    assert [*found.names, taxonomy.UNKNOWN] == list(FAILURE_CLASSES)
    assert [m.name for m in found.mechanisms] == ["cascade", "retry-storm", "detection-gap"]
    for entry in (*found.classes, found.unknown):
        assert entry.definition.endswith(".")
        assert len(entry.examples) == 2
    said: dict[str, str] = {}
    for entry in found.classes:
        for phrase in entry.phrases:
            assert said.setdefault(phrase, entry.name) == entry.name, f"{phrase} names two classes"


def test_the_page_states_every_definition_and_the_version() -> None:
    page, found = (ROOT / "docs" / "taxonomy.md").read_text(), taxonomy.packaged()
    assert f"Version {found.version} " in page
    for entry in (*found.classes, found.unknown, *found.mechanisms):
        assert f"| {entry.name} | {entry.definition} |" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The certificate for the gateway had expired.", ["certificate for the gateway had expired"]),
        ("Certificates expire.", ["certificates expire"]),
        ("No expiry.", []),
        ("An uncertificated expiryless text.", []),
        ("It was not a DDoS attack.", []),
        ("We ran out of memory", ["ran out of memory"]),
    ],
)
def test_phrases_match_whole_words_endings_and_gaps(text: str, words: list[str]) -> None:
    found = [hit.words for hit in taxonomy.packaged().hits(text) if hit.weight >= 1]
    assert found == words


def test_causes_weigh_more_than_remedies() -> None:
    def weight(text: str) -> float:
        return sum(h.weight for h in taxonomy.packaged().hits(text) if h.failure_class == "datastore")

    assert weight("The root cause was replication lag.") > weight("There was replication lag.")
    assert weight("There was replication lag.") > weight("In future we will alert on replication lag.")


def test_mechanisms_are_tags_and_not_classes() -> None:
    text = "The failure cascaded; no alert fired and customers reported it."
    assert taxonomy.packaged().mechanisms_in(text) == ["cascade", "detection-gap"]
    assert not {"cascade", "detection-gap"} & {h.failure_class for h in taxonomy.packaged().hits(text)}


@pytest.mark.parametrize(
    "text",
    [
        "", "- a", "version: 1", "classes: [", "version: '1'\nclasses: {a: {definition: x}}\nmechanisms: {}",
        "a: &a [x]\nb: *a", "version: '1'\nclasses: {a: {definition: x, phrases: y}}\nmechanisms: {}",
        "!!python/object/apply:os.system ['true']", "version: '1'\nclasses: 3\nmechanisms: {}",
    ],
)  # fmt: skip
def test_what_is_no_taxonomy_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^taxonomy"):
        taxonomy.parse(text)


def test_matching_stays_linear_on_hostile_text() -> None:
    for text in ("certificate " * 300_000, "a" * 3_000_000, "out of " * 400_000, "\n" * 1_000_000):
        taxonomy.packaged().hits(text)
    causes.report_texts(incidents(["**" * 200_000 + "\n" + "# a" * 200_000, "\n#" * 200_000]))


def test_without_labels_the_phrases_are_the_prior() -> None:
    model = CauseClassifier().fit([], [])
    assert model.predict(list(TOLD.values())).tolist() == list(TOLD)
    assert model.predict([NOTHING, ""]).tolist() == ["unknown", "unknown"]
    found = model.predict_proba([*TOLD.values(), NOTHING, ""])
    assert found.shape == (len(TOLD) + 2, 11)
    assert np.allclose(found.sum(axis=1), 1)
    assert model.predict_proba([]).shape == (0, 11)
    assert model.predict([]).tolist() == []


def test_one_label_teaches_a_word_that_no_phrase_holds() -> None:
    text = "Frobnicator wobbled once more, sadly, and the frobnicator wobble reached checkout."
    before, after = (CauseClassifier().fit([text] * n, ["operator"] * n) for n in (0, 3))
    place = list(before.classes_).index("operator")
    assert after.predict_proba([text])[0, place] > 2 * before.predict_proba([text])[0, place]
    assert "frobnicator" in after.explain([text], ["operator"])[0]


def test_labels_of_the_class_unknown_teach_nothing() -> None:
    model = CauseClassifier().fit([NOTHING] * 3, ["unknown"] * 3)
    assert model.n_labels_ == 0
    assert "unknown" not in model.classes_


def test_it_is_a_scikit_learn_classifier() -> None:
    texts, names = list(TOLD.values()) * 6, list(TOLD) * 6
    model = CauseClassifier(threshold=0.0).fit(texts, names)
    assert clone(model).get_params()["threshold"] == 0.0
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))
    assert np.array_equal(clone(model).fit(texts, names).predict_proba(texts), model.predict_proba(texts))
    assert cross_val_score(model, texts, names, cv=3).mean() == 1.0
    for bad in ((texts, names[:-1]), (["x"], ["gremlins"])):
        with pytest.raises(InputError):
            CauseClassifier().fit(*bad)


def test_it_is_the_same_in_another_process_with_another_hash_seed() -> None:
    code = (
        "import sys; from resilience.analysis.causes import CauseClassifier as C\n"
        "*t, asked = sys.stdin.read().splitlines()\n"
        "print(C().fit(t, ['security', 'config'] * 20).predict_proba([asked]).tobytes().hex())"
    )
    lines = [f"{text} {i}" for i, text in enumerate([*TOLD.values()] * 7)][:41]
    env = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(lines),
        env=env,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    here = CauseClassifier().fit(lines[:-1], ["security", "config"] * 20).predict_proba(lines[-1:])
    assert run.stdout.strip() == here.tobytes().hex()


def test_people_win_over_the_model_and_every_row_adds_up() -> None:
    rows = incidents([*TOLD.values(), NOTHING])
    found = causes.classify(
        rows, labels(("i0", "ana", "config"), ("i6", "ana", "unknown"), ("gone", "ana", "config"))
    )
    table = found.table
    assert table["failure_class"].tolist() == ["config", *list(TOLD)[1:], "unknown"]
    assert table["decided_by"].tolist() == ["label", *["model"] * 5, "label"]
    assert table["probability"].iloc[0] == 1
    assert np.isnan(table["probability"].iloc[6])
    shares = table[[c for c in table if c.startswith("p_")]]
    assert shares.shape[1] == 12
    assert np.allclose(shares.sum(axis=1), 1)
    assert table["p_unknown"].tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert "1 label(s) of reports that are not here" in found.text
    assert "botnet" in table["phrases"].iloc[1]


def test_what_the_model_cannot_tell_is_unknown_with_its_best_guess_beside() -> None:
    found = causes.classify(incidents([NOTHING]))
    row = found.table.iloc[0]
    assert (row["failure_class"], row["decided_by"], row["p_unknown"]) == ("unknown", "none", 1)
    assert row["second_class"] in taxonomy.packaged().names
    assert 0 < row["second_probability"] < 0.4
    assert "No labels yet" in found.text


def test_annotators_who_disagree_share_the_vote_and_it_is_said() -> None:
    rows = incidents([TOLD["security"]])
    found = causes.classify(rows, labels(("i0", "ana", "security"), ("i0", "ben", "capacity")))
    row = found.table.iloc[0]
    assert (row["failure_class"], row["second_class"]) == ("security", "capacity")
    assert (row["p_security"], row["p_capacity"], row["probability"]) == (0.5, 0.5, 0.5)
    assert row["note"] == "annotators disagree: capacity 1, security 1"
    assert "On 1 report(s) annotators disagree" in found.text
    three = labels(("i0", "ana", "security"), ("i0", "ben", "capacity"), ("i0", "cat", "capacity"))
    assert causes.classify(rows, three).table["failure_class"].tolist() == ["capacity"]


def test_the_second_cause_of_a_label_stands_beside_it() -> None:
    given = labels(("i0", "ana", "security")).assign(second_class="capacity").astype({"second_class": "str"})
    row = causes.classify(incidents([NOTHING]), given).table.iloc[0]
    assert (row["failure_class"], row["second_class"], row["p_security"]) == ("security", "capacity", 1)
    assert np.isnan(row["second_probability"])


def test_labels_of_another_taxonomy_are_counted_and_not_used() -> None:
    found = causes.classify(incidents([NOTHING]), labels(("i0", "ana", "gremlins")))
    assert found.table["failure_class"].tolist() == ["unknown"]
    assert "1 label(s) of classes that the taxonomy does not have (gremlins)" in found.text


def test_no_reports_and_repeated_reports() -> None:
    found = causes.classify(incidents([]), labels(("i0", "ana", "config")))
    assert found.table.empty
    assert "no report" in causes.distribution(found).text
    rows = incidents([NOTHING])
    with pytest.raises(InputError, match="repeat an incident"):
        causes.classify(pd.concat([rows, rows]))


def test_the_section_on_the_cause_is_read_and_the_one_on_repair_is_not() -> None:
    report = (
        "# T\nintro\n## Root Cause\nThe certificate expired.\n## Action items\n- Move to another database\n"
        "**Trigger**\nMidnight\nLessons learned:\nUse Postgres\n"
    )
    read = causes.report_texts(incidents([report], title="Down"))[0]
    assert read.splitlines() == ["Down", "The certificate expired.", "Midnight"]


def test_distribution_carries_unknown_and_its_range_is_exact() -> None:
    rows = incidents([*TOLD.values(), NOTHING, NOTHING])
    found = causes.distribution(causes.classify(rows))
    assert found.table["failure_class"].iloc[-1] == "unknown"
    assert found.table["expected"].sum() == pytest.approx(8)
    assert found.table["expected"].iloc[-1] == 2
    assert (found.table["low"] <= found.table["expected"].round()).all()
    assert (found.table["expected"].round() <= found.table["high"]).all()
    assert "2 (25%) cannot be told" in found.text


def test_drills_are_not_counted_among_incidents() -> None:
    rows = pd.concat(
        [incidents([NOTHING]), incidents([NOTHING], kind="drill").assign(incident_id="d")], ignore_index=True
    )
    with pytest.raises(RefusedError, match="drill is not an incident"):
        causes.distribution(causes.classify(rows))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0]), max_size=9))
def test_range_equals_every_outcome_counted(chances: list[float]) -> None:
    mass = np.zeros(len(chances) + 1)
    for outcome in product((0, 1), repeat=len(chances)):
        mass[sum(outcome)] += np.prod([p if yes else 1 - p for p, yes in zip(chances, outcome, strict=True)])
    low, high = causes._range(np.array(chances))
    below = np.cumsum(mass)
    assert low == next(k for k, b in enumerate(below) if b >= 0.025 - 1e-9)
    assert high == next(k for k, b in enumerate(below) if b >= 0.975 - 1e-9)


@settings(max_examples=4, deadline=None)
@given(st.permutations([*TOLD.values(), NOTHING]))
def test_the_order_of_reports_does_not_matter(texts: list[str]) -> None:
    base = [*TOLD.values(), NOTHING]
    rows = incidents(base)
    order = [base.index(t) for t in texts]
    known = labels(("i1", "ana", "security"), ("i2", "ana", "config"))
    one = causes.classify(rows, known).table.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(causes.classify(rows.iloc[order], known).table, one, rtol=1e-4)


def test_two_thousand_reports_train_within_the_time() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(3000)])
    texts = [
        f"{text} {' '.join(rng.choice(words, 40))}" for text in list(TOLD.values()) * (334 if FULL else 50)
    ]
    began = time.process_time()
    CauseClassifier().fit(texts, list(TOLD) * (334 if FULL else 50))
    assert time.process_time() - began < 10


def test_a_fit_on_few_rows_is_the_fit_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turned into as many dimensions as there are rows or not: the same probabilities and explanations."""
    texts, names = [f"{text} {i}" for i in range(8) for text in TOLD.values()], list(TOLD) * 8
    few = CauseClassifier().fit(texts, names)
    monkeypatch.setattr(classifier, "FEW_ROWS", 0)
    many = CauseClassifier().fit(texts, names)
    assert few.predict_proba([*texts, NOTHING]) == pytest.approx(
        many.predict_proba([*texts, NOTHING]), abs=1e-3
    )
    assert few.explain(texts, names) == many.explain(texts, names)


def test_sequences_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_vectors, "COMMON", 1)
    texts = [*TOLD.values(), "a bb ccc  dddd\n\tÉté ß", ""]
    ours = word_vectors.WordVectors(10**6)
    found = ours.fit_transform(texts)[:, len(ours.words) :]
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(texts)
    assert abs(found - theirs).max() < 1e-6
    assert abs(ours.transform(texts[:3])[:, len(ours.words) :] - theirs[:3]).max() < 1e-6


ODD = {
    "empty": "",
    "spaces": " \n\t ",
    "stop words": "the of and",
    "digits": "123 456",
    "emoji": "\N{FIRE}\N{FIRE} \N{SKULL}",
    "German": "Das Zertifikat der Kasse war abgelaufen, niemand hatte es erneuert.",
    "Japanese": "証明書の期限が切れた",
    "Arabic": "انتهت صلاحية الشهادة",
    "control": "\x00\x1b[2J\ud800 down",
    "1 MB": "checkout failed because of the botnet. " * 26_000,
    "one word of 1 MB": "x" * 1_000_000,
}


@pytest.mark.parametrize("n", [0, 12, 40])
def test_any_text_gets_probabilities(n: int) -> None:
    """Untaught, hardly taught and calibrated; odd texts are also taught, and none upsets the others."""
    given_ = [*ODD.values(), *[text for _ in range(9) for text in TOLD.values()]][:n]
    names = (["config"] * len(ODD) + list(TOLD) * 9)[:n]
    model = CauseClassifier().fit(given_, names)
    found = model.predict_proba(list(ODD.values()))
    assert np.allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    assert set(model.predict(list(ODD.values()))) <= {*model.classes_, "unknown"}
    assert len(model.explain(list(ODD.values()), ["security"] * len(ODD))) == len(ODD)


@pytest.mark.parametrize("rare", range(1, 10))
def test_a_class_with_few_examples_does_not_break_calibration(rare: int) -> None:
    texts = [f"{TOLD['security']} {i}" for i in range(35)] + [f"{TOLD['datastore']} {i}" for i in range(rare)]
    model = CauseClassifier().fit(texts, ["security"] * 35 + ["datastore"] * rare)
    assert np.allclose(model.predict_proba(texts).sum(axis=1), 1)
    assert model.predict([TOLD["datastore"], TOLD["security"]]).tolist() == ["datastore", "security"]


def test_labels_of_one_class_only_leave_the_others_possible() -> None:
    model = CauseClassifier().fit([f"{TOLD['security']} {i}" for i in range(40)], ["security"] * 40)
    assert len(model.classes_) == 11
    assert model.predict([TOLD["security"]]).tolist() == ["security"]
    assert model.predict_proba([TOLD["time-limits"]]).argmax() == list(model.classes_).index("time-limits")


def test_parameters_are_set_as_scikit_learn_sets_them() -> None:
    model = CauseClassifier().set_params(threshold=1.0, prior=1.0)
    assert model.get_params()["prior"] == 1.0
    assert set(model.fit([], []).predict(list(TOLD.values()))) == {"unknown"}
    with pytest.raises(ValueError, match="gremlins"):
        model.set_params(gremlins=1)


def test_what_moved_an_answer_is_escaped_on_the_page() -> None:
    from resilience.report import cause_panels

    bad = "<img src=x onerror=alert(1)>"
    rows = incidents([f"{bad} botnet {bad} DDoS attack"] * 2, title=f"{bad} botnet")
    given_ = labels(("i0", "ana", "security"))
    found = causes.classify(rows, given_)
    body = cause_panels.reports_of(rows, found, causes.distribution(found)).body
    assert "botnet" in found.table["phrases"].iloc[1]
    assert "<img" not in body
    assert "&lt;img" in body


RENAMED = """
version: '2'
renamed: {attack: security}
classes:
  security: {definition: An attack., phrases: [ddos, botnet]}
  config: {definition: A setting., phrases: [setting]}
  unknown: {definition: Not told.}
mechanisms: {}
"""


def test_labels_of_a_renamed_class_are_read_under_its_new_name_and_it_is_said() -> None:
    newer = taxonomy.parse(RENAMED)
    given_ = labels(("i0", "ana", "attack"), ("i1", "ana", "config"), ("i2", "ana", "gone"))
    found = causes.classify(incidents([NOTHING] * 3), given_, newer)
    assert found.table["failure_class"].tolist()[:2] == ["security", "config"]
    assert "1 label(s) name a class that was renamed since; they are read under its new name." in found.text
    assert "1 label(s) of classes that the taxonomy does not have (gone)" in found.text
    rows = incidents([*[f"A DDoS from a botnet, {i}." for i in range(4)], NOTHING])
    told = labels(*[(f"i{i}", "ana", "attack") for i in range(4)])
    assert learning.disagreements(rows, told, newer).empty
    assert learning.ask_next(rows, told, newer)["incident_id"].tolist() == ["i4"]


def test_the_two_lists_of_renamed_classes_are_one() -> None:
    from resilience.failure_classes import RENAMED as KNOWN

    assert taxonomy.packaged().renamed == KNOWN


@pytest.mark.parametrize("wrong", ["{config: security}", "{attack: gremlins}", "{attack: attack}"])
def test_what_cannot_be_a_renaming_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="cannot have been renamed"):
        taxonomy.parse(RENAMED.replace("{attack: security}", wrong))


def test_short_reports_in_many_styles_without_labels() -> None:
    """126 reports written before their author had read the phrases; on 'read' ones the phrases were then widened."""
    rows = pd.read_csv(ROOT / "tests" / "corpora" / "short_reports.csv")
    model = CauseClassifier(threshold=0).fit([], [])
    for part, least in (("read", 0.9), ("unread", 0.8)):
        mine = rows[(rows["part"] == part) & (rows["cause"] != "unknown")]
        said = model.predict(list(mine["title"] + "\n" + mine["summary"]))
        assert f1_score(mine["cause"], said, average="macro") >= least
    silent = rows[rows["cause"] == "unknown"]
    assert set(CauseClassifier().fit([], []).predict(list(silent["title"] + "\n" + silent["summary"]))) == {
        "unknown"
    }


@pytest.fixture(scope="module")
def icco(shared_data: Path) -> dict[str, Any]:
    """234 public postmortems: title and summary, class, and a group per company."""
    folder = shared_data / "icco-postmortems"
    rows: dict[str, list[str]] = {"texts": [], "labels": [], "groups": []}
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["cause"] != "unknown":
                _, front, body = (folder / "data" / row["file"]).read_text().split("---", 2)
                about = yaml.safe_load(front)
                rows["texts"].append(f"{about.get('title') or ''}. {about.get('summary') or body}")
                rows["labels"].append(row["cause"])
                rows["groups"].append(str(about.get("company") or row["file"]).lower())
    return {name: np.array(values) for name, values in rows.items()}


def test_public_postmortems_without_labels(icco: dict[str, Any]) -> None:
    found = CauseClassifier(threshold=0).fit([], []).predict(icco["texts"])
    assert (
        f1_score(icco["labels"], found, average="macro") >= 0.62
    )  # asked: .50; half of these were read for the phrases


@pytest.mark.acceptance
def test_public_postmortems_with_labels(icco: dict[str, Any]) -> None:
    f1, first_two, half = [], [], []
    for seed in range(5 if FULL else 1):
        chances, truth = zip(*_held_out(icco, seed), strict=True)
        found, names = np.vstack(chances), np.concatenate(truth)
        classes = np.array(sorted(set(icco["labels"])))
        f1.append(f1_score(names, classes[found.argmax(axis=1)], average="macro"))
        first_two.append((classes[np.argsort(-found, axis=1)[:, :2]] == names[:, None]).any(axis=1).mean())
        surest = np.argsort(-found.max(axis=1))[: len(found) // 2]
        half.append((classes[found.argmax(axis=1)] == names)[surest].mean())
    print(
        f"macro-F1 {np.mean(f1):.3f}, top-2 {np.mean(first_two):.3f}, accuracy at half coverage {np.mean(half):.3f}"
    )
    assert np.mean(f1) >= 0.66
    assert np.mean(first_two) >= 0.82
    assert np.mean(half) >= 0.85


def _held_out(data: dict[str, Any], seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for train, test in folds.split(data["texts"], data["labels"], data["groups"]):
        model = CauseClassifier().fit(data["texts"][train], data["labels"][train])
        yield model.predict_proba(data["texts"][test]), data["labels"][test]
