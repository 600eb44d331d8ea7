"""Words that columns are limited to."""

from __future__ import annotations

KINDS = ("real", "drill", "test")
DETECTED_BY = ("monitor", "colleague", "customer", "partner", "unknown")
STYLES = ("informed", "uninformed")
ENVIRONMENTS = ("production", "staging", "isolated")
MOMENTS = ("started", "detected", "declared", "acknowledged", "mitigated", "resolved")
FACTOR_KINDS = ("contributing factor", "root cause", "trigger", "why")
AUDIENCES = ("inside", "customer service", "customers")
COMPONENTS = (
    *MOMENTS,
    *(
        "time to detect",
        "time to restore",
        "zone",
        "timeline",
        "detected by",
        "severity",
        "services",
        "impact",
        "summary",
    ),
    *("factors", "actions", "owners", "messages", "responders"),
)
DATE_FROM = ("line", "row above", "heading", "field", "front matter", "file name")
EXPERIMENT_MOMENTS = ("alerted", "diagnosed", "mitigated", "note")
OUTCOMES = ("solved", "workaround", "not_solved", "not_attempted", "aborted", "not_run")
DEPENDENCY_VERDICTS = ("confirmed", "dismissed")
NOTE_KINDS = ("surprise", "learning", "action", "communication")
ROLLUPS = ("avg", "sum", "min", "max", "count", "last", "unknown")
LINKED_BY = ("id", "similarity", "person")
CALENDAR_KINDS = ("freeze", "sale", "holiday", "enlarged", "support")
STATISTICS = ("mean", "median", "min", "max", "sum", "p95")
