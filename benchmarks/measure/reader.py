"""Reads output topics as a consumer of them would, and notes when each record could be seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import confluent_kafka as ck

POLL_S = 0.1
AT_ONCE = 5000
REQUEST_S = 15.0


class Seen(NamedTuple):
    """A committed record, and the wall time at which a reader got it."""

    at_s: float
    topic: str
    value: bytes


class Reader:
    """Collects what is or gets committed to `topics`, in a thread, during its `with` block."""

    def __init__(self, bootstrap: str, topics: list[str], wanted: Callable[[bytes], bool]) -> None:
        """`wanted` chooses by the record's bytes, cheaply: what is read costs CPU here too."""
        self._client = ck.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "benchmark-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        self._topics, self._wanted = topics, wanted
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self.seen: list[Seen] = []

    def __enter__(self) -> Reader:
        self._client.assign(self._beginnings())
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._quit.set()
        self._thread.join()
        self._client.close()

    def wait_for(self, done: Callable[[list[Seen]], bool], timeout_s: float) -> bool:
        """Waits until `done` holds for what was seen; False when the time is over."""
        deadline = time.monotonic() + timeout_s
        while not done(self.seen):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _beginnings(self) -> list[ck.TopicPartition]:
        return [
            ck.TopicPartition(topic, partition, ck.OFFSET_BEGINNING)
            for topic in self._topics
            for partition in self._client.list_topics(topic, REQUEST_S).topics[topic].partitions
        ]

    def _read(self) -> None:
        while not self._quit.is_set():
            first = self._client.poll(POLL_S)
            if first is None:
                continue
            rest = self._client.consume(AT_ONCE, 0)
            now_s = time.time()
            for message in (first, *rest):
                value = message.value()
                if message.error() is None and value is not None and self._wanted(value):
                    self.seen.append(Seen(now_s, message.topic() or "", value))
