"""What reports in German, French and Spanish call what those in English name: keys, headings, moments, months."""

from __future__ import annotations

KEYS = {
    "date": "datum, fecha, date de l'incident, fecha del incidente",
    "started_at": "beginn, startzeit, anfang, störungsbeginn, beginn der störung, beginn des vorfalls, début, "
    "heure de début, date de début, début de l'incident, début de la panne, "
    "inicio, hora de inicio, fecha de inicio, inicio del incidente",
    "detected_at": "erkannt, erkannt am, entdeckt, bemerkt, détection, détecté, détecté à, heure de détection, detectado, "
    "detección, hora de detección",
    "mitigated_at": "entschärft, atténué, atténuation, mitigado, mitigación",
    "resolved_at": "ende, endzeit, behoben, behoben am, gelöst, störungsende, ende der störung, wiederhergestellt, fin, "
    "heure de fin, date de fin, fin de l'incident, résolu, résolution, rétabli, resuelto, resolución, hora de fin, "
    "fin del incidente, restablecido",
    "stated_restore_min": "dauer, durée, duración, ausfalldauer, durée de l'incident, duración del incidente",
    "severity": "schweregrad, gravité, sévérité, severidad, gravedad",
    "services": "betroffene dienste, betroffene systeme, dienste, services impactés, services affectés, services touchés, "
    "servicios afectados, servicios",
    "impact": "auswirkung, auswirkungen, impacto",
    "factors": "ursache, grundursache, cause racine, causa raíz, causa",
    "zone": "zeitzone, fuseau horaire, zona horaria",
    "summary": "zusammenfassung, résumé, resumen",
    "detected_by": "entdeckt durch, erkannt durch, détecté par, detectado por",
}
"""Field -> further keys, in lower case, as `report_fields` reads them."""

TIMELINE = r"zeitverlauf|zeitlicher ablauf|zeitleiste|chronologie|déroulé|cronología|línea de tiempo"
CAUSE = r"^(?:grund)?ursachen?\b|causes? racines?\b|causas? raíz\b|^causas?\b"
ACTIONS = r"(?:folge)?maßnahmen|massnahmen|acciones|plan d'action"
SUMMARY = r"zusammenfassung|überblick|résumé|resumen"
IMPACT = r"auswirkung(?:en)?|impacto"
ALL_TIMES = r"alle\s(?:uhr)?zeit(?:en|angaben)\b|toutes\sles\s(?:heures|dates)\b|todas\slas\shoras\b"
UNSURE = (
    r"nicht|noch|teilweise|vermutlich|wahrscheinlich|erneut|ne|pas|partiel(?:lement)?|peut-être|probablement|nouveau"
    r"|parcial(?:mente)?|quizás?|probablemente|todavía|aún|nuevo"
)

_DE = r"(?:der\s|die\s|das\s|ein\s|eine\s)?(?:störung|ausfall|vorfall|incident)"
_FR = r"(?:l['’]\s?|la\s|un\s|une\s)?(?:incident|panne)"
_ES = r"(?:el\s|la\s|un\s|una\s)?(?:incidente|caída|interrupción)"
MARKS = {
    "started": rf"^(?:beginn|start|anfang)\s(?:der|des)\s(?:störung|ausfalls|vorfalls)\b|^{_DE}\s(?:beginnt|begann)\b"
    rf"|^début\sde\s{_FR}\b|^{_FR}\s(?:commence|débute)\b|^(?:comienza|empieza|inicio\sde(?:l|\sla)?)\s{_ES}\b"
    rf"|^{_ES}\s(?:comienza|empieza)\b",
    "detected": r"^(?:erster\s)?alarm\s(?:wird\s|wurde\s)?ausgelöst\b"
    rf"|^{_DE}\s(?:wird\s|wurde\s)?(?:erkannt|entdeckt|bemerkt)\b"
    rf"|^(?:une\s|la\s|première\s){{0,2}}alerte\s(?:se\sdéclenche|déclenchée|reçue)\b|^{_FR}\s(?:est\s)?détectée?\b"
    rf"|^(?:salta|se\sdispara)\s(?:la|una)\s(?:primera\s)?alerta\b|^{_ES}\sdetectad[oa]\b|^se\sdetecta\s{_ES}\b",
    "mitigated": rf"^{_DE}\s(?:ist\s|wurde\s)?entschärft\b|^{_FR}\s(?:est\s)?atténuée?\b|^{_ES}\smitigad[oa]\b",
    "resolved": rf"^{_DE}\s(?:ist\s|wird\s|wurde\s)?(?:vollständig\s)?(?:behoben|beendet|gelöst)\b"
    rf"|^ende\s(?:der|des)\s(?:störung|ausfalls|vorfalls)\b|^{_FR}\s(?:est\s)?(?:résolue?|terminée?)\b|^fin\sde\s{_FR}\b"
    rf"|^{_ES}\s(?:resuelt|terminad)[oa]\b|^fin\sde(?:l|\sla)?\s{_ES}\b",
}
"""Moment -> lines that mark it beyond doubt, as `report_timeline` reads them."""

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero",
            "february februar février fevrier febrero",
            "march märz maerz mars marzo",
            "april avril abril",
            "may mai mayo",
            "june juni juin junio",
            "july juli juillet julio",
            "august août aout agosto",
            "september septembre septiembre setiembre",
            "october oktober octobre octubre",
            "november novembre noviembre",
            "december dezember décembre decembre diciembre",
        ),
        1,
    )
    for name in names.split()
} | {
    name: number
    for number, names in enumerate(
        ["jan", "feb", "mar mär", "apr", "", "jun", "jul", "aug", "sep sept", "oct okt", "nov", "dec dez"], 1
    )
    for name in names.split()
}
"""Name or abbreviation of a month in lower case -> its number."""

WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "mon monday montag lundi lunes",
            "tue tues tuesday dienstag mardi martes",
            "wed wednes wednesday mittwoch mercredi miércoles",
            "thu thur thurs thursday donnerstag jeudi jueves",
            "fri friday freitag vendredi viernes",
            "sat satur saturday samstag samedi sábado",
            "sun sunday sonntag dimanche domingo",
        )
    )
    for name in names.split()
}
"""Name of a weekday in lower case -> its number, Monday 0."""


def any_of(names: dict[str, int]) -> str:
    """A pattern of the names, the longest first, so that none is cut short."""
    return "|".join(sorted(names, key=len, reverse=True))
