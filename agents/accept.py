"""Going over to another plan under a prefix, with no worker at work."""

import time
from collections.abc import Callable, Mapping

from agents.checkpoints import Home, StageState
from agents.maintenance import Change, MaintenanceError, change_state, drain
from agents.plans import PLANS, Running, refusal_lines, running_records
from agents.privacy_key import privacy_key
from agents.stages import stages_behind_ingest
from agents.transport.kafka import KafkaSettings
from agents.worker import StageSpec
from schemas.outputs import KPIS, LISTS, kpi_record_key
from schemas.plan.models import Plan
from streams.calendar import Calendar
from streams.history import definitions
from streams.plan_change import change_of, history_after, without
from streams.stage import Outgoing
from streams.topology import Partitions, Topology


def accept(
    running: Running,
    plan: Plan,
    partitions: Partitions,
    input_partitions: Mapping[str, int],
    settings: KafkaSettings,
) -> Running:
    """Makes the prefix run under `plan`; what it runs under now.

    First the stages finish what is under way between them, by the plan before. Then state and
    values that the new plan has no use for are removed, and the plan is written down, in one
    transaction. MaintenanceError if the plan cannot be carried, or while workers run.
    """
    change = change_of(running.definitions, plan)
    if change.refused:
        raise MaintenanceError("\n".join(refusal_lines(change)))
    drain(running, partitions, input_partitions, settings)
    now_ms = time.time_ns() // 1_000_000
    history = history_after(change, plan, running.history, now_ms)
    accepted = Running(plan, definitions(plan), history, now_ms)
    stages = stages_behind_ingest(
        Topology(
            plan,
            dict(input_partitions),
            partitions=partitions,
            history=history,
            key=privacy_key(plan),
        )
    )
    calendar = Calendar(plan.timezone, plan.week_start)

    def changed(state_of: Callable[[Home], dict[bytes, bytes]]) -> Change:
        states, records = _cleared(stages, change.stale, calendar, state_of)
        written = (Outgoing(PLANS, 0, *record) for record in running_records(accepted))
        return states, [*records, *written]

    change_state(stages, settings, plan.prefix, changed)
    return accepted


def _cleared(
    stages: list[StageSpec],
    stale: frozenset[str],
    calendar: Calendar,
    state_of: Callable[[Home], dict[bytes, bytes]],
) -> Change:
    """State without stale units, and the removal of their values."""
    states: list[StageState] = []
    records: list[Outgoing] = []
    if not stale:
        return states, records
    for stage in stages:
        for partition in range(stage.partitions):
            home = Home(stage.name, partition)
            rewritten = without(stale, stage.name, state_of(home), calendar)
            if rewritten.entities:
                states.append(StageState(home, rewritten.entities))
            for key in rewritten.values:
                # what was no ranking has no list, and a key that is not there can be removed, too
                for role in (KPIS, LISTS):
                    records.append(Outgoing(role, None, kpi_record_key(key), None))
    return states, records
