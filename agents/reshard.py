"""Another number of partitions under a prefix, with no worker at work.

Kafka can add partitions to a topic, and take none away. So the numbers grow only, in place: topics
get new partitions, which are empty, and then one transaction moves every record whose key now
belongs elsewhere and writes the new numbers down. Until that is committed the old numbers hold, and
workers refuse to start on topics that have more; running it again finishes.
"""

from collections.abc import Callable, Mapping

from agents.checkpoints import Home, StageState
from agents.maintenance import Change, MaintenanceError, change_state, drain
from agents.plans import PLANS, Written, partitions_record
from agents.privacy_key import privacy_key
from agents.settings import Settings
from agents.stages import stages_behind_ingest
from agents.topics import grow
from streams.reshard import counts_of, moves, resharded
from streams.stage import Outgoing
from streams.topology import Partitions, Topology


def reshard(
    written: Written,
    wanted: Partitions,
    input_partitions: Mapping[str, int],
    settings: Settings,
    prefix: str,
) -> None:
    """Moves the state of a prefix to `wanted` partitions. MaintenanceError if it cannot."""
    before = written.partitions
    check_grows(before, wanted)
    if written.running is None:
        raise MaintenanceError(
            f"Nothing has run under {prefix} yet: there is no state to move. Create its topics "
            "with other numbers instead, under another prefix."
        )
    of_worker = settings.of_worker(prefix)
    running = written.running
    drain(running, before, input_partitions, of_worker)
    grow(settings.bootstrap_servers, prefix, wanted, security=settings.security())

    def moved(state_of: Callable[[Home], dict[bytes, bytes]]) -> Change:
        written_down = Outgoing(PLANS, 0, *partitions_record(wanted))
        return _moved(before, wanted, state_of), [written_down]

    after = Topology(
        running.plan,
        dict(input_partitions),
        partitions=wanted,
        history=running.history,
        key=privacy_key(running.plan),
    )
    change_state(stages_behind_ingest(after), of_worker, prefix, moved)


def check_grows(before: Partitions, wanted: Partitions) -> None:
    """MaintenanceError unless every number grows, or stays."""
    now = counts_of(before)
    for stage, count in counts_of(wanted).items():
        if count < now[stage]:
            raise MaintenanceError(
                f"{stage} has {now[stage]} partitions and cannot get {count}: Kafka takes no "
                "partition away. Begin under another `prefix` to have fewer."
            )


def _moved(
    before: Partitions, wanted: Partitions, state_of: Callable[[Home], dict[bytes, bytes]]
) -> list[StageState]:
    states = []
    now = counts_of(before)
    for stage, count in counts_of(wanted).items():
        if count == now[stage]:
            continue
        old = [state_of(Home(stage, partition)) for partition in range(now[stage])]
        for partition, state in enumerate(resharded(stage, old, count)):
            known = old[partition] if partition < len(old) else {}
            if changed := moves(known, state):
                states.append(StageState(Home(stage, partition), changed))
    return states
