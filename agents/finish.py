"""Knowing when a pipeline of several workers has nothing left to do: the end of some runs.

Watermarks travel in records between the stages, so a worker whose partitions all stand at the
moment asked for knows that everything before them does. What comes after them, and what goes back
to an earlier stage, is done once every record of every topic has been processed and nothing new is
written, or handed over, for a while. Where inputs are read up to bounds, they count as read there.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.transport.kafka import KafkaSettings
from agents.transport.offsets import LATEST, list_offsets
from agents.worker import StageSpec, Worker

log = logging.getLogger(__name__)

QUIET_S = 1.5
"""Longer than the second for which stages hold back what is not urgent."""
POLL_S = 0.2
REQUEST_S = 15.0


class Come(NamedTuple):
    """How far a group has come: by partition its position, and the end."""

    committed: Mapping[TP, int]
    ends: Mapping[TP, int]


class Pipeline:
    """The topics that the stages read, and how far the whole group has come in them."""

    repeating: str | None = None
    """A topic in which something is said again and again, which then means nothing."""

    def __init__(self, settings: KafkaSettings, stages: Iterable[StageSpec]) -> None:
        self._group = settings.group
        self._admin = AdminClient(settings.client(), logger=log)
        self._tps = [
            TP(topic, partition)
            for stage in stages
            for topic in stage.topics
            for partition in range(stage.partitions)
        ]

    def ends_if_all_is_read(self) -> Mapping[TP, int] | None:
        """The end of every partition, if the group has committed up to there; else None. Blocks."""
        come = self._come()
        return come.ends if come and come.committed == come.ends else None

    def _come(self) -> Come | None:
        """How far the group has come. None: the broker does not say."""
        try:
            # Positions first: those that equal a later end were at the end when they were read.
            return Come(self._committed(), self.ends())
        except ck.KafkaException as error:
            log.warning("cannot tell whether everything has been read: %s", error)
            return None

    def lag(self) -> dict[TP, int]:
        """Records that the group has not read, of the partitions that have any. Blocks."""
        committed = self._committed()
        ends = self.ends()
        return {tp: end - committed[tp] for tp, end in ends.items() if committed[tp] < end}

    def _committed(self) -> dict[TP, int]:
        asked = ck.ConsumerGroupTopicPartitions(
            self._group, [ck.TopicPartition(*tp) for tp in self._tps]
        )
        answers = self._admin.list_consumer_group_offsets([asked], request_timeout=REQUEST_S)
        (answer,) = answers.values()
        found = answer.result().topic_partitions
        # without a position it begins at the beginning
        return {TP(each.topic, each.partition): max(each.offset, 0) for each in found}

    def ends(self) -> dict[TP, int]:
        """Records of open transactions count, for they may yet come."""
        return list_offsets(self._admin, self._tps, LATEST)


class BoundedPipeline(Pipeline):
    """A pipeline whose inputs are read up to `bounds`, while others may go on writing to them."""

    def __init__(
        self,
        settings: KafkaSettings,
        stages: Iterable[StageSpec],
        bounds: Mapping[TP, int],
        fed: str,
    ) -> None:
        """`fed`: the topic that inputs feed. Whoever is at a bound repeats there that it is."""
        super().__init__(settings, stages)
        self._bounds, self.repeating = bounds, fed
        self._told: Mapping[TP, int] | None = None
        """Where the topic ended that inputs feed, once they had been read up to their bounds."""

    def ends_if_all_is_read(self) -> Mapping[TP, int] | None:
        """The ends of the topics behind those that repeat themselves; else as a Pipeline."""
        come = self._come()
        if come is None or _behind(come, self._bounds):
            return None
        if self._told is None:
            # What the inputs had to say was committed with their positions, and so lies before.
            self._told = {tp: end for tp, end in come.ends.items() if tp.topic == self.repeating}
        rest = {
            tp: end
            for tp, end in come.ends.items()
            if tp not in self._bounds and tp not in self._told
        }
        return None if _behind(come, self._told) or _behind(come, rest) else rest


def _behind(come: Come, wanted: Mapping[TP, int]) -> bool:
    return any(come.committed[tp] < end for tp, end in wanted.items())


async def finished(pipeline: Pipeline, worker: Worker, until_ms: int | None) -> bool:
    """Returns True once the worker stands at `until_ms` and the pipeline is quiet for a while.

    None: wherever the worker stands.
    """
    known: tuple[Mapping[TP, int], Mapping[str, int]] | None = None
    quiet_since = time.monotonic()
    while True:
        ends = None
        if until_ms is None or worker.stands_at(until_ms):
            ends = await asyncio.to_thread(pipeline.ends_if_all_is_read)
        handed = {t: n for t, n in worker.handed_over.items() if t != pipeline.repeating}
        come = None if ends is None else (ends, handed)
        if come is None or come != known:
            known, quiet_since = come, time.monotonic()
        elif time.monotonic() - quiet_since >= QUIET_S:
            return True
        await asyncio.sleep(POLL_S)
