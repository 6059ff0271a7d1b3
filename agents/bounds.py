"""Reading inputs up to where they ended at some moment, and no further."""

from bisect import bisect_left
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient
from faust.types import TP

from agents.transport.batches import Delivery
from agents.transport.kafka import KafkaSettings
from agents.transport.offsets import LATEST, list_offsets


def ends_now(settings: KafkaSettings, partitions: Mapping[str, int]) -> dict[TP, int]:
    """Where topics with so many partitions end; records of open transactions count. Blocks."""
    tps = [TP(topic, partition) for topic, n in partitions.items() for partition in range(n)]
    return list_offsets(AdminClient(settings.client()), tps, LATEST)


def up_to(bound: int, delivery: Delivery, position: int) -> Delivery:
    """A delivery without the records from `bound` on: there its partition ends.

    `position` is where the partition has been processed up to, and never goes back.
    """
    batch = delivery.batch
    kept = bisect_left(batch.offsets, bound)
    cut = batch._replace(
        offsets=batch.offsets[:kept],
        timestamps_ms=batch.timestamps_ms[:kept],
        values=batch.values[:kept],
        at_end=delivery.position >= bound,
    )
    return delivery._replace(batch=cut, position=max(position, min(delivery.position, bound)))
