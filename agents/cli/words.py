"""Words and numbers for people: what a signal says, spans of time, shares, bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from agents.results import Point
from schemas.plan.models import Plan

NOTHING = "-"
_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_UNITS_S = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

_PASSAGES = {"enter": "entered", "leave": "left"}

_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "activated": lambda s: f"{s['user']} activated{_after(s['evidence']['lag_seconds'])}",
    "account_user_milestones.enter": lambda s: f"{s['account']} reached {_reach(s, 'user')}",
    "account_activated_user_milestones.enter": lambda s: (
        f"{s['account']} reached {_reach(s, 'activated user')}"
    ),
}


def sentence(signal: dict[str, Any]) -> str:
    """What a signal says.

    >>> sentence({"signal": "account_user_milestones.enter", "variant": "users=3", "account": "a1"})
    'a1 reached 3 users'
    """
    says = _SENTENCES.get(signal["signal"])
    if says is not None:
        return says(signal)
    kpi, _, passage = signal["signal"].rpartition(".")
    if passage in _PASSAGES:
        subject = signal["account"] or signal["user"]
        return f"{subject} {_PASSAGES[passage]} {kpi.replace('_', ' ')}"
    return " ".join(
        str(signal[name])
        for name in ("account", "user", "signal", "variant")
        if signal[name] is not None
    )


def _after(lag_seconds: float | None) -> str:
    if lag_seconds is None:  # no first action is known before it
        return ""
    return f" after {spoken(lag_seconds)}" if round(lag_seconds) else " at once"


def _reach(signal: dict[str, Any], what: str) -> str:
    count = str(signal["variant"]).removeprefix("users=")
    return f"{count} {what}" if count == "1" else f"{count} {what}s"


def spoken(seconds: float | None) -> str:
    """A span of time in its two largest units.

    >>> [spoken(s) for s in (None, 0, 59.4, 61, 3600, 90718)]
    ['-', '0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']
    """
    if seconds is None:
        return NOTHING
    left, parts = round(seconds), []
    for unit, size in _UNITS_S:
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    said = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(said) or f"0 {parts[-1][1]}"


def sparkline(values: Sequence[float], bars: str = _BARS) -> str:
    """A bar for each value, from nothing to the largest.

    >>> sparkline([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values, default=0) or 1
    return "".join(bars[round(value / top * (len(bars) - 1))] for value in values)


def last_days(days: Sequence[Point], bars: str, most: int) -> str:
    over = [point.value or 0 for point in days if point.over]
    return sparkline(over[-most:], bars)


def bars_of(console: Console) -> str:
    return _BARS if console.encoding.lower().startswith("utf") else _PLAIN_BARS


def printable(text: str) -> str:
    """Ids come from events, and so from anybody: they may not talk to the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def latest(points: Sequence[Point]) -> Point | None:
    """The newest value that is not provisional, else the newest."""
    over = [point for point in points if point.over]
    return next(iter(reversed(over or points)), None)


def as_count(point: Point | None) -> str:
    return NOTHING if point is None or point.value is None else f"{point.value:,.0f}"


def as_share(point: Point | None) -> str:
    return NOTHING if point is None or point.value is None else f"{point.value:.1%}"


def pooled(points: Iterable[Point]) -> tuple[float, int]:
    """The share over all cohorts together, and of how many."""
    pairs = [(p.parts.get("numerator") or 0, p.parts.get("denominator") or 0) for p in points]
    whole = sum(denominator for _, denominator in pairs)
    return sum(numerator for numerator, _ in pairs) / whole if whole else 0.0, whole


def as_share_of(rate: tuple[float, int]) -> str:
    share, whole = rate
    return f"{share:.1%} of {whole:,}" if whole else NOTHING


def zone_of(plan: Plan) -> tzinfo:
    return UTC if plan.timezone == "UTC" else ZoneInfo(plan.timezone)


def date_of(ms: int, zone: tzinfo, *, year: bool = False) -> str:
    moment = datetime.fromtimestamp(ms / 1000, zone)
    return f"{moment.day} {moment:%b %Y}" if year else f"{moment.day} {moment:%b}"
