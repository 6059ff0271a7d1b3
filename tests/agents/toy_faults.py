"""Faults that a toy worker can be told to have, at a point that no test could hit from outside."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import confluent_kafka as ck

from agents.checkpoints import kafka as checkpoints
from agents.transport import kafka as transport


def install(settings: Mapping[str, Any]) -> None:
    """`freeze_before`: a call of the producer. `cut_off`: see `CutOff`."""
    if call := settings.get("freeze_before"):
        checkpoints.ck = _with(Producer=freezing(call))  # type: ignore[attr-defined]
    if settings.get("cut_off"):
        transport.ck = _with(Consumer=CutOff)  # type: ignore[attr-defined]


def _with(**replaced: type) -> Any:
    """confluent-kafka with some of its classes replaced."""
    return type("confluent_kafka", (), {**vars(ck), **replaced})


FREEZE_AT = 3


def freezing(call: str) -> type[ck.Producer]:
    """A producer that stops its process (SIGSTOP) before the third `call`."""

    class Freezing(ck.Producer):
        calls = 0

    def frozen(self: Freezing, *args: Any) -> Any:
        Freezing.calls += 1
        if Freezing.calls == FREEZE_AT:
            self.flush()
            signal.raise_signal(signal.SIGSTOP)  # `os.kill` may be taken by another thread, later
        return getattr(ck.Producer, call)(self, *args)

    setattr(Freezing, call, frozen)
    return Freezing


class CutOff(ck.Consumer):
    """Its first records come back from `consume` only after a rebalance, which ran meanwhile."""

    assignments = 0
    held = False

    def subscribe(self, topics: list[str], on_assign: Any, **listeners: Any) -> None:
        def counting(client: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
            on_assign(client, partitions)
            self.assignments += 1

        super().subscribe(topics, on_assign=counting, **listeners)

    def consume(self, count: int, timeout_s: float) -> list[ck.Message]:
        messages = super().consume(count, timeout_s)
        if not self.held and any(message.error() is None for message in messages):
            self.held = True
            print("holds records back", flush=True)
            before = self.assignments
            while self.assignments == before:
                messages += super().consume(count, timeout_s)
        return messages
