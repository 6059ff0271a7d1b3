"""The alert rules of a plan, ready to run: which values they read, and what an alert says."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from schemas.outputs import Signal
from schemas.plan.models import AlertRule, Plan, Watch
from schemas.row_forms.comparing import PredictionRow
from schemas.rows import Row
from schemas.times import iso
from streams.alerting.course import Episode, Seen
from streams.calendar import Calendar
from streams.values.closing import Closing
from streams.values.tally import number

PERCENT = 100
COMPANY, ACCOUNT, USER, PREDICTION = "company", "account", "user", "prediction"
"""Where rules on values are judged: where the values are published. Those on predictions are about
accounts, and judged in the company's last step."""


class Series(NamedTuple):
    """Values that a rule reads."""

    kpi: str
    variant: str
    segment: str


class Rule:
    """A rule on values."""

    def __init__(
        self, rule: AlertRule, rows: Mapping[str, Row], calendar: Calendar, lateness_ms: int
    ) -> None:
        """`lateness_ms`: so long after the end of its day a prediction is final."""
        assert rule.period is not None
        self.plan, self.period, self._calendar = rule, rule.period, calendar
        self.series = tuple(Series(w.kpi, w.variant, w.segment) for w in rule.watches)
        self.sample = None if rule.sample is None else Series(rule.sample.kpi, "", "all")
        read = [(rows[each.kpi], each.variant) for each in self.reads]
        self._closing = Closing(read, rule.period, rows, calendar, lateness_ms)
        self.place = place_of(rule, rows)

    @property
    def reads(self) -> tuple[Series, ...]:
        return self.series if self.sample is None else (*self.series, self.sample)

    def final_ms(self, index: int) -> int:
        """When all that it reads of a period is final."""
        return self._closing.final_ms(index)

    def end_ms(self, index: int) -> int:
        return self._calendar.end_ms(self.period, index)

    def closed(self, watermark_ms: int, after: int | None) -> int:
        """The last index that is final; `after`: one that is known to be, None: none is known."""
        return self._closing.closed(watermark_ms, after)

    def content(
        self, episode: Episode, account: str | None, user: str | None, link: str | None
    ) -> dict[str, Any]:
        """What a reader is shown of an episode."""
        rule = self.plan
        watch, seen = rule.watches[0], episode.seen[0]
        start_ms, _ = self._calendar.bounds_ms(self.period, episode.fired)
        fields = {
            "account": account,
            "before": shown(seen.before),
            "change": shown_change(watch, seen.change),
            "kpi": watch.kpi,
            "period": self.period,
            "segment": watch.segment,
            "start": iso(start_ms),
            "threshold": shown_bound(watch),
            "user": user,
            "value": shown(seen.value),
        }
        return {
            **_words(rule, fields, link),
            "kpi": watch.kpi,
            "period": self.period,
            "value": number(seen.value),
            "change": number(seen.change),
            "threshold": watch.enter,
            "evidence": {"values": self._evidence(episode.seen, episode.fired)},
        }

    def ended(self, episode: Episode) -> list[dict[str, Any]] | None:
        """What the watches saw when an episode ended; None while it lasts."""
        if episode.resolved is None or episode.seen_last is None:
            return None
        return self._evidence(episode.seen_last, episode.resolved)

    def _evidence(self, seen: tuple[Seen, ...], index: int) -> list[dict[str, Any]]:
        watches = zip(self.plan.watches, seen, strict=True)
        return [self._of_watch(watch, each, index) for watch, each in watches]

    def _of_watch(self, watch: Watch, seen: Seen, index: int) -> dict[str, Any]:
        start_ms, end_ms = self._calendar.bounds_ms(self.period, index)
        return {
            "kpi": watch.kpi,
            "variant": watch.variant or None,
            "segment": watch.segment,
            "period": self.period,
            "start": iso(start_ms),
            "end": iso(end_ms),
            "value": number(seen.value),
            "before": number(seen.before),
        }


class Rules:
    """All rules of a plan."""

    def __init__(self, plan: Plan, rows: Mapping[str, Row], calendar: Calendar) -> None:
        self.settings = plan.alerts
        on_values = [each for each in plan.alerts.rules if each.watches]
        lateness_ms = plan.watermark.lateness_ms
        found = [Rule(each, rows, calendar, lateness_ms) for each in on_values]
        self.of_place = {
            place: tuple(each for each in found if each.place == place)
            for place in (COMPANY, ACCOUNT, USER, PREDICTION)
        }
        self.on_signals = tuple(each for each in plan.alerts.rules if each.signal is not None)

    def watched(self, place: str) -> frozenset[str]:
        """The KPIs that rules judged at a place read."""
        return frozenset(each.kpi for rule in self.of_place[place] for each in rule.reads)


def place_of(rule: AlertRule, rows: Mapping[str, Row]) -> str:
    """Where a rule on values is judged."""
    predicted = isinstance(rows[rule.watches[0].kpi], PredictionRow)
    return PREDICTION if predicted else rule.level


def signal_content(rule: AlertRule, signal: Signal, link: str | None) -> dict[str, Any]:
    """What a reader is shown of a signal that is worth an alert."""
    fields = {"account": signal.account, "user": signal.user, "signal": signal.signal}
    return {
        **_words(rule, fields, link),
        "signal": signal.signal,
        "variant": signal.variant,
        "evidence": {"signal": signal.id, **signal.evidence},
    }


def _words(rule: AlertRule, fields: dict[str, Any], link: str | None) -> dict[str, Any]:
    known = _Fields(fields | {"rule": rule.id})
    where = None if link is None else link.format_map(known)
    known["link"] = where
    return {
        "severity": rule.severity,
        "owner": rule.owner,
        "urgent": rule.urgent,
        "title": rule.title.format_map(known),
        "text": None if rule.text is None else rule.text.format_map(known),
        "link": where,
    }


class _Fields(dict[str, Any]):
    """A field that an alert does not have reads as a dash."""

    def __missing__(self, key: str) -> str:
        return "-"


def shown(exact: Fraction | None) -> str:
    """A number as people read it."""
    value = number(exact)
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def shown_change(watch: Watch, change: Fraction | None) -> str:
    if change is None:
        return "-"
    return shown(change) if watch.absolute else f"{float(change * PERCENT):+.0f} %"


def shown_bound(watch: Watch) -> str:
    if watch.against is None or watch.absolute:
        return f"{watch.enter:,}"
    return f"{watch.enter * PERCENT:g} %"
