"""A lane delivers every alert at least once and in order, waits as it is asked to, and gives up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from agents.delivery.event import read_event
from agents.delivery.lane import Lane, Record
from agents.delivery.patience import Patience
from agents.delivery.wanted import wanted
from agents.delivery.webhook import webhook_sender
from schemas.sinks import Only, load_sinks
from tests.agents.delivery.alerts import alert
from tests.agents.delivery.receiver import Answer, Got, Receiver, receiving
from tests.agents.delivery.toy_topic import ToyTopic

FIRST, SECOND, THIRD = (alert(digit * 32) for digit in "123")


class Counts:
    """A lane's meter."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self.held: list[int] = []
        self.behind = -1

    def _one(self, what: str) -> None:
        self.told[what] = self.told.get(what, 0) + 1

    def delivered(self) -> None:
        self._one("delivered")

    def failed(self) -> None:
        self._one("failed")

    def retried(self) -> None:
        self._one("retried")

    def undelivered(self, code: str) -> None:
        self._one(code)

    def stands(self, *, behind: int, held: int) -> None:
        self.behind = behind
        self.held.append(held)


class Moved:
    """What became of the alerts of a topic."""

    def __init__(self, topic: ToyTopic, receiver: Receiver) -> None:
        self.topic, self.receiver = topic, receiver
        self.counts = Counts()
        self.aside: list[tuple[Record, str, str, int]] = []
        self.at_s: list[float] = []
        """When each attempt was made."""

    @property
    def bodies(self) -> list[bytes]:
        return [got.body for got in self.receiver.got]

    @property
    def waits_s(self) -> list[float]:
        return [b - a for a, b in zip(self.at_s, self.at_s[1:], strict=False)]


Move = Callable[..., Moved]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def move(receiver: Receiver) -> Move:
    """Runs a lane until all of its topic is committed."""

    def move(
        topic: ToyTopic,
        *,
        give_up_after_s: float = 3600,
        timeout_s: float = 10,
        urgent: bool = False,
        **more: Any,
    ) -> Moved:
        stop, moved = threading.Event(), Moved(topic, receiver)
        topic.end = stop.set
        text = f"sinks: {{s: {{webhook: {{url: '{receiver.url}', secret: {{env: K}}}}}}}}"
        webhook = load_sinks(text, {"K": "secret"})["s"].webhook
        assert webhook is not None
        sends = webhook_sender(webhook, timeout_s=timeout_s, now_s=lambda: topic.now_s)

        def send(event: Any) -> Any:
            moved.at_s.append(topic.now_s)
            return sends(event)

        lane = Lane(
            name="s",
            reader=topic,
            send=send,
            wants=wanted(more.pop("only", Only()), urgent=urgent),
            put_aside=lambda *said: moved.aside.append(said),
            patience=Patience(give_up_after_s, lambda: 1.0),
            meter=moved.counts,
            stop=stop,
            takes_unreadable=not urgent,
            wall_ms=lambda: round(topic.now_s * 1000),
            now_s=lambda: topic.now_s,
            **more,
        )
        lane.run()
        assert topic.committed == len(topic.values)
        return moved

    return move


def in_turn(*answers: Answer | None) -> Callable[[Got], Answer | None]:
    """These answers, then 200 for ever."""
    waiting = list(answers)
    return lambda _: waiting.pop(0) if waiting else Answer()


def test_alerts_are_delivered_in_their_order_byte_for_byte(move: Move) -> None:
    moved = move(ToyTopic(FIRST, SECOND, THIRD))
    assert moved.bodies == [FIRST, SECOND, THIRD]
    assert moved.counts.told == {"delivered": 3}
    assert moved.counts.behind == 0


def test_a_sink_that_fails_and_recovers_gets_all_with_pauses_that_grow(
    move: Move, receiver: Receiver
) -> None:
    receiver.answer = in_turn(Answer(500), None, Answer(408), Answer(425), Answer(503))
    moved = move(ToyTopic(FIRST, SECOND))
    assert moved.bodies == [FIRST] * 6 + [SECOND]
    assert moved.waits_s == [1, 2, 4, 8, 16, 0]
    assert moved.counts.told == {"failed": 5, "retried": 5, "delivered": 2}
    assert len({got.headers["Idempotency-Key"] for got in receiver.got[:6]}) == 1


def test_a_server_that_hangs_is_given_up_on_for_this_attempt(
    move: Move, receiver: Receiver
) -> None:
    released, first = threading.Event(), iter([True])

    def hang(_: Got) -> Answer | None:
        if next(first, False):
            released.wait(60)
            return None
        return Answer()

    receiver.answer = hang
    moved = move(ToyTopic(FIRST), timeout_s=0.3)
    released.set()
    assert moved.counts.told == {"failed": 1, "retried": 1, "delivered": 1}


@pytest.mark.parametrize("asked", ["120", "Wed, 25 Feb 2026 06:15:20 GMT"])
def test_the_sink_says_how_long_to_wait(move: Move, receiver: Receiver, asked: str) -> None:
    receiver.answer = in_turn(Answer(429, {"Retry-After": asked}))
    moved = move(ToyTopic(FIRST))
    assert moved.at_s[0] == 1_772_000_000.0
    assert moved.waits_s == [120]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 422])
def test_what_will_never_work_is_put_aside_at_once_and_the_next_one_goes_on(
    move: Move, receiver: Receiver, status: int
) -> None:
    elsewhere = {"Location": receiver.url} if status == 301 else {}
    receiver.answer = in_turn(Answer(status, elsewhere, b"no\nthanks"))
    moved = move(ToyTopic(FIRST, SECOND))
    assert moved.bodies == [FIRST, SECOND]
    assert moved.aside == [(Record(0, 0, FIRST), "refused", f"HTTP {status}: no thanks", 1)]
    assert moved.counts.told == {"failed": 1, "refused": 1, "delivered": 1}


def test_a_sink_is_tried_until_its_time_is_over_and_what_waited_behind_has_one_attempt(
    move: Move, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Answer(500)
    topic = ToyTopic(FIRST, SECOND)
    moved = move(topic, give_up_after_s=60)
    assert moved.waits_s == [1, 2, 4, 8, 16, 29, 0]
    assert [(code, tries) for _, code, _, tries in moved.aside] == [("gave_up", 7), ("gave_up", 1)]
    assert topic.now_s - 1_772_000_000 < 65


def test_nobody_waits_for_a_sink_that_asks_for_more_time_than_there_is(
    move: Move, receiver: Receiver
) -> None:
    receiver.answer = in_turn(Answer(503, {"Retry-After": "7200"}))
    moved = move(ToyTopic(FIRST, SECOND))
    assert [each[1] for each in moved.aside] == ["gave_up"]
    assert moved.bodies == [FIRST, SECOND]


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"{", b"[]", b'{"id":"x","data":{}}', b"\xff", b"1"),
        *(alert(owner=1), alert(at=[]), alert(urgent=None)),
        *(FIRST.replace(name, b"other") for name in (b"time", b"type")),
        FIRST.replace(b'"time":"2026', b'"time":"soon'),
    ],
)
def test_a_record_that_is_no_alert_is_put_aside_by_one_lane_and_passed_over_by_the_other(
    move: Move, value: bytes
) -> None:
    assert [each[1] for each in move(ToyTopic(value, FIRST)).aside] == ["unreadable"]
    assert move(ToyTopic(value, FIRST), urgent=True).aside == []


def test_what_was_delivered_is_committed_at_once_and_what_was_not_never(
    move: Move, receiver: Receiver
) -> None:
    topic, committed = ToyTopic(FIRST, SECOND), []
    answers = in_turn(Answer(), Answer(500))

    def answer(got: Got) -> Answer | None:
        committed.append(topic.committed)
        return answers(got)

    receiver.answer = answer
    move(topic)
    assert committed == [0, 1, 1]


def test_a_partition_that_was_given_up_during_a_pause_is_delivered_by_whoever_has_it_now(
    move: Move, receiver: Receiver
) -> None:
    receiver.answer = in_turn(Answer(500))
    topic = ToyTopic(FIRST, SECOND)

    def then() -> None:
        if len(receiver.got) == 1 and not topic.values[2:]:
            topic.values.append(THIRD)
            topic.lost, topic.committed = True, 1  # another one delivered the first meanwhile

    topic.then = then
    assert move(topic).bodies == [FIRST, SECOND, THIRD]


# ---- quiet hours


def quiet_for(topic: ToyTopic, seconds: float) -> Callable[[int], bool]:
    until_ms = (topic.now_s + seconds) * 1000
    return lambda at_ms: at_ms < until_ms


def test_alerts_wait_for_the_end_of_the_quiet_hours_and_are_not_committed_before(
    move: Move,
) -> None:
    topic = ToyTopic(FIRST, SECOND)
    moved = move(topic, quiet=quiet_for(topic, 600))
    assert moved.bodies == [FIRST, SECOND]
    assert moved.at_s[0] == 1_772_000_600.0
    assert max(moved.counts.held) == 2
    assert moved.counts.held[-1] == 0


def told_at_night(*records: bytes) -> Callable[[Move], Sequence[bytes]]:
    def told(move: Move) -> Sequence[bytes]:
        topic = ToyTopic(*records)
        return move(topic, quiet=quiet_for(topic, 60)).bodies

    return told


def test_of_an_alert_that_fired_and_was_resolved_at_night_the_end_is_told(move: Move) -> None:
    resolved = alert("1" * 32, "resolved", 2)
    assert told_at_night(FIRST, SECOND, resolved)(move) == [SECOND, resolved]


def test_an_alert_that_was_disproved_before_it_was_told_is_not_told(move: Move) -> None:
    disproved = alert("1" * 32, "amended", 2, state="disproved")
    assert told_at_night(FIRST, disproved, SECOND)(move) == [SECOND]


def test_one_that_was_told_in_the_evening_and_disproved_at_night_is_taken_back(
    move: Move,
) -> None:
    disproved = alert("1" * 32, "amended", 2, state="disproved")
    assert told_at_night(disproved)(move) == [disproved]


def test_a_retry_does_not_wake_anybody_and_its_time_begins_anew_in_the_morning(
    move: Move, receiver: Receiver
) -> None:
    receiver.answer = in_turn(Answer(500), Answer(500), Answer(500))
    topic = ToyTopic(FIRST)
    evening_ms, morning_ms = (round((topic.now_s + s) * 1000) for s in (2, 3600))
    moved = move(topic, give_up_after_s=30, quiet=lambda ms: evening_ms <= ms < morning_ms)
    assert moved.waits_s[0] == 1
    assert moved.at_s[2] == 1_772_003_600.0
    assert moved.counts.told == {"failed": 3, "retried": 2, "delivered": 1}


# ---- who gets what


@pytest.mark.parametrize(
    ("only", "urgent", "wants"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"severity": "info"}, False, True),
        ({"severity": "warning"}, False, True),
        ({"severity": "critical"}, False, False),
        ({"rules": ["quiet", "other"]}, False, True),
        ({"rules": ["other"]}, False, False),
        ({"owners": ["success"]}, False, True),
        ({"owners": ["sales"]}, False, False),
        ({"level": "account"}, False, True),
        ({"level": "company"}, False, False),
        ({"level": "account", "owners": ["sales"]}, False, False),
    ],
)
def test_a_lane_gets_the_alerts_that_fit_in_everything(
    only: dict[str, Any], urgent: bool, wants: bool
) -> None:
    event = read_event(FIRST)
    assert event is not None
    assert wanted(Only(**only), urgent=urgent)(event) is wants


def test_what_a_lane_does_not_want_is_passed_over_and_committed(move: Move) -> None:
    urgent = alert("9" * 32, urgent=True)
    assert move(ToyTopic(FIRST, urgent)).bodies == [FIRST]
    moved = move(ToyTopic(FIRST, urgent), urgent=True)
    assert moved.bodies[1:] == [urgent]
