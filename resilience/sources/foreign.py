"""Files that nobody here reads: what they are, and what to do with them instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .tracked import under

_SUFFIXES = {
    "Unpack it first: what is in it is read.": ".zip .gz .tgz .tar .bz2 .xz .zst .7z .rar",
    "Save it as Markdown (.md) or as a web page (.html) if it is a report.": ".doc .docx .odt .rtf .pdf .pages .ppt .pptx",
    "Convert it to Markdown (.md) if it is a report, as with pandoc.": ".adoc .asciidoc .rst .org .textile .wiki .tex",
    "Save its text as Markdown (.md) if it is a report.": ".eml .msg .mbox",
    "Save the sheet as CSV (docs/sources.md, docs/series-files.md).": ".xls .xlsx .xlsm .ods .tsv",
    "Save it as one JSON reply, as the tracker's API gives it (docs/sources.md).": ".ndjson .jsonl .xml",
    "Write it as CSV with a mapping file beside it (docs/series-files.md).": ".parquet .feather .arrow .orc .avro",
    "Nothing, if it only illustrates a report.": ".png .jpg .jpeg .gif .svg .webp .bmp .mp4 .webm .drawio",
    "A GameDay is gamedays/<id>/gameday.yml, a mapping <name>.mapping.yml beside its CSV, who calls whom lies in a folder "
    "graph, freezes in calendar.yml.": ".yml .yaml",
}
_REMEDY = {suffix: remedy for remedy, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}

_DRAFT = "Draft a gameday.yml from it: `resilience gameday import` (docs/commands.md)."
_WRITE = (
    "What it did belongs into gamedays/<id>/gameday.yml (`resilience gameday new`, docs/gameday-file.md)."
)
_KEYS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"steady_states", "experiment"}), "a Chaos Toolkit journal", _DRAFT),
    (frozenset({"steady-state-hypothesis", "method"}), "the plan of a Chaos Toolkit experiment",
     "Import its journal: `resilience gameday import` (docs/commands.md)."),
    (frozenset({"panels", "schemaVersion"}), "a Grafana dashboard", "Export a panel's data as CSV (docs/series-files.md)."),
    (frozenset({"events"}), "a list of events", "Fetch them with `resilience sync datadog`, if they are Datadog's."),
    (frozenset({"spans"}), "traces", "Put traces, as Jaeger saves them, into a folder graph (docs/service-graph.md)."),
    (frozenset({"alertname"}), "an alert", "Export incidents instead (docs/sources.md)."),
)  # fmt: skip
_AS_REPORT = (
    "Ask it directly as CSV: `resilience placebo FILE`; to keep its incidents, write them as reports with their moments "
    "(docs/incident-reports.md)."
)
_OTHER = (
    "Read are exports of trackers (docs/sources.md; `--as KIND` forces one) and replies of Datadog's timeseries API "
    "(docs/series-files.md)."
)


def suffix_remedy(suffix: str) -> str:
    """What to do with a file of this suffix, which begins with a dot."""
    return _REMEDY.get(suffix, "Save it as Markdown (.md) if it is a report.")


def about_json(data: Any) -> tuple[str, str]:
    """A sentence that says what JSON this is that is not read, and the remedy."""
    name, remedy = _known(data)
    return f"This JSON is {name}, which is not read.", remedy


def _known(data: Any) -> tuple[str, str]:
    first = data[0] if isinstance(data, list) and data else None
    if isinstance(first, Mapping) and {"type", "ts"} <= set(first):
        return "a Slack export", _DRAFT
    if isinstance(first, Mapping) and "series" in first:
        return "a list of replies", "Save each reply as a file of its own, as it came."
    inner = under(data, "data")
    record = next((one for one in (inner, under(data, "result")) if isinstance(one, list) and one), [None])[0]
    if isinstance(record, Mapping) and {"tinyId", "message"} <= set(record):
        return "a reply of Opsgenie", _AS_REPORT
    if isinstance(record, Mapping) and {"sys_id", "number"} <= set(record):
        return "a reply of ServiceNow", _AS_REPORT
    if isinstance(data, list):
        return f"a list of {len(data)} {_named(first)}", _OTHER
    if not isinstance(data, Mapping):
        return "neither an object nor a list", _OTHER
    if under(data, "data", "resultType") is not None:
        return "a reply of Prometheus", "Export the series as CSV with a mapping file (docs/series-files.md)."
    experiment = under(data, "experiment") or data
    if under(experiment, "experimentTemplateId") or under(data, "experimentTemplate"):
        return "an experiment or template of AWS FIS", _WRITE
    kind = data.get("kind")
    if isinstance(kind, str) and "chaos" in str(data.get("apiVersion")).lower():
        return f"a {kind[:40]} of {str(data['apiVersion'])[:60]}", _WRITE
    if {"guid", "stage"} <= set(data):
        return "an attack of Gremlin", _WRITE
    keys = set(data)
    for needed, name, remedy in _KEYS:
        if needed <= keys:
            return name, remedy
    return f"{_named(data)}", _OTHER


def _named(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "values"
    keys = [str(key)[:40] for key in list(value)[:6]]
    return f"an object with {', '.join(keys)}" if keys else "an empty object"
