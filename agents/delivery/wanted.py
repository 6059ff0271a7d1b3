"""Which alerts a sink gets."""

from collections.abc import Callable
from typing import get_args

from agents.delivery.event import Event
from schemas.plan.models import Severity
from schemas.sinks import Only

_RANKS = {severity: rank for rank, severity in enumerate(get_args(Severity))}
"""The severities, from the least."""


def wanted(only: Only, *, urgent: bool) -> Callable[[Event], bool]:
    """Whether an alert is for a lane: the urgent ones, or the others, of those that all fit."""
    least = _RANKS[only.severity] if only.severity is not None else 0

    def wants(event: Event) -> bool:
        data = event.data
        return (
            data["urgent"] is urgent
            and _RANKS.get(data["severity"], 0) >= least
            and (only.rules is None or data["rule"] in only.rules)
            and (only.owners is None or data.get("owner") in only.owners)
            and (only.level is None or data["level"] == only.level)
        )

    return wants
