"""What both transports share: one Faust event is one batch of records of one partition.

Faust's own consumer makes a message, four tasks and an acknowledgement for every record. Here a
message carries a whole `Delivery`, and Faust keeps no offsets: input positions become durable with
the state they led to, in the worker's checkpoints. A transport tells the worker about partitions
through `PartitionOwner`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import faust
from faust.tables.manager import TableManager
from faust.transport import base
from faust.types import TP, ConsumerMessage
from faust.types.tuples import RecordMetadata

from streams.stage import RecordBatch


class Delivery(NamedTuple):
    """A batch on its way to the worker."""

    tp: TP
    epoch: int
    """Which assignment the batch was read under; those of an earlier one are void."""
    number: int
    """0, 1, 2... within the partition and epoch, so that a missing delivery is noticed."""
    batch: RecordBatch
    position: int
    """Where reading continues once this batch has been processed."""


class PartitionOwner(Protocol):
    """Who processes the partitions that a transport is assigned.

    Assignments are whole (Kafka's eager protocol): every partition is given up before a new
    set is taken over.
    """

    def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Makes ready to process exactly `tps`; returns where to read each from. May block."""
        ...

    async def assigned(self, epoch: int) -> None:
        """Begins to accept deliveries of `epoch`, for the partitions restored last."""
        ...

    async def revoked(self) -> None:
        """Makes the work done durable, then forgets all partitions."""
        ...

    async def lost(self) -> None:
        """Forgets all partitions: somebody else may own them already."""
        ...

    def fail(self, error: BaseException) -> None:
        """Stops the worker because of `error`. Safe from any thread."""
        ...


class NoTables(TableManager):
    """Faust's table manager without tables, and so without its second of waiting for them."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class DataPlaneApp(faust.App):
    """A Faust app whose consumer works for a `PartitionOwner`."""

    owner: PartitionOwner
    """Set before the app is started."""
    source: Any
    """What the transport reads from: a `MemoryBroker` or `KafkaSource`."""

    def _create_directories(self) -> None:
        """Faust's tables would need directories; there are none."""


class BatchSchema(faust.Schema[Any, Any]):
    """Hands a delivery to the agent as it is, without Faust's serializers."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class BatchConsumer(base.Consumer):
    """A Faust consumer of deliveries; subclasses say where they come from.

    Of Faust's consumer this keeps the flow control during a rebalance, and nothing of its
    offsets: no acknowledgement, commit or seek by Faust.
    """

    app: DataPlaneApp

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.epoch = 0
        self._assigned: frozenset[TP] = frozenset()

    async def next_delivery(self, timeout_s: float) -> Delivery | None:
        """Takes the next delivery while flow is active; None when there is none for a while."""
        raise NotImplementedError

    async def _getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> dict[TP, list[Delivery]]:
        delivery = await self.next_delivery(timeout)
        return {} if delivery is None else {delivery.tp: [delivery]}

    def _to_message(self, tp: TP, delivery: Delivery) -> ConsumerMessage:
        """Makes the message whose generation lets Faust drop it after a rebalance."""
        return ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=delivery.number,
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=delivery,  # type: ignore[arg-type]
            checksum=None,
            tp=tp,
            generation_id=delivery.epoch,
        )

    # ---- rebalances, on the event loop

    async def give_up_partitions(self, *, lost: bool) -> None:
        """Stops flow, lets the owner finish or forget, and is left with no partition."""
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(set(self._assigned))
        await (self.app.owner.lost() if lost else self.app.owner.revoked())
        self._assigned = frozenset()
        self.epoch += 1

    async def take_over_partitions(self, tps: Iterable[TP]) -> None:
        """Starts a new epoch with `tps`, which the owner has restored; Faust then resumes flow."""
        if not self.app.rebalancing:
            self.app.on_rebalance_start()
        self._assigned = frozenset(tps)
        self.epoch += 1
        self.app.consumer_generation_id = self.epoch
        self._read_offset.clear()
        await self.app.owner.assigned(self.epoch)
        await self.on_partitions_assigned(set(self._assigned), self.epoch)

    # ---- Faust's offsets: not kept

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        return False

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return False

    async def perform_seek(self) -> None: ...

    async def seek_to_committed(self) -> dict[TP, int]:
        return {}

    async def _seek(self, partition: TP, offset: int) -> None: ...

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None: ...

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None: ...

    # ---- Faust's view of partitions

    def on_buffer_full(self, tp: TP) -> None:
        """A full agent queue blocks the fetcher by itself.

        Faust would take the partition out of the active set, and sleep for a second when it was
        the last one there.
        """

    def on_buffer_drop(self, tp: TP) -> None: ...

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def assignment(self) -> set[TP]:
        return set(self._assigned)

    async def position(self, tp: TP) -> int | None:
        return None

    def highwater(self, tp: TP) -> int:
        return 0

    async def highwaters(self, *tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 0)

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 0)

    def topic_partitions(self, topic: str) -> int | None:
        return None

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> None:
        return None

    async def create_topic(self, *args: Any, **options: Any) -> None: ...


class NoProducer(base.Producer):
    """Faust wants a producer; agents write through checkpoints only."""

    async def send(self, topic: str, *args: Any, **options: Any) -> Awaitable[RecordMetadata]:
        raise RuntimeError(
            f"an agent sent a record to {topic} through Faust: "
            "records are written by checkpoints only, return them from flush()"
        )

    send_and_wait = send  # type: ignore[assignment]

    async def create_topic(self, *args: Any, **options: Any) -> None: ...


class BatchTransport(base.Transport):
    """A transport whose consumer is a `BatchConsumer`."""

    Producer = NoProducer
    default_port = 0
