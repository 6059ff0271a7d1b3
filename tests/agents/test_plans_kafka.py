"""Changes under a prefix on a real broker: of its plan, its partitions, and its inputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import confluent_kafka as ck
import pytest
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewPartitions

from agents import maintenance
from agents.checkpoints import StopWorker
from agents.maintenance import MaintenanceError
from agents.plans import UNWRITTEN, PlanDiffers, read_plans
from agents.service import create_topics, drain_prefix, plans_of, reshard_prefix, work
from agents.settings import Settings
from agents.topics import PARTITIONS, TopicError, create, grow, topic_name
from agents.transport.kafka import KafkaSettings
from schemas.outputs import DEAD_LETTERS, KPIS, SIGNALS
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import parse_iso
from streams.topology import Partitions
from tests.agents.cli.test_run import UNTIL, edits, plan_for, replayed, settled
from tests.kafka_runs import committed_records, create_input, send
from tests.records import Result, result_of

pytestmark = pytest.mark.timeout(240)

UNTIL_MS = parse_iso(UNTIL)
SMALL = Partitions(4, 4, 2)
LINES = edits(600)
FIRST_HALF, SECOND_HALF = LINES[:300], LINES[300:]
KPIS_THAT_RUN = [
    *("dau", "wau", "stickiness", "active_accounts", "core_actions", "new_signups"),
    *("activated_users", "activation_rate", "cohort_retention", "lifecycle_new"),
    *("account_user_milestones", "account_activated_user_milestones"),
]


class Roaming(Settings):
    """Of a worker that keeps no place for itself, so that the next one need not wait."""

    def of_worker(self, group: str) -> KafkaSettings:
        return replace(super().of_worker(group), static=False)


class Prefix:
    """Everything under one prefix."""

    def __init__(self, bootstrap: str, name: str, folder: Path) -> None:
        self.bootstrap, self.name, self.folder = bootstrap, name, folder
        self.settings: Settings = Roaming(
            bootstrap_servers=bootstrap,
            slot="a",
            kafka={"topic.metadata.refresh.interval.ms": "500"},
        )
        create_input(bootstrap, f"{name}-in", 2)
        create_topics(self.plan(), self.settings, -1, SMALL)

    def document(self, **changes: Any) -> dict[str, Any]:
        return plan_for(self.name) | {"kpis": {"only": KPIS_THAT_RUN}} | changes

    def plan(self, **changes: Any) -> Plan:
        return load_plan(yaml.safe_dump(self.document(**changes)))

    def send(self, lines: list[bytes], partitions: int = 2) -> None:
        send(self.bootstrap, f"{self.name}-in", lines, partitions)

    def work_a_while(self) -> None:
        """Until there are first results; much is still under way between the stages then."""
        work(self.plan(), self.settings, stop_when=self.has_results)

    def has_results(self) -> bool:
        topic = topic_name(self.name, KPIS)
        client = ck.Consumer({"bootstrap.servers": self.bootstrap, "group.id": "looks"})
        tps = [ck.TopicPartition(topic, p) for p in range(PARTITIONS[KPIS])]
        ends = [client.get_watermark_offsets(tp)[1] for tp in tps]
        client.close()
        return any(ends)

    def records(self, role: str) -> list[bytes]:
        return committed_records(self.bootstrap, topic_name(self.name, role))

    def result(self) -> Result:
        """What is left on the topics: a key whose last record is a tombstone is gone."""
        outputs = {role: self.records(role) for role in (SIGNALS, DEAD_LETTERS)}
        return result_of(outputs | {KPIS: self._values()})

    def _values(self) -> list[bytes]:
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        topic = topic_name(self.name, KPIS)
        tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(tps)
        ends, table = consumer.end_offsets(tps), {}
        while any(consumer.position(tp) < ends[tp] for tp in tps):
            for records in consumer.poll(timeout_ms=500).values():
                table.update((record.key, record.value) for record in records)
        consumer.close()
        return [value for value in table.values() if value is not None]

    def replayed(self, lines: list[bytes], **changes: Any) -> Result:
        path = self.folder / "plan.yaml"
        path.write_text(yaml.safe_dump(self.document(**changes), sort_keys=False))
        return replayed(lines, path, self.folder)


@pytest.fixture
def under(kafka: str, prefix: str, tmp_path: Path) -> Prefix:
    return Prefix(kafka, prefix, tmp_path)


def test_resharded_half_way_the_numbers_are_those_of_a_single_run(under: Prefix) -> None:
    under.send(FIRST_HALF)
    under.work_a_while()
    wanted = Partitions(6, 6, 3)
    # interrupted: nothing is under way, the topics have grown, and nothing was moved
    drain_prefix(under.plan(), under.settings)
    grow(under.bootstrap, under.name, wanted)
    with pytest.raises(TopicError, match="`headwater topics reshard` was interrupted, run it ag"):
        work(under.plan(), under.settings)

    reshard_prefix(under.plan(), wanted._asdict(), under.settings)

    assert plans_of(under.plan(), under.settings).partitions == wanted
    # events that were counted before come again, in the other partition
    under.send(FIRST_HALF[-51:])
    under.send(SECOND_HALF)
    work(under.plan(), under.settings, until_ms=UNTIL_MS)
    ours, single = settled(under.result()), settled(under.replayed(LINES))
    assert ours - single == set()
    assert single - ours == set()
    with pytest.raises(MaintenanceError, match="accounts has 6 partitions and cannot get 4"):
        reshard_prefix(under.plan(), {"accounts": 4}, under.settings)


def test_another_plan_is_told_and_goes_on_only_where_it_is_accepted(
    under: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "activation": {"event": "Page Created", "times": 2},
        "kpis": {"only": [kpi for kpi in KPIS_THAT_RUN if kpi != "lifecycle_new"]},
    }
    other = under.plan(**changes)
    under.send(FIRST_HALF)
    under.work_a_while()

    with pytest.raises(PlanDiffers) as told:
        work(other, under.settings)
    for sentence in (
        'activation.form: "once" -> "times"',
        "Begins anew at the switch: signal/activated, company/activated_users, company/activation",
        "Is removed, with its values: company/lifecycle_new",
        "start one with --accept-plan",
    ):
        assert sentence in str(told.value)
    with pytest.raises(MaintenanceError, match=r"`timezone` changed"):
        work(under.plan(timezone="Europe/Berlin"), under.settings, accept_plan=True)
    monkeypatch.setattr(maintenance, "EMPTY_S", 0.1)
    somebody = member_of(under)
    with pytest.raises(MaintenanceError, match="has workers: somebody"):
        work(other, under.settings, accept_plan=True)
    somebody.close()
    monkeypatch.undo()

    under.send(SECOND_HALF)
    work(other, under.settings, accept_plan=True, until_ms=UNTIL_MS)

    ours, whole = under.result(), under.replayed(LINES, **changes)

    def goes_on(result: Result) -> set[str]:
        kpis = {key: record for key, record in result.kpis.items() if "activat" not in key.kpi}
        return settled(Result(kpis, {}, result.dead_letters))

    assert goes_on(ours) - goes_on(whole) == set()
    assert goes_on(whole) - goes_on(ours) == set()
    assert len(goes_on(whole)) > 50
    anew = [r for key, r in ours.kpis.items() if key.kpi == "activated_users"]
    assert all("since" in record["parts"] for record in anew)
    with pytest.raises(PlanDiffers, match="runs under another plan"):
        work(under.plan(), under.settings)


def member_of(under: Prefix) -> ck.Consumer:
    somebody = ck.Consumer(
        {
            "bootstrap.servers": under.bootstrap,
            "group.id": under.name,
            "client.id": "somebody",
        }
    )
    somebody.subscribe([f"{under.name}-in"])
    while not somebody.assignment():
        somebody.poll(0.1)
    return somebody


def test_an_input_that_grows_stops_workers_and_is_read_whole_after_a_restart(
    under: Prefix,
) -> None:
    # workers that keep their places: one that is back at once must not get what it had
    under.settings = Settings(**under.settings.model_dump())
    under.send(FIRST_HALF)
    grown = False

    def grow_once_at_work() -> bool:
        nonlocal grown
        if not grown and under.has_results():
            admin = KafkaAdminClient(bootstrap_servers=under.bootstrap)
            admin.create_partitions({f"{under.name}-in": NewPartitions(3)})
            admin.close()
            grown = True
        return False

    with pytest.raises(StopWorker, match=rf"{under.name}-in has .* restart"):
        work(under.plan(), under.settings, stop_when=grow_once_at_work)

    under.send(SECOND_HALF, partitions=3)
    work(under.plan(), under.settings, until_ms=UNTIL_MS)
    ours, single = settled(under.result()), settled(under.replayed(LINES))
    assert ours - single == set()
    assert single - ours == set()


def test_topics_that_are_created_again_keep_the_numbers_that_they_were_created_with(
    under: Prefix,
) -> None:
    assert create_topics(under.plan(), under.settings, -1, None) == []
    assert plans_of(under.plan(), under.settings).partitions == SMALL
    with pytest.raises(TopicError, match="reshard"):
        create_topics(under.plan(), under.settings, -1, Partitions(8, 8, 4))


def test_a_prefix_that_never_wrote_its_numbers_down_has_those_of_that_time(
    kafka: str, prefix: str
) -> None:
    plan = load_plan(yaml.safe_dump(plan_for(prefix)))
    settings = Settings(bootstrap_servers=kafka, slot="a", kafka={})
    create(kafka, prefix, partitions=UNWRITTEN)
    assert plans_of(plan, settings).partitions == UNWRITTEN


def test_of_two_first_workers_one_writes_its_plan_down(under: Prefix) -> None:
    work(under.plan(), under.settings, stop_when=lambda: True)
    written = read_plans(under.settings.of_worker(under.name), under.name)
    assert written.partitions == SMALL
    assert written.running is not None
    assert written.running.plan == under.plan()
    with pytest.raises(PlanDiffers, match="Other"):
        work(under.plan(product="Other"), under.settings)
