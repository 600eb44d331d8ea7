"""Reports as other companies write them: planted times are found, and what is not certain stays empty."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilience.analysis.causes import report_texts
from resilience.plain_text import without_markup
from resilience.sources import report_clocks

from .test_report_houses import moments
from .test_reports import read_one

AZURE = """# PIR – Storage

What happened?

Between 18:00 UTC on 05 June and 03:30 UTC on 06 June 2023, some customers saw errors.

How did we respond?

- 18:00 UTC on 05 June 2023 – Customer impact began.
- 18:08 UTC on 05 June 2023 – Alert fired and the on-call engineer was engaged.
- 03:30 UTC on 06 June 2023 – Incident mitigated.
- 05:10 UTC on 06 June 2023 – All services fully recovered.

How are we making incidents like this less likely?

- We have revised the procedure (Completed).
"""
PAGE = """# Errors on checkout

**Resolved**
This incident has been resolved.
Nov 3, 2020 - 16:35 UTC

**Monitoring**
A fix is in place.
Nov 3, 2020 - 16:02 UTC

**Identified**
We know why.
Nov 3, 2020 - 15:01 UTC

**Investigating**
We are looking.
Nov 3, 2020 - 14:22 UTC
"""
HISTORY = """# API latency (November 2020)

Nov 3, 16:35 UTC
**Resolved** - This incident has been resolved.

Nov 3, 16:02 UTC
**Monitoring** - A fix is in place.

Nov 3, 14:22 UTC
**Investigating** - We are looking.
"""


def test_a_list_of_times_under_any_heading_is_a_timeline(tmp_path: Path) -> None:
    read = read_one(tmp_path, AZURE)
    wanted = {
        "started": "06-05 18:00",
        "detected": "06-05 18:08",
        "mitigated": "06-06 03:30",
        "resolved": "06-06 05:10",
    }
    assert moments(read) == wanted
    assert len(read.timeline) == 4


@pytest.mark.parametrize("text", [PAGE, HISTORY], ids=["time below", "time above, no year"])
def test_updates_of_a_status_page(tmp_path: Path, text: str) -> None:
    read = read_one(tmp_path, text)
    assert moments(read) == {"mitigated": "11-03 16:02", "resolved": "11-03 16:35"}
    assert f"{read.incidents['declared_at'].iloc[0]:%Y-%m-%d %H:%M}" == "2020-11-03 14:22"
    assert read.timeline["text"].iloc[0] == "Resolved: This incident has been resolved."


def test_a_relapse_on_a_status_page_moves_the_end(tmp_path: Path) -> None:
    again = PAGE.replace(
        "**Resolved**", "**Update**\nIt is back.\nNov 3, 2020 - 17:30 UTC\n\n**Resolved**", 1
    )
    assert moments(read_one(tmp_path, again)) == {}


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        (
            "Between 7:14 AM and 10:41 AM PST, on March 4th, 2021, customers experienced errors.",
            ("15:14", "18:41"),
        ),
        ("On March 4, 2021, from 15:14 to 18:41 UTC, the API was unavailable.", ("15:14", "18:41")),
        ("On March 4, 2021, customers saw failures between 16:14 CET and 18:41 UTC.", ("15:14", "18:41")),
        ("The outage lasted from March 4, 2021 at 15:14 UTC until 18:41 UTC.", ("15:14", "18:41")),
        ("Between 15:14 and 18:41 on March 4, 2021, customers experienced errors.", None),  # no zone
        ("Between 15:14 and 18:41 UTC customers experienced errors.", None),  # no date
        ("Between 15:14 and 18:41 UTC on March 4, 2021, engineers rolled back the outage's cause.", None),
        ("Between 15:14 and 18:41 UTC on March 4, 2021, we ate.", None),
    ],
)
def test_the_span_of_the_impact_in_a_sentence(
    tmp_path: Path, sentence: str, wanted: tuple[str, str] | None
) -> None:
    found = moments(read_one(tmp_path, f"# T\n\nWe are sorry. {sentence}\n"))
    assert found == (
        {} if wanted is None else {"started": f"03-04 {wanted[0]}", "mitigated": f"03-04 {wanted[1]}"}
    )


def test_two_spans_are_none_and_a_stated_start_goes_first(tmp_path: Path) -> None:
    span = "Between 15:14 and 18:41 UTC on March 4, 2021, customers experienced errors."
    other = "Between 16:00 and 17:00 UTC on March 4, 2021, some were unable to log in."
    assert moments(read_one(tmp_path, f"# T\n\n{span} {other}\n")) == {}
    assert moments(read_one(tmp_path, f"# T\n\nStart: 2021-03-04 15:00 UTC\n\n{span}\n", "B.md")) == {
        "started": "03-04 15:00"
    }


WAYS = (
    "Between {a:%H:%M} UTC on {a:%B %-d, %Y} and {b:%H:%M} UTC on {b:%B %-d, %Y}, users experienced errors.",
    "From {a:%-d %B %Y}, {a:%H:%M} UTC until {b:%-d %B %Y}, {b:%H:%M} UTC the service was unavailable.",
    "Between {a:%H:%M} UTC on {a:%d %B} and {b:%H:%M} UTC on {b:%d %B %Y}, customers experienced latency.",
    "The outage lasted from {a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M} (all times UTC).",
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 600_000), st.integers(1, 8000), st.sampled_from(WAYS))
def test_a_span_is_as_meant_or_not_known(tmp_path: Path, begin: int, lasts: int, way: str) -> None:
    began = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=begin)
    ended = began + timedelta(minutes=lasts)
    row = read_one(tmp_path, f"# T\n\n{way.format(a=began, b=ended)}\n").incidents.iloc[0]
    for column, meant in (("started_at", began), ("mitigated_at", ended)):
        assert str(row[column]) == "NaT" or row[column] == meant


def test_the_year_of_a_month_in_the_title_is_only_for_days_near_it(tmp_path: Path) -> None:
    lines = "- Nov 3 14:22 UTC Incident started\n- Nov 3 15:00 UTC Alert fired\n- Feb 3 16:00 UTC Incident resolved\n"
    assert moments(read_one(tmp_path, f"# Review of November 2020\n\n## Timeline\n\n{lines}")) == {
        "started": "11-03 14:22",
        "detected": "11-03 15:00",
        "resolved": "02-03 16:00",
    }
    assert moments(read_one(tmp_path, f"# Review\n\n## Timeline\n\n{lines}", "B.md")) == {}


GERMAN = """# Störung der Suche am {day}.{month:02d}.2020

**Schweregrad:** hoch
**Betroffene Dienste:** Suche, Katalog
**Zeitzone:** Europe/Berlin

## Zusammenfassung

Die Suche lieferte nichts.

## Zeitverlauf

- {a}: Beginn der Störung
- {b}: Alarm ausgelöst
- 16:00 Uhr: Störung teilweise behoben
- {c}: Störung behoben

## Ursache

Der Index war leer.

## Maßnahmen

- Index prüfen
"""
FRENCH = """# Panne du paiement

**Gravité :** haute
**Services impactés :** Suche, Katalog
**Date :** mardi 3 novembre 2020

Toutes les heures sont en heure de Paris (CET).

## Résumé

Le paiement a échoué.

## Chronologie

- {a} : début de l'incident
- {b} : une alerte se déclenche
- 16h00 : incident partiellement résolu
- {c} : incident résolu

## Cause racine

Le certificat a expiré.

## Actions

- Surveiller les certificats
"""
SPANISH = """# Caída del carrito

**Severidad:** alta
**Servicios afectados:** Suche, Katalog
**Fecha:** 3 de noviembre de 2020

Todas las horas en CET.

## Resumen

El carrito no respondió.

## Cronología

- {a}: comienza el incidente
- {b}: salta la alerta
- 16:00: incidente parcialmente resuelto
- {c}: incidente resuelto

## Causa raíz

Sin memoria.

## Acciones

- Más memoria
"""


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        (GERMAN, "{:02d}:{:02d} Uhr"),
        (GERMAN, "{:d}.{:02d} Uhr"),
        (FRENCH, "{:d}h{:02d}"),
        (FRENCH, "{:d} h {:02d}"),
        (SPANISH, "{:02d}:{:02d}"),
    ],
)
def test_reports_in_german_french_and_spanish(tmp_path: Path, text: str, clock: str) -> None:
    times = {name: clock.format(*at) for name, at in {"a": (14, 22), "b": (14, 30), "c": (16, 5)}.items()}
    read = read_one(tmp_path, text.format(day=3, month=11, **times))
    assert moments(read) == {"started": "11-03 13:22", "detected": "11-03 13:30", "resolved": "11-03 15:05"}
    row = read.incidents.iloc[0]
    assert row["services"] == "Katalog, Suche"
    assert row[["severity", "summary"]].notna().all()
    assert list(read.incident_factors["kind"]) == ["root cause"]
    assert len(read.actions) == 1


@pytest.mark.parametrize("words", ["1h30m of work", "1h30 later it was over", "2h15 after that"])
def test_a_duration_is_no_clock_time(words: str) -> None:
    assert report_clocks.read(words).clock is None


def test_times_in_brackets_and_a_picture_before_a_heading(tmp_path: Path) -> None:
    lines = "- [2021-09-13 10:00 UTC] Incident started\n- [2021-09-13T10:20Z]: Alert fired\n"
    lines += "- (11:00 UTC) Incident resolved\n"
    read = read_one(tmp_path, f"# T\n\n## 🕐 Timeline\n\n{lines}\n## ✅ Action items\n\n- [ ] Watch it\n")
    assert moments(read) == {"started": "09-13 10:00", "detected": "09-13 10:20", "resolved": "09-13 11:00"}
    assert len(read.actions) == 1


def test_the_classifier_reads_the_words_of_a_page_and_not_its_markup(tmp_path: Path) -> None:
    page = """<html><head><title>T</title><style>.config { release: rollback }</style></head><body>
<div class="table config"><h1>Payments down</h1><p>Payments failed &amp; stopped.</p><!-- deploy -->
<h2>Root cause</h2><p>The <b>disk</b> was full.</p><h2>Actions</h2><p>Deploy more.</p></div></body></html>"""
    rows = read_one(tmp_path, page, "INC-7.html").incidents
    assert report_texts(rows) == ["Payments down\nThe disk was full."]
    assert without_markup("a < b\n\n- <b>x</b>") == "a < b\n\n- <b>x</b>"


@pytest.mark.parametrize("text", ["<script ", "<style>", "<!--", "<a ", "<head></head>", "</style", "<h1>"])
def test_hostile_markup_is_quick(text: str) -> None:
    begin = time.perf_counter()
    without_markup("<p></p>" * 5 + text * 100_000)
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("Impact started at", "Resolved at"),
        ("Incident Start Date/Time", "Incident End Date/Time"),
        ("Downtime start", "Downtime end time"),
        ("Start date and time", "Resolution timestamp"),
    ],
)
def test_keys_of_other_templates(tmp_path: Path, start: str, end: str) -> None:
    fields = f"- **{start}:** 12-May-2023, 08:41 (UTC)\n- **{end}:** 12 May 2023, 09:53 (UTC)\n"
    fields += "- Fixed at: 2023-05-12 09:40 UTC\n"
    read = read_one(tmp_path, f"# T\n\n{fields}- Detected by: Pingdom\n")
    assert moments(read) == {"started": "05-12 08:41", "mitigated": "05-12 09:40", "resolved": "05-12 09:53"}
    assert read.incidents["detected_by"].iloc[0] == "monitor"
