"""Which alert found which planted incident, and which alerts found nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from agents.company import START_MS, Incident
from schemas.times import DAY_MS, parse_iso

FOUND_BY = {
    "viral": ("account-grows",),
    "broken-release": ("reports-fail", "tickets-pile-up"),
    "churn": ("account-goes-quiet", "customers-leave"),
    "lost-tracking": ("nobody-comes",),
}
"""Kind of incident -> the rules of plans/demo.yaml that are meant to find it, the best first."""
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
        found.append((incident, min(matching, key=_at_and_rank(incident), default=None)))
        left = [alert for alert in left if alert not in matching]
    return Findings(found, left)


def _at_and_rank(incident: Incident) -> Callable[[Mapping[str, Any]], tuple[str, int]]:
    """The first alert says it; of those of the same time, that of the best rule."""
    return lambda alert: (str(alert["at"]), FOUND_BY[incident.kind].index(alert["rule"]))


def _is_of(alert: Mapping[str, Any], incident: Incident) -> bool:
    day = (parse_iso(alert["at"]) - START_MS) / DAY_MS
    return (
        alert["rule"] in FOUND_BY[incident.kind]
        and alert["account"] in (incident.account, None)  # or it is about the whole company
        and incident.first_day <= day <= incident.last_day + AFTER_DAYS
    )
