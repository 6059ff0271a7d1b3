"""An independent reference: every number recomputed from the whole log, slowly, with plain sets.

It shares no code with the product. A log is a list of `Happening`s, `Settings` say what their
names mean, and `Oracle(log, settings, watermark_ms)` gives the values and the standing signals
that the catalogue's definitions demand at that watermark. Nothing here is incremental: to know
who was active in a period it walks over the days of the period.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

KPIS = frozenset(
    {
        "dau",
        "wau",
        "mau",
        "active_accounts",
        "stickiness",
        "average_stickiness",
        "active_days_per_user",
        "active_users_growth",
        "lifecycle_new",
        "lifecycle_returning",
        "lifecycle_resurrecting",
        "lifecycle_dormant",
        "lifecycle_quick_ratio",
        "user_retention_rate",
        "user_churn_rate",
        "cohort_retention",
        "new_signups",
        "activated_users",
        "activated_users_growth",
        "activation_rate",
        "action_to_activation_lag",
        "key_activation_tasks_rate",
        "accounts_3plus_activated_rate",
        "accounts_3plus_active",
        "account_user_milestones",
        "account_activated_user_milestones",
        "core_actions",
        "sessions",
    }
)
"""The rows of the catalogue that the oracle knows."""

SIGNALS = (
    "activated",
    "account_user_milestones.enter",
    "account_activated_user_milestones.enter",
)
"""The signals that the oracle knows."""

MISSING = "(none)"
"""The segment value of a fact without the property."""

Value = int | float | None


@dataclass(frozen=True)
class Happening:
    """One raw event. `alias` makes `previous` the same person as `user`."""

    time_ms: int
    message_id: str
    name: str = ""
    user: str | None = None
    anonymous: str | None = None
    account: str | None = None
    type: str = "track"
    previous: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Once:
    """Every `activation` fact activates."""


@dataclass(frozen=True)
class Times:
    """The n-th `activation` fact activates."""

    times: int


@dataclass(frozen=True)
class DistinctDays:
    """The first `activation` fact of the day that is the n-th of a span of days activates."""

    days: int
    within: int


@dataclass(frozen=True)
class AllTasks:
    """The last of the first facts of each key task activates."""

    tasks: Sequence[str]


Activation = Once | Times | DistinctDays | AllTasks


@dataclass(frozen=True)
class Settings:
    """What a plan says, in the oracle's own words.

    `meaning` lists for each event name the kinds of fact it makes: `activity`, `first_action`,
    `activation`, `session` or `key_task:<name>`; the entry `*` holds for every name.
    `dimensions` are the event properties that values are also split by.
    """

    meaning: Mapping[str, Sequence[str]]
    timezone: str = "UTC"
    week_start: str = "monday"
    dimensions: Sequence[str] = ()
    excluded_trait: tuple[str, str] | None = None
    core_tasks: Sequence[str] = ()
    activation_tasks: Sequence[str] = ()
    activation_tasks_min: int = 1
    accounts_active_users_min: int = 3
    cohort_days: Sequence[int] = (1, 7, 30)
    activation_days: int = 14
    key_tasks_days: int = 14
    lag_days: int | None = None
    milestones: Sequence[int] = (1, 3, 5, 10, 25, 50, 100)
    activated_milestones: Sequence[int] = ()
    activation: Activation = Once()
    only: Sequence[str] = ()
    """KPI ids; none listed: all."""
    account_level: Sequence[str] = ()
    extra_periods: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Key(NamedTuple):
    kpi: str
    variant: str | None
    level: str
    subject: str | None
    segment: str
    period: str
    start_ms: int
    end_ms: int


class Row(NamedTuple):
    """A value as it must read at the watermark.

    `final`: the watermark has passed the end of the period and the row's horizon.
    `due`: the watermark has passed the start of the period's last day, so it must be out.
    """

    value: Value
    parts: Mapping[str, Value]
    final: bool
    due: bool


class Standing(NamedTuple):
    """A signal that is not retracted; `lag_seconds` is None where the signal has none."""

    signal: str
    variant: str | None
    account: str | None
    user: str | None
    at_ms: int
    lag_seconds: float | None


class Fact(NamedTuple):
    kind: str
    time_ms: int
    order: tuple[int, str]
    person: str | None
    account: str | None
    properties: Mapping[str, str]


IN_NO_SEGMENT: Mapping[str, str] = {"": "in no segment"}
"""Properties of what several events make together."""


def in_segment(f: Fact, segment: tuple[str, str] | None) -> bool:
    """Whether a fact has the segment's property value; None takes every fact."""
    if f.properties is IN_NO_SEGMENT:
        return segment is None
    return segment is None or f.properties.get(segment[0], MISSING) == segment[1]


class Window(NamedTuple):
    """A period of whole local days `[first, after)`; `start_ms` and `end_ms` bound it."""

    period: str
    first: int
    after: int
    start_ms: int
    end_ms: int


def ratio(numerator: int, denominator: int) -> float | None:
    return None if denominator == 0 else numerator / denominator


def quantile_ms(values: Sequence[int], p: Fraction) -> Fraction:
    """Linear interpolation between sorted values at `p * (n - 1)`."""
    ordered = sorted(values)
    position = p * (len(ordered) - 1)
    below = position.numerator // position.denominator
    if below == len(ordered) - 1:
        return Fraction(ordered[below])
    return ordered[below] + (position - below) * (ordered[below + 1] - ordered[below])


def seconds(ms: Fraction) -> float:
    exact = ms / 1000
    return exact.numerator / exact.denominator


def kaplan_meier_median_ms(lags: Sequence[int], censored: Sequence[int]) -> int | None:
    """The smallest lag by which at most half survive; an end at a tie comes before a censoring."""
    surviving = Fraction(1)
    for lag in sorted(set(lags)):
        at_risk = sum(x >= lag for x in lags) + sum(x >= lag for x in censored)
        surviving *= 1 - Fraction(sum(x == lag for x in lags), at_risk)
        if surviving <= Fraction(1, 2):
            return lag
    return None


@dataclass(frozen=True)
class Days:
    """Local days as numbers from 1970-01-01."""

    timezone: str
    week_start: str

    def of(self, ms: int) -> int:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        return (moment.astimezone(ZoneInfo(self.timezone)).date() - date(1970, 1, 1)).days

    @cache  # noqa: B019 (a few zones, for as long as the tests run)
    def start_ms(self, day: int) -> int:
        local = date(1970, 1, 1) + timedelta(days=day)
        midnight = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(self.timezone))
        return round(midnight.timestamp() * 1000)

    def window(self, period: str, first: int, after: int) -> Window:
        return Window(period, first, after, self.start_ms(first), self.start_ms(after))

    @cache  # noqa: B019
    def holding(self, period: str, day: int) -> Window:
        """The window of `period` that holds `day`; of a trailing period, the one it ends."""
        if period == "day":
            return self.window(period, day, day + 1)
        if period == "trailing_7d":
            return self.window(period, day - 6, day + 1)
        if period == "trailing_30d":
            return self.window(period, day - 29, day + 1)
        local = date(1970, 1, 1) + timedelta(days=day)
        if period == "week":
            back = local.isoweekday() % 7 if self.week_start == "sunday" else local.weekday()
            return self.window(period, day - back, day - back + 7)
        if period == "month":
            first = local.replace(day=1)
            after = (first + timedelta(days=32)).replace(day=1)
            return self.window(period, day - (local - first).days, day + (after - local).days)
        raise ValueError(f"no period of days: {period}")

    def before(self, window: Window) -> Window:
        return self.holding(window.period, window.first - 1)


def leaf(user: str | None, anonymous: str | None) -> str | None:
    if user is not None:
        return f"u:{user}"
    return None if anonymous is None else f"anon:{anonymous}"


def shown(person: str) -> str:
    return person.removeprefix("u:")


def persons(log: Iterable[Happening]) -> Callable[[str], str]:
    """Maps a leaf to its person: the end of the pointers that the latest identifications set.

    Only `identify` and `alias` identify; that an id is itself says nothing.
    """
    claims: dict[str, tuple[tuple[int, str], str]] = {}
    for e in log:
        if e.user is None or e.type not in ("identify", "alias"):
            continue
        target = f"u:{e.user}"
        sources = []
        if e.previous is not None:
            sources += [f"u:{e.previous}", f"anon:{e.previous}"]
        elif e.anonymous is not None:
            sources.append(f"anon:{e.anonymous}")
        for source in sources:
            if source != target:
                claim = ((e.time_ms, e.message_id), target)
                claims[source] = max(claims.get(source, claim), claim)

    def person(of: str) -> str:
        path = [of]
        while path[-1] in claims:
            following = claims[path[-1]][1]
            if following in path:
                return min(path[path.index(following) :])
            path.append(following)
        return path[-1]

    return person


class Oracle:
    """All values and standing signals of a log at a watermark, see `values` and `signals`."""

    def __init__(self, log: Iterable[Happening], settings: Settings, watermark_ms: int) -> None:
        self.settings = settings
        self.watermark_ms = watermark_ms
        self.days = Days(settings.timezone, settings.week_start)
        once = {e.message_id: e for e in log}
        self.log = sorted(once.values(), key=lambda e: (e.time_ms, e.message_id))
        self.person = persons(self.log)
        self.facts = list(self._facts())
        self.of_kind: dict[str, list[Fact]] = defaultdict(list)
        for f in self.facts:
            self.of_kind[f.kind].append(f)
        self.activations = self._activations(lambda f: f.person)
        self.member_activations = self._activations(
            lambda f: None if f.account is None or f.person is None else (f.account, f.person)
        )
        self.values: dict[Key, Row] = {}
        if self.facts:
            self._all_values()
        self.signals = set(self._activated()) | set(self._milestones_reached())

    # ---- what the events mean

    def _excluded(self) -> set[str]:
        if self.settings.excluded_trait is None:
            return set()
        name, value = self.settings.excluded_trait
        latest: dict[str, str] = {}
        for e in self.log:
            who = leaf(e.user, e.anonymous)
            if e.type == "identify" and who is not None and name in e.traits:
                latest[self.person(who)] = e.traits[name]
        return {who for who, given in latest.items() if given == value}

    def _facts(self) -> Iterator[Fact]:
        excluded = self._excluded()
        for e in self.log:
            if e.type != "track":
                continue
            who = leaf(e.user, e.anonymous)
            person = None if who is None else self.person(who)
            if person in excluded:
                continue
            meaning = self.settings.meaning
            for kind in {*meaning.get(e.name, ()), *meaning.get("*", ())}:
                order = (e.time_ms, e.message_id)
                yield Fact(kind, e.time_ms, order, person, e.account, e.properties)

    def _of(self, kind: str, segment: tuple[str, str] | None = None) -> list[Fact]:
        """Facts of a kind in order of time, those of the segment's property value alone."""
        return [f for f in self.of_kind.get(kind, ()) if in_segment(f, segment)]

    def _segments(self) -> Iterator[tuple[str, tuple[str, str] | None]]:
        yield "all", None
        for dimension in self.settings.dimensions:
            for value in sorted({f.properties.get(dimension, MISSING) for f in self.facts}):
                yield f"{dimension}={value}", (dimension, value)

    @staticmethod
    def _firsts(facts: Iterable[Fact]) -> dict[str, Fact]:
        """The first fact of each person."""
        firsts: dict[str, Fact] = {}
        for f in facts:
            if f.person is not None:
                firsts[f.person] = min(firsts.get(f.person, f), f, key=lambda x: x.order)
        return firsts

    def _activations(self, who: Callable[[Fact], Any]) -> list[Fact]:
        """What activates: under Once each fact, else what each subject's facts make together."""
        rule = self.settings.activation
        if isinstance(rule, Once):
            return [f for f in self._of("activation") if who(f) is not None]
        kinds = ["activation"]
        if isinstance(rule, AllTasks):
            kinds = [f"key_task:{task}" for task in rule.tasks]
        subjects: dict[Any, list[Fact]] = defaultdict(list)
        for kind in kinds:
            for f in self._of(kind):
                if who(f) is not None:
                    subjects[who(f)].append(f)
        made = []
        for facts in subjects.values():
            instant = self._together(rule, sorted(facts, key=lambda f: f.order))
            if instant is not None:
                made.append(instant._replace(kind="activation", properties=IN_NO_SEGMENT))
        return made

    def _together(self, rule: Activation, facts: Sequence[Fact]) -> Fact | None:
        """The fact, of those of one subject in order, at which they activate it."""
        if isinstance(rule, Times):
            return facts[rule.times - 1] if len(facts) >= rule.times else None
        if isinstance(rule, AllTasks):
            firsts = [
                next((f for f in facts if f.kind == f"key_task:{task}"), None)
                for task in rule.tasks
            ]
            known = [f for f in firsts if f is not None]
            return max(known, key=lambda f: f.order) if len(known) == len(firsts) else None
        if isinstance(rule, DistinctDays):
            for f in facts:
                day = self.days.of(f.time_ms)
                active = {self.days.of(x.time_ms) for x in facts}
                if len([d for d in active if day - rule.within < d <= day]) >= rule.days:
                    return f
        return None

    # ---- periods

    def _windows(self, kpi: str, periods: Sequence[str]) -> Iterator[Window]:
        """Every window that may differ from nothing: from the first fact to the watermark."""
        first = self.days.of(min(f.time_ms for f in self.facts))
        last = self.days.of(self.watermark_ms)
        for period in [*periods, *self.settings.extra_periods.get(kpi, ())]:
            seen: set[Window] = set()
            for day in range(first, last + 1):
                window = self.days.holding(period, day)
                if window not in seen and window.after - 1 <= last:
                    seen.add(window)
                    yield window

    def _put(
        self,
        kpi: str,
        window: Window,
        value: Value,
        *,
        segment: str = "all",
        variant: str | None = None,
        account: str | None = None,
        parts: Mapping[str, Value] | None = None,
        final_at_ms: int | None = None,
    ) -> None:
        if self.settings.only and kpi not in self.settings.only:
            return
        level = "company" if account is None else "account"
        key = Key(
            kpi, variant, level, account, segment, window.period, window.start_ms, window.end_ms
        )
        last_day_ms = self.days.start_ms(window.after - 1)
        if window.period == "hour":
            last_day_ms = window.start_ms
        settled_ms = window.end_ms if final_at_ms is None else final_at_ms
        self.values[key] = Row(
            value,
            parts or {},
            final=self.watermark_ms >= settled_ms,
            due=self.watermark_ms > last_day_ms,
        )

    # ---- use

    def _all_values(self) -> None:
        for segment, chosen in self._segments():
            self._usage(segment, self._of("activity", chosen))
            self._account_usage(segment, self._of("activity", chosen))
            self._counts("sessions", segment, self._of("session", chosen))
            self._counts("core_actions", segment, self._core_facts(chosen))
            self._cohorts(segment, chosen)
        for account in sorted({f.account for f in self.facts if f.account is not None}):
            own = [f for f in self._of("activity") if f.account == account]
            self._active_users("all", own, account)
            for kpi, facts in (
                ("sessions", self._of("session")),
                ("core_actions", self._core_facts(None)),
            ):
                if kpi in self.settings.account_level:
                    self._counts(kpi, "all", [f for f in facts if f.account == account], account)
        self._accounts_activated()
        self._milestone_values()

    def _by_day(self, facts: Iterable[Fact], who: Callable[[Fact], Any]) -> dict[int, set[Any]]:
        active: dict[int, set[Any]] = defaultdict(set)
        for f in facts:
            if who(f) is not None:
                active[self.days.of(f.time_ms)].add(who(f))
        return active

    @staticmethod
    def _during(active: Mapping[int, set[Any]], window: Window) -> set[Any]:
        found: set[Any] = set()
        for day in range(window.first, window.after):
            found |= active.get(day, set())
        return found

    def _active_users(self, segment: str, facts: Sequence[Fact], account: str | None) -> None:
        active = self._by_day(facts, lambda f: f.person)
        for kpi, periods in (
            ("dau", ["day"]),
            ("wau", ["trailing_7d", "week"]),
            ("mau", ["trailing_30d", "month"]),
        ):
            if account is None or kpi in self.settings.account_level:
                for w in self._windows(kpi, periods):
                    users = len(self._during(active, w))
                    self._put(kpi, w, users, segment=segment, account=account)

    def _usage(self, segment: str, facts: Sequence[Fact]) -> None:
        self._active_users(segment, facts, None)
        active = self._by_day(facts, lambda f: f.person)

        def users(w: Window) -> set[str]:
            return self._during(active, w)

        def pairs(w: Window) -> int:
            return sum(len(active.get(day, ())) for day in range(w.first, w.after))

        def put(kpi: str, w: Window, value: Value, **parts: Value) -> None:
            self._put(kpi, w, value, segment=segment, parts=parts)

        for w in self._windows("stickiness", ["day"]):
            month = self.days.holding("trailing_30d", w.first)
            put("stickiness", w, ratio(len(users(w)), len(users(month))))
        for w in self._windows("average_stickiness", ["trailing_30d"]):
            put("average_stickiness", w, ratio(pairs(w), 30 * len(users(w))))
        periods = ["trailing_7d", "trailing_30d", "week", "month"]
        for w in self._windows("active_days_per_user", periods):
            put("active_days_per_user", w, ratio(pairs(w), len(users(w))))
        for w in self._windows("active_users_growth", ["day", "week", "month"]):
            previous = len(users(self.days.before(w)))
            put("active_users_growth", w, ratio(len(users(w)) - previous, previous))
        for w in self._windows("lifecycle", ["day", "week", "month"]):
            now, before = users(w), users(self.days.before(w))
            ever = {who for day in active if day < w.first for who in active[day]}
            new, dormant = now - ever, before - now
            resurrecting = (now & ever) - before
            put("lifecycle_new", w, len(new))
            put("lifecycle_returning", w, len(now & before))
            put("lifecycle_resurrecting", w, len(resurrecting))
            put("lifecycle_dormant", w, len(dormant))
            quick = ratio(len(new) + len(resurrecting), len(dormant))
            put("lifecycle_quick_ratio", w, quick)
        for kpi in ("user_retention_rate", "user_churn_rate"):
            for w in self._windows(kpi, ["week", "month"]):
                before = users(self.days.before(w))
                kept = before & users(w) if kpi == "user_retention_rate" else before - users(w)
                value = ratio(len(kept), len(before))
                put(kpi, w, value, numerator=len(kept), denominator=len(before))

    def _account_usage(self, segment: str, facts: Sequence[Fact]) -> None:
        accounts = self._by_day(facts, lambda f: f.account)
        periods = ["day", "trailing_7d", "trailing_30d", "week", "month"]
        for w in self._windows("active_accounts", periods):
            self._put("active_accounts", w, len(self._during(accounts, w)), segment=segment)
        members = self._by_day(
            (f for f in facts if f.account is not None and f.person is not None),
            lambda f: (f.account, f.person),
        )
        for w in self._windows("accounts_3plus_active", ["trailing_7d", "trailing_30d"]):
            users: dict[str, set[str]] = defaultdict(set)
            for account, person in self._during(members, w):
                users[account].add(person)
            enough = self.settings.accounts_active_users_min
            value = sum(len(u) >= enough for u in users.values())
            self._put("accounts_3plus_active", w, value, segment=segment)

    # ---- counts

    def _core_facts(self, chosen: tuple[str, str] | None) -> list[Fact]:
        names = {kind for kind in self.of_kind if kind.startswith("key_task:")}
        if self.settings.core_tasks:
            names = {f"key_task:{name}" for name in self.settings.core_tasks}
        return [f for name in sorted(names) for f in self._of(name, chosen)]

    def _counts(
        self, kpi: str, segment: str, facts: Iterable[Fact], account: str | None = None
    ) -> None:
        by_hour: dict[int, int] = defaultdict(int)
        by_day: dict[int, int] = defaultdict(int)
        for f in facts:
            by_hour[f.time_ms // HOUR_MS] += 1
            by_day[self.days.of(f.time_ms)] += 1
        for hour, n in by_hour.items():
            if hour * HOUR_MS <= self.watermark_ms:
                day = self.days.of(hour * HOUR_MS)
                w = Window("hour", day, day + 1, hour * HOUR_MS, (hour + 1) * HOUR_MS)
                self._put(kpi, w, n, segment=segment, account=account)
        for w in self._windows(kpi, ["day", "week", "month"]):
            value = sum(by_day.get(day, 0) for day in range(w.first, w.after))
            self._put(kpi, w, value, segment=segment, account=account)

    # ---- cohorts: a person belongs to the period and to the segment of its anchor fact

    def _cohorts(self, segment: str, chosen: tuple[str, str] | None) -> None:
        firsts = self._firsts(self._of("first_action")).items()
        anchors = {person: f for person, f in firsts if in_segment(f, chosen)}
        activated = [f for f in self._firsts(self.activations).values() if in_segment(f, chosen)]
        self._counts("new_signups", segment, anchors.values())
        self._counts("activated_users", segment, activated)
        by_day: dict[int, int] = defaultdict(int)
        for f in activated:
            by_day[self.days.of(f.time_ms)] += 1
        for w in self._windows("activated_users_growth", ["day", "week", "month"]):
            now = sum(by_day.get(day, 0) for day in range(w.first, w.after))
            previous = self.days.before(w)
            then = sum(by_day.get(day, 0) for day in range(previous.first, previous.after))
            self._put("activated_users_growth", w, ratio(now - then, then), segment=segment)
        for w in self._windows("cohorts", ["day", "week", "month"]):
            cohort = {p: f for p, f in anchors.items() if w.start_ms <= f.time_ms < w.end_ms}
            self._retention(segment, w, cohort)
            self._activation_rate(segment, w, cohort)
            self._key_tasks_rate(segment, w, cohort)
            self._lag(segment, w, cohort)

    def _retention(self, segment: str, w: Window, cohort: Mapping[str, Fact]) -> None:
        active: dict[str, set[int]] = defaultdict(set)
        for f in self._of("activity"):
            if f.person is not None:
                active[f.person].add(self.days.of(f.time_ms))
        for n in self.settings.cohort_days:
            mature = {
                p: self.days.of(f.time_ms) + n
                for p, f in cohort.items()
                if self.days.start_ms(self.days.of(f.time_ms) + n + 1) <= self.watermark_ms
            }
            # Day 0 is the day of the first action itself: the whole cohort is there.
            kept = sum(n == 0 or day in active[p] for p, day in mature.items())
            self._put(
                "cohort_retention",
                w,
                ratio(kept, len(mature)),
                segment=segment,
                variant=f"n={n}",
                parts={"numerator": kept, "denominator": len(mature)},
                final_at_ms=self.days.start_ms(w.after + n),
            )

    def _share_within(
        self,
        kpi: str,
        segment: str,
        w: Window,
        cohort: Mapping[str, Fact],
        horizon_days: int,
        reached: Callable[[str, int, int], bool],
    ) -> None:
        horizon_ms = horizon_days * DAY_MS
        mature = {
            p: f.time_ms for p, f in cohort.items() if f.time_ms + horizon_ms <= self.watermark_ms
        }
        passed = sum(reached(p, anchor, anchor + horizon_ms) for p, anchor in mature.items())
        self._put(
            kpi,
            w,
            ratio(passed, len(mature)),
            segment=segment,
            parts={"numerator": passed, "denominator": len(mature)},
            final_at_ms=w.end_ms + horizon_ms,
        )

    def _activation_rate(self, segment: str, w: Window, cohort: Mapping[str, Fact]) -> None:
        def reached(person: str, start_ms: int, end_ms: int) -> bool:
            return any(
                f.person == person and start_ms <= f.time_ms < end_ms for f in self.activations
            )

        days = self.settings.activation_days
        self._share_within("activation_rate", segment, w, cohort, days, reached)

    def _key_tasks_rate(self, segment: str, w: Window, cohort: Mapping[str, Fact]) -> None:
        kinds = [kind for kind in self.of_kind if kind.startswith("key_task:")]
        if self.settings.activation_tasks:
            kinds = [f"key_task:{name}" for name in self.settings.activation_tasks]

        def reached(person: str, start_ms: int, end_ms: int) -> bool:
            done = {
                kind
                for kind in kinds
                for f in self._of(kind)
                if f.person == person and start_ms <= f.time_ms < end_ms
            }
            return len(done) >= self.settings.activation_tasks_min

        days = self.settings.key_tasks_days
        self._share_within("key_activation_tasks_rate", segment, w, cohort, days, reached)

    def _lag(self, segment: str, w: Window, cohort: Mapping[str, Fact]) -> None:
        limit = None if self.settings.lag_days is None else self.settings.lag_days * DAY_MS
        counted, ended, censored = [], [], []
        for person, anchor in cohort.items():
            ends = [
                f.time_ms - anchor.time_ms
                for f in self.activations
                if f.person == person and f.time_ms >= anchor.time_ms
            ]
            age = self.watermark_ms - anchor.time_ms
            if ends and (limit is None or min(ends) < limit):
                ended.append(min(ends))
                if limit is None or age >= limit:
                    counted.append(min(ends))
            else:
                censored.append(age if limit is None else min(age, limit))
        parts: dict[str, Value] = {"n": len(counted)}
        if counted:
            parts["median"] = seconds(quantile_ms(counted, Fraction(1, 2)))
            parts["p90"] = seconds(quantile_ms(counted, Fraction(9, 10)))
            parts["mean"] = sum(counted) / (1000 * len(counted))
        else:
            parts |= {"median": None, "p90": None, "mean": None}
        surviving = kaplan_meier_median_ms(ended, censored)
        parts["km_median"] = None if surviving is None else seconds(Fraction(surviving))
        self._put(
            "action_to_activation_lag",
            w,
            parts["median"],
            segment=segment,
            parts=parts,
            final_at_ms=w.end_ms + (limit or 0),
        )

    # ---- accounts

    def _accounts_activated(self) -> None:
        active = self._by_day(self._of("activity"), lambda f: f.account)
        for w in self._windows("accounts_3plus_activated_rate", ["day"]):
            accounts = self._during(active, self.days.holding("trailing_30d", w.first))
            passing = 0
            for account in accounts:
                users = {
                    f.person
                    for f in self.member_activations
                    if f.account == account and f.time_ms < w.end_ms
                }
                passing += len(users) >= 3
            self._put(
                "accounts_3plus_activated_rate",
                w,
                ratio(passing, len(accounts)),
                parts={"numerator": passing, "denominator": len(accounts)},
            )

    def _milestones(self) -> Iterator[tuple[str, Sequence[int], Sequence[Fact]]]:
        """Per row: its id, its numbers n, and the facts that make a user count."""
        yield "account_user_milestones", self.settings.milestones, self._of("activity")
        numbers = self.settings.activated_milestones
        yield "account_activated_user_milestones", numbers, self.member_activations

    @staticmethod
    def _arrivals(facts: Iterable[Fact]) -> dict[str, list[tuple[int, str]]]:
        """Per account its users' first fact in it, as (time, user as shown), in order."""
        firsts: dict[str, dict[str, int]] = defaultdict(dict)
        for f in facts:
            if f.account is not None and f.person is not None:
                known = firsts[f.account].get(f.person, f.time_ms)
                firsts[f.account][f.person] = min(known, f.time_ms)
        return {
            account: sorted((at, shown(person)) for person, at in users.items())
            for account, users in firsts.items()
        }

    def _milestone_values(self) -> None:
        for kpi, numbers, facts in self._milestones():
            arrivals = self._arrivals(facts).values()
            for n in numbers:
                for w in self._windows(kpi, ["day"]):
                    value = sum(len([a for a, _ in x if a < w.end_ms]) >= n for x in arrivals)
                    self._put(kpi, w, value, variant=f"users={n}")

    # ---- signals

    def _milestones_reached(self) -> Iterator[Standing]:
        for kpi, numbers, facts in self._milestones():
            for account, arrivals in self._arrivals(facts).items():
                for n in numbers:
                    if len(arrivals) >= n:
                        at_ms, user = arrivals[n - 1]
                        yield Standing(f"{kpi}.enter", f"users={n}", account, user, at_ms, None)

    def _activated(self) -> Iterator[Standing]:
        """At each first activation ever; the lag is that of the first one after the anchor."""
        anchors = self._firsts(self._of("first_action"))
        for person, first in self._firsts(self.activations).items():
            lag = None
            if person in anchors:
                start_ms = anchors[person].time_ms
                ends = [f.time_ms for f in self.activations if f.person == person]
                lags = [end - start_ms for end in ends if end >= start_ms]
                lag = min(lags) / 1000 if lags else None
            yield Standing("activated", None, first.account, shown(person), first.time_ms, lag)
