"""The stages of a plan as a worker runs them: what each one reads, and who makes its partitions."""

from collections.abc import Callable, Mapping
from functools import partial

from agents.topics import topic_name
from agents.worker import StageSpec
from streams.engine import READS
from streams.stage import StagePartition
from streams.topology import Topology

INGEST, ACCOUNTS, TALLIES, COMPANY = "ingest", "accounts", "tallies", "company"


def stages_of_topics(topology: Topology, input_partitions: Mapping[str, int]) -> list[StageSpec]:
    """All stages on Kafka, with one ingest for each input topic of the plan."""
    ingests = [
        StageSpec(
            f"{INGEST}-{input.name}",
            [input.topic],
            input_partitions[input.topic],
            partial(topology.ingest, input),
            stateful=False,
            first=True,
            agent=INGEST,
        )
        for input in topology.plan.inputs
    ]
    return ingests + stages_behind_ingest(topology)


def stages_of_files(
    topology: Topology, topic: str, files: int, ingest: Callable[[int], StagePartition]
) -> list[StageSpec]:
    """All stages of a replay, in which files, of whatever input, are the partitions of `topic`.

    `ingest` makes the stage partition that reads a file, from its number; it remembers how far.
    """
    reading = StageSpec(INGEST, [topic], files, ingest, first=True)
    return [reading, *stages_behind_ingest(topology)]


def stages_behind_ingest(topology: Topology) -> list[StageSpec]:
    """The stages that read what stages write."""
    counts = topology.partitions
    made: dict[str, tuple[int, Callable[[int], StagePartition]]] = {
        ACCOUNTS: (counts.accounts, topology.accounts),
        "users": (counts.users, topology.users),
        TALLIES: (counts.tallies, topology.tallies),
        COMPANY: (1, lambda _: topology.company()),
    }
    return [
        StageSpec(
            stage,
            [topic_name(topology.plan.prefix, role) for role in READS[stage]],
            partitions,
            make,
            # Both of them are the company's numbers: adding up, and combining.
            agent=COMPANY if stage == TALLIES else stage,
        )
        for stage, (partitions, make) in made.items()
    ]
