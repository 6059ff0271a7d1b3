"""All stages of a plan in one object, wired by lists: for tests, and to try a plan in a notebook.

Records of a stage reach the next one only when all stages are flushed, as at a checkpoint.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from schemas.outputs import ROLES, kpi_record_key
from schemas.plan.models import Plan
from streams.calendar import Calendar
from streams.history import NEW, History, definitions
from streams.plan_change import Change, change_of, history_after, history_of, without
from streams.roles import FACTS_ROLE, TALLIES_ROLE, USER_FACTS_ROLE, USER_STATE_ROLE, VALUES_ROLE
from streams.stage import Outgoing, RecordBatch, StagePartition
from streams.topology import Partitions, Topology
from streams.warmth import WARM

READS = {
    "accounts": (FACTS_ROLE, USER_STATE_ROLE),
    "users": (USER_FACTS_ROLE,),
    "tallies": (TALLIES_ROLE,),
    "company": (VALUES_ROLE,),
}
"""The roles of the topics that each stage behind ingest reads."""
_STAGE_OF_ROLE = {role: stage for stage, roles in READS.items() for role in roles}


class Engine:
    """A plan at work. `feed`, `advance`, `settle`; then read `outputs`."""

    def __init__(
        self,
        plan: Plan,
        *,
        input_partitions: int = 1,
        partitions: int = 4,
        bounded: bool = False,
        warm: int = WARM,
        key: bytes | None = None,
    ) -> None:
        """`input_partitions`: of each input. `bounded`: the plan's horizons hold, as they do on
        Kafka. `warm`: see Topology."""
        self._until_ms: int | None = None
        self._partitions = Partitions(partitions, partitions, partitions)
        self._bounded, self._input_partitions = bounded, input_partitions
        self._warm, self._key = warm, key
        self._follow(plan, NEW)
        self.states: dict[tuple[str, int], dict[bytes, bytes]] = defaultdict(dict)
        """What each stage partition has saved, by stage and number."""
        self._waiting: list[Outgoing] = []
        self._offsets: Counter[tuple[str, int]] = Counter()
        self.outputs: dict[str, list[bytes]] = {role: [] for role in ROLES}
        self.removed: list[bytes] = []
        """Keys of values that were taken back, such as those that the horizon has passed."""
        self.gone: set[bytes] = set()
        """Those of which that was the last word."""
        self.stages = self._made()

    def _follow(self, plan: Plan, history: History) -> None:
        self._inputs = {input.name: input for input in plan.inputs}
        self.topology = Topology(
            plan,
            {input.topic: self._input_partitions for input in plan.inputs},
            partitions=self._partitions,
            bounded=self._bounded,
            until=lambda: self._until_ms,
            history=history,
            warm=self._warm,
            key=self._key,
        )

    def _made(self) -> dict[tuple[str, int], StagePartition]:
        topology, counts = self.topology, self.topology.partitions
        stages: dict[tuple[str, int], StagePartition] = {
            self._ingest(name, p): topology.ingest(input, p)
            for name, input in self._inputs.items()
            for p in range(self._input_partitions)
        }
        for p in range(counts.accounts):
            stages["accounts", p] = topology.accounts(p)
        for p in range(counts.users):
            stages["users", p] = topology.users(p)
        for p in range(counts.tallies):
            stages["tallies", p] = topology.tallies(p)
        stages["company", 0] = topology.company()
        return stages

    def _ingest(self, input: str, partition: int) -> tuple[str, int]:
        """The key in `stages` of what reads a partition of an input."""
        return "ingest", list(self._inputs).index(input) * self._input_partitions + partition

    def feed(
        self,
        records: Sequence[bytes],
        *,
        input: str | None = None,
        partition: int = 0,
        now_ms: int = 1 << 42,
    ) -> None:
        """Raw event records into a partition of an input, by default of the plan's first."""
        read = next(iter(self._inputs.values())) if input is None else self._inputs[input]
        first = self._offsets[read.topic, partition]
        self._offsets[read.topic, partition] += len(records)
        batch = RecordBatch(
            read.topic,
            partition,
            range(first, first + len(records)),
            [now_ms] * len(records),
            records,
            at_end=False,
        )
        self.stages[self._ingest(read.name, partition)].process(batch)

    def advance(self, watermark_ms: int) -> None:
        """Lets every input partition stand at a watermark, as the end of a replay does."""
        self._until_ms = watermark_ms
        for name, input in self._inputs.items():
            for partition in range(self._input_partitions):
                end = RecordBatch(input.topic, partition, [], [], [], at_end=True)
                self.stages[self._ingest(name, partition)].process(end)

    def settle(self, now_ms: int = 1 << 42) -> None:
        """Flushes all stages, and delivers what they send, until nothing is in flight."""
        while self.step(now_ms):
            now_ms += 1000

    def step(self, now_ms: int) -> bool:
        """One round: delivers what waits, then flushes every stage. True if more is in flight."""
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            assert record.partition is not None
            batch = RecordBatch(record.role, record.partition, [0], [0], [record.value], False)
            self.stages[_STAGE_OF_ROLE[record.role], record.partition].process(batch)
        for place, stage in self.stages.items():
            entities, records = stage.flush(now_ms)
            for key, value in entities:
                if value is None:
                    self.states[place].pop(key, None)
                else:
                    self.states[place][key] = value
            for record in records:
                if record.role in self.outputs:
                    if record.value is None:
                        self.removed.append(record.key or b"")
                        self.gone.add(record.key or b"")
                    else:
                        self.gone.discard(record.key or b"")
                        self.outputs[record.role].append(record.value)
                else:
                    self._waiting.append(record)
        return bool(self._waiting)

    def change_plan(self, plan: Plan, at_ms: int) -> Change:
        """Goes over to another plan, as `headwater run --accept-plan` does at a moment.

        Everything has to be settled. The change has to be one that is not refused.
        """
        before, history = self.topology.plan, self.topology.history
        change = change_of(definitions(before), plan)
        self._follow(plan, history_after(change, plan, history_of(before, history), at_ms))
        calendar = Calendar(plan.timezone, plan.week_start)
        for (stage, _), state in self.states.items():
            rewritten = without(change.stale, stage, state, calendar)
            for key, value in rewritten.entities:
                if value is None:
                    del state[key]
                else:
                    state[key] = value
            taken_back = [*map(kpi_record_key, rewritten.values)]
            self.removed += taken_back
            self.gone.update(taken_back)
        self.restart()
        return change

    def restart(self) -> None:
        """Makes every stage anew from its state records, as after a clean stop."""
        self.stages = self._made()
        for place, stage in self.stages.items():
            for key, value in self.states[place].items():
                stage.restore(key, value)
            stage.restored()
