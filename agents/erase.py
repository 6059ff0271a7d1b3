"""Requests to erase somebody, put into the pipeline beside those that are events."""

from __future__ import annotations

import confluent_kafka as ck

from agents.plans import read_plans
from agents.settings import Settings
from agents.topics import TopicError, topic_name
from schemas.batches import Erasure
from schemas.plan.models import Plan
from streams.erasure import requested
from streams.roles import FACTS_ROLE

DELIVERED_S = 30.0


def request_erasure(plan: Plan, settings: Settings, erasure: Erasure) -> None:
    """Writes a request down; returns once the brokers have it. Raises TopicError, StopWorker.

    The workers take it up with the facts. A request that is written twice is one.
    """
    of_worker = settings.of_worker(plan.prefix)
    written = read_plans(of_worker, plan.prefix)
    if written.running is None:
        raise TopicError(f"No worker ever ran under the prefix {plan.prefix}: start one first.")
    if written.running.plan.erasure is None:
        raise TopicError(
            f"The plan that {plan.prefix} runs under has no `erasure`: nobody can be erased there."
        )
    running = written.running
    (record,) = requested([erasure], running.hash, FACTS_ROLE, written.partitions.accounts)
    producer = ck.Producer({**of_worker.client(), "acks": "all", "enable.idempotence": True})
    failed: list[ck.KafkaError] = []
    producer.produce(
        topic_name(plan.prefix, record.role),
        record.value,
        partition=record.partition or 0,
        on_delivery=lambda error, _: failed.append(error) if error is not None else None,
    )
    if producer.flush(DELIVERED_S) or failed:
        why = failed[0].str() if failed else "the brokers do not answer"
        raise TopicError(f"The request could not be written down, try again: {why}")
