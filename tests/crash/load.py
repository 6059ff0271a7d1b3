"""A load of events, sent in bursts by a thread, whatever happens to broker and workers."""

from collections.abc import Iterator
from itertools import islice
from random import Random
from threading import Event, Thread

import confluent_kafka as ck

PAUSE_S = (0.05, 0.6)
DELIVERY_MS = 300_000


class Load:
    """Sends lines to any partition of a topic, each exactly once; `sent` has them afterwards."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, rng: Random) -> None:
        self.sent: list[bytes] = []
        self._topic = topic
        self._partitions = partitions
        self._rng = rng
        self._producer = ck.Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "delivery.timeout.ms": DELIVERY_MS,
                "linger.ms": 5,
                "log_level": 0,  # it complains of every attempt to connect
            }
        )
        self._undelivered: list[ck.KafkaError] = []
        self._stop = Event()
        self._thread: Thread | None = None

    def send(self, lines: Iterator[bytes], number: int) -> None:
        """Sends so many lines and returns when the broker has them."""
        self._produce(list(islice(lines, number)))
        self._flush()

    def start(self, lines: Iterator[bytes], per_second: int) -> None:
        """Goes on sending until `stop`."""
        self._thread = Thread(target=self._burst, args=(lines, per_second), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the broker has everything that was sent."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._flush()

    def _burst(self, lines: Iterator[bytes], per_second: int) -> None:
        while not self._stop.is_set():
            pause_s = self._rng.uniform(*PAUSE_S)
            self._produce(list(islice(lines, int(per_second * pause_s))))
            self._stop.wait(pause_s)

    def _produce(self, lines: list[bytes]) -> None:
        for line in lines:
            partition = self._rng.randrange(self._partitions)
            self._producer.produce(
                self._topic, line, partition=partition, on_delivery=self._delivered
            )
        self._producer.poll(0)
        self.sent += lines

    def _delivered(self, error: ck.KafkaError | None, _: ck.Message) -> None:
        if error is not None:
            self._undelivered.append(error)

    def _flush(self) -> None:
        left = self._producer.flush(DELIVERY_MS / 1000)
        assert left == 0, f"{left} events were not sent"
        assert self._undelivered == []
