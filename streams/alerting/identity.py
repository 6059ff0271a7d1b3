"""What makes an alert rule the one that it is."""

from schemas.plan.fingerprint import fingerprint
from schemas.plan.models import AlertRule

_WORDS = {"severity", "owner", "title", "text", "urgent"}


def identity(rule: AlertRule) -> str:
    """Equal for rules that fire alike; words make no difference."""
    return fingerprint(rule.model_dump(mode="json", exclude=_WORDS))
