"""All lanes of all sinks, from the first look at the topics until they are asked to end."""

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from agents.clock import wall_ms
from agents.delivery.event import Send
from agents.delivery.lane import Lane, PutAside, Record
from agents.delivery.mail import mail_sender
from agents.delivery.metrics import DeliveryMetrics, LaneMeter
from agents.delivery.patience import Patience
from agents.delivery.reader import BOOTSTRAP_MS, AlertReader, begin, consumer_of
from agents.delivery.slack import slack_sender
from agents.delivery.wanted import wanted
from agents.delivery.webhook import webhook_sender
from agents.health import Pulse, Watchdog, late
from agents.settings import Settings
from agents.topics import TopicError, partition_counts, topic_name
from agents.web import Asked, Page, Pages, found, serving
from schemas.outputs import ALERTS, UNDELIVERED, Undelivered, undelivered_record
from schemas.plan.models import Plan
from schemas.sinks import Sink
from schemas.times import SECOND_MS
from streams.alerting.quiet_hours import quiet_at

log = logging.getLogger(__name__)

URGENT, ORDINARY = "urgent", "ordinary"
STALL_S = 290.0
"""Longer than any attempt takes, and less than Kafka waits for a member that does not poll."""
PUT_ASIDE_S = 60.0
CLOSE_MS = 10_000


def group_of(prefix: str, sink: str, lane: str) -> str:
    """The consumer group of a lane: what it has delivered."""
    return f"{prefix}.deliver.{sink}" + (f".{URGENT}" if lane == URGENT else "")


def sender_of(sink: Sink) -> Send:
    timeout_s = sink.timeout / SECOND_MS
    if sink.slack is not None:
        return slack_sender(sink.slack, timeout_s=timeout_s)
    if sink.email is not None:
        return mail_sender(sink.email, timeout_s=timeout_s)
    assert sink.webhook is not None
    return webhook_sender(sink.webhook, timeout_s=timeout_s)


class _Running(NamedTuple):
    lane: Lane
    reader: AlertReader
    pulse: Pulse


def deliver(
    plan: Plan,
    sinks: Mapping[str, Sink],
    settings: Settings,
    *,
    from_ms: int | None,
    stop: threading.Event,
) -> None:
    """Delivers until `stop` is set. A sink that is new begins with what was written from `from_ms`
    on; None: with all there is.

    Raises TopicError if topics are missing, or the broker does not answer or refuses.
    """
    partitions = _partitions(plan.prefix, settings)
    metrics = DeliveryMetrics(CollectorRegistry())
    try:
        with ExitStack() as until_the_end:
            put_aside = until_the_end.enter_context(_undelivered(plan.prefix, settings))
            lanes = [
                _lane(
                    *(plan, name, sink, lane),
                    until_the_end.enter_context(
                        _reading(group_of(plan.prefix, name, lane), partitions, from_ms, settings)
                    ),
                    put_aside(name),
                    LaneMeter(metrics, name, lane),
                    stop,
                )
                for name, sink in sinks.items()
                for lane in (URGENT, ORDINARY)
            ]
            pulses = [each.pulse for each in lanes]
            until_the_end.enter_context(Watchdog(pulses))
            if settings.http is not None:
                until_the_end.enter_context(serving(settings.http, _pages(lanes, metrics)))
            _run(lanes, stop)
    except KafkaError as error:
        raise TopicError(f"The broker at {settings.bootstrap_servers} refused: {error}") from error


@contextmanager
def _reading(
    group: str, partitions: list[TopicPartition], from_ms: int | None, settings: Settings
) -> Iterator[AlertReader]:
    consumer = consumer_of(group, settings.bootstrap_servers, settings.security())
    try:
        begin(consumer, partitions, from_ms)
        yield AlertReader(consumer, partitions[0].topic)
    finally:
        consumer.close(autocommit=False, timeout_ms=CLOSE_MS)


def _lane(
    plan: Plan,
    name: str,
    sink: Sink,
    lane: str,
    reader: AlertReader,
    put_aside: PutAside,
    meter: LaneMeter,
    stop: threading.Event,
) -> _Running:
    pulse = Pulse(f"delivery to {name} ({lane})")
    waits = sink.quiet_hours and lane == ORDINARY
    made = Lane(
        name=name,
        reader=reader,
        send=sender_of(sink),
        wants=wanted(sink.only, urgent=lane == URGENT),
        put_aside=put_aside,
        patience=Patience(sink.give_up_after / SECOND_MS, random.random),
        meter=meter,
        stop=stop,
        takes_unreadable=lane == ORDINARY,
        quiet=quiet_at(plan.alerts.quiet_hours if waits else None, plan.timezone),
        alive=lambda: pulse.due_within(STALL_S),
    )
    return _Running(made, reader, pulse)


def _partitions(prefix: str, settings: Settings) -> list[TopicPartition]:
    """Those of the topic of alerts."""
    topics = [topic_name(prefix, role) for role in (ALERTS, UNDELIVERED)]
    counts = partition_counts(settings.bootstrap_servers, topics, security=settings.security())
    for topic in topics:
        if topic not in counts:
            raise TopicError(
                f"There is no topic {topic}: `headwater topics create` makes it; is the prefix "
                "right?"
            )
    return [TopicPartition(topics[0], number) for number in range(counts[topics[0]])]


@contextmanager
def _undelivered(prefix: str, settings: Settings) -> Iterator[Callable[[str], PutAside]]:
    """Gives what writes a sink's undelivered alerts down, all through one producer."""
    alerts, undelivered = (topic_name(prefix, role) for role in (ALERTS, UNDELIVERED))
    producer = KafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        bootstrap_timeout_ms=BOOTSTRAP_MS,
        compression_type="zstd",
        **settings.security(),
    )

    def of_sink(sink: str) -> PutAside:
        def put_aside(record: Record, code: str, reason: str, attempts: int) -> None:
            said = Undelivered(sink, code, reason, attempts)
            where = alerts, record.partition, record.offset
            key, value = undelivered_record(said, record.value or b"", *where, wall_ms())
            producer.send(undelivered, key=key, value=value).get(PUT_ASIDE_S)

        return put_aside

    try:
        yield of_sink
    finally:
        producer.close(timeout=PUT_ASIDE_S)


def _pages(lanes: list[_Running], metrics: DeliveryMetrics) -> Pages:
    def alive(_: Asked) -> Page:
        stalled = late([each.pulse for each in lanes])
        return found(stalled or "alive", well=stalled is None)

    def ready(_: Asked) -> Page:
        idle = [each.pulse.what for each in lanes if not each.reader.assigned]
        return found(f"no partitions yet: {', '.join(idle)}" if idle else "ready", well=not idle)

    def page(asked: Asked) -> Page:
        return Page("200 OK", *metrics.page(asked.accepts))

    return {"/metrics": page, "/healthz": alive, "/readyz": ready}


def _run(lanes: list[_Running], stop: threading.Event) -> None:
    """Returns when `stop` is set and every lane has ended; raises what ended one before."""
    failures: list[BaseException] = []

    def run(running: _Running) -> None:
        try:
            running.lane.run()
        except BaseException as error:
            failures.append(error)
            stop.set()
        finally:
            running.pulse.rest()

    threads = [threading.Thread(target=run, args=(each,), name=each.pulse.what) for each in lanes]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
