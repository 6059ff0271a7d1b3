"""Which alert found which planted incident, and which alerts found nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agents.company import START_MS, Incident
from schemas.times import DAY_MS, parse_iso

FOUND_BY = {
    "viral": "account-grows",
    "broken-release": "reports-fail",
    "churn": "account-goes-quiet",
    "lost-tracking": "nobody-comes",
}
"""Kind of incident -> the rule of plans/demo.yaml that is meant to find it."""
AFTER_DAYS = 14
"""An alert may come so long after the last day of an incident."""


class Findings(NamedTuple):
    """`found` has None where nothing did; `false` are alerts without an incident."""

    found: list[tuple[Incident, Mapping[str, Any] | None]]
    false: list[Mapping[str, Any]]


def findings(incidents: Iterable[Incident], alerts: Iterable[Mapping[str, Any]]) -> Findings:
    """Matches data of alerts that stand with what was planted: by rule, subject and time."""
    left = sorted(alerts, key=lambda alert: str(alert["at"]))
    found: list[tuple[Incident, Mapping[str, Any] | None]] = []
    for incident in incidents:
        matching = [alert for alert in left if _is_of(alert, incident)]
        found.append((incident, matching[0] if matching else None))
        left = [alert for alert in left if alert not in matching]
    return Findings(found, left)


def _is_of(alert: Mapping[str, Any], incident: Incident) -> bool:
    day = (parse_iso(alert["at"]) - START_MS) / DAY_MS
    return (
        alert["rule"] == FOUND_BY[incident.kind]
        and alert["account"] == incident.account
        and incident.first_day <= day <= incident.last_day + AFTER_DAYS
    )
