"""A company's events as they reach a broker, without end, and the plan that says what they mean.

Visitors use the product before they sign in, in several accounts and on several devices, so that
leaves of one person lie in many partitions when they turn out to be one. Events come days late and
more than once, one in a hundred is broken, and some users turn out to be staff. One seed always
gives the same bytes.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import orjson
import yaml

from schemas.times import DAY_MS, iso, parse_iso

FIRST_MS = parse_iso("2025-03-24T00:00:00Z")
"""Clocks in Berlin go forward six days later, and a month ends two days after that."""
LATE_DAYS = 4
EVENT_NAMES = ("Opened",) * 6 + ("Session Started",) * 2 + ("Task One", "Task Two", "Done")
ACCOUNTS = 40
COUNTRIES = ("se", "fr", None)


ALERTS = """
late_after: 9999d        # of events of long ago
at_most_per_day: 3
rules:
- {id: few, kpi: dau, period: day, below: 20, clear: 25}
- id: less
  kpi: core_actions
  period: hour
  drop: 0.4
  against: previous
  cooldown: 6h
  sample: {kpi: sessions, at_least: 3}
- {id: quiet, level: account, kpi: wau, period: trailing_7d, drop: 0.1, against: previous}
- {id: grows, signal: account_user_milestones.enter, variant: users=3}
- {id: activated, signal: activated, cooldown: 1h}
"""


def write_plan(prefix: str, folder: Path) -> Path:
    """The plan of an installation with topics of its own; its input is `<prefix>-in`."""
    plan = {
        "product": "Crash test",
        "timezone": "Europe/Berlin",
        "inputs": [{"topic": f"{prefix}-in", "format": "segment"}],
        "activity": "all",
        "first_action": "first activity",
        "activation": "Done",
        "key_tasks": {"one": "Task One", "two": ["Task Two", "Done"]},
        "sessions": {"event": "Session Started"},
        "segments": {"country": {"property": "country"}},
        "exclude": {"users": [{"trait": "internal", "equals": True}]},
        "milestones": {"distinct_users": [1, 3, 10], "activated_users": [1, 3]},
        "kpis": {
            "levels": {"account": ["wau", "sessions"]},
            "settings": {"core_tasks": ["two"], "activation_tasks": ["one", "two"]},
        },
        "alerts": yaml.safe_load(ALERTS),
        # Events of long ago are no dead letters, and a repetition is one whenever it comes.
        "horizon": "all",
        "duplicates": {"usage_window": "400d"},
        # Events of long ago: time must not jump to today where a partition has nothing to read.
        "watermark": {"idle_after": "1h"},
        "prefix": prefix,
    }
    path = folder / f"{prefix}.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path


@dataclass
class Company:
    """Events in the order of arrival: `arrivals`."""

    rng: Random
    events_per_day: int
    _known: set[int] = field(default_factory=set)
    _devices: dict[int, int] = field(default_factory=dict)

    def arrivals(self) -> Iterator[bytes]:
        """Most events as they happen, some of them later, some of them once more."""
        waiting: list[tuple[int, int, bytes]] = []
        tickets = count()
        for number in count():
            line = self._line(number)
            due = number + self._delay(0.08)
            heapq.heappush(waiting, (due, next(tickets), line))
            if self.rng.random() < 0.06:
                heapq.heappush(waiting, (due + self._delay(0.8), next(tickets), line))
            while waiting and waiting[0][0] <= number:
                yield heapq.heappop(waiting)[-1]

    def end_of(self, arrivals: int) -> str:
        """A midnight after so many arrivals: where a run stands in the end."""
        days = arrivals // self.events_per_day + 2
        return iso(FIRST_MS + days * DAY_MS)

    def _delay(self, likely: float) -> int:
        """In events: now and then days, often hours, else none."""
        if self.rng.random() >= likely:
            return 0
        return int(self.events_per_day * LATE_DAYS * self.rng.random() ** 3)

    def _line(self, number: int) -> bytes:
        if self.rng.random() < 0.01:
            return b'{"type": "track", "number": %d' % number
        user = min(int(self.rng.expovariate(1 / 80)), 400)
        at_ms = FIRST_MS + number * DAY_MS // self.events_per_day
        account = self._account(user)
        call = {
            "messageId": f"m{number}",
            "timestamp": iso(at_ms),
            "context": None if account is None else {"groupId": account},
            **self._call(user),
        }
        return orjson.dumps(call)

    def _account(self, user: int) -> str | None:
        lot = self.rng.random()
        if lot < 0.05:
            return None
        return f"a{(user * 7 + 3 if lot < 0.2 else user) % ACCOUNTS}"

    def _call(self, user: int) -> dict[str, Any]:
        """Who does what. A device stays a visitor until its user signs in there."""
        lot = self.rng.random()
        device = f"v{user}-{self._devices.get(user, 0)}"
        if lot < 0.02:
            self._known.add(user)
            return {"type": "identify", "userId": f"u{user}", "anonymousId": device}
        if lot < 0.03:
            self._devices[user] = self._devices.get(user, 0) + 1
            self._known.discard(user)
        if lot < 0.033:
            other = f"u{self.rng.randrange(400)}"
            return {"type": "alias", "userId": f"u{user}", "previousId": other}
        if lot < 0.037:
            traits = {"internal": self.rng.random() < 0.5}
            return {"type": "identify", "userId": f"u{user}", "traits": traits}
        who = {"userId": f"u{user}"} if user in self._known else {"anonymousId": device}
        name, country = self.rng.choice(EVENT_NAMES), self.rng.choice(COUNTRIES)
        properties = {} if country is None else {"country": country}
        return {"type": "track", "event": name, "properties": properties, **who}
