"""Asking a broker where its partitions begin and end."""

import contextlib
import logging
import time
from collections.abc import Iterable
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from faust.types import TP

from agents.checkpoints import StopWorker

log = logging.getLogger(__name__)

EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
REQUEST_S = 15.0
ASK_FOR_S = 60.0
PAUSE_S = 0.05


def list_offsets(admin: AdminClient, tps: Iterable[TP], which: OffsetSpec) -> dict[TP, int]:
    """Offsets of all records, those of open transactions included. Blocks.

    Asks again for a while whatever the error: a topic that was just made has no leader everywhere,
    and the client takes what a moved leader says (FENCED_LEADER_EPOCH) for final, and needs to be
    told to look for leaders anew. Raises StopWorker in the end.
    """
    asked = {ck.TopicPartition(tp.topic, tp.partition): which for tp in tps}
    deadline = time.monotonic() + ASK_FOR_S
    while True:
        answers: dict[Any, Any] = admin.list_offsets(asked, request_timeout=REQUEST_S)
        try:
            return {TP(at.topic, at.partition): f.result().offset for at, f in answers.items()}
        except ck.KafkaException as error:
            if time.monotonic() > deadline:
                raise StopWorker(f"offsets cannot be read: {error}") from error
            log.warning("offsets cannot be read yet: %s", error)
        with contextlib.suppress(ck.KafkaException):
            admin.list_topics(timeout=REQUEST_S)
        time.sleep(PAUSE_S)
