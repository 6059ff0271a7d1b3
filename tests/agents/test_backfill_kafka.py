"""A changed plan's numbers made anew under another prefix, on a real broker, and compared."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from faust.types import TP

from agents import service
from agents.backfill import BackfillRefused, backfill
from agents.bounds import ends_now
from agents.checkpoints import StopWorker
from agents.differences import read_differences
from agents.plans import gone_live, read_plans
from agents.service import create_topics, plans_of, work
from agents.topics import partition_counts, topic_name
from agents.transport.kafka import KafkaSettings
from schemas.outputs import KPIS
from schemas.plan.models import Plan
from schemas.times import DAY_MS, iso, parse_iso
from streams.topology import Partitions
from tests.agents.cli.test_run import UNTIL, edits, wait_for_records
from tests.agents.kafka_topics import delete_records
from tests.agents.test_plans_kafka import KPIS_THAT_RUN, SMALL, Prefix
from tests.kafka_runs import TIMEOUT_S, Headwater, committed_offsets, ended
from tests.records import settled

pytestmark = pytest.mark.timeout(240)

UNTIL_MS = parse_iso(UNTIL)
CHANGES = {"kpis": {"only": KPIS_THAT_RUN, "settings": {"core_tasks": ["edit"]}}}
"""Of all KPIs that run it concerns core_actions alone."""


def days_of_edits(days: int, of_day: int) -> list[bytes]:
    """Edits of consecutive days; the last of these ends at UNTIL."""
    lines = []
    for day in range(days):
        for line in edits(of_day, seed=day):
            if line.startswith(b'{"messageId"'):
                event = orjson.loads(line)
                at_ms = parse_iso(event["timestamp"]) - (days - 1 - day) * DAY_MS
                event |= {"timestamp": iso(at_ms), "messageId": f"{day}-{event['messageId']}"}
                line = orjson.dumps(event)
            lines.append(line)
    return lines


LINES = days_of_edits(5, 200)
FIRST, SECOND = LINES[:850], LINES[850:]


@pytest.fixture
def old(kafka: str, prefix: str, tmp_path: Path) -> Prefix:
    """The prefix that runs; it has read FIRST, and stands where a day begins.

    One of the two partitions of its input is empty.
    """
    under = Prefix(kafka, prefix, tmp_path)
    under.send(FIRST, partitions=1)
    work(under.plan(), under.settings, until_ms=UNTIL_MS - DAY_MS)
    return under


def at_new(old: Prefix) -> Prefix:
    """The new prefix, to look at: nothing is made there."""
    new = object.__new__(Prefix)
    new.bootstrap, new.folder, new.settings = old.bootstrap, old.folder, old.settings
    new.name = f"{old.name}-2"
    return new


def changed(old: Prefix, **others: Any) -> Plan:
    return old.plan(**CHANGES, **others)


def live(old: Prefix) -> Plan:
    """The changed plan, once somebody went over."""
    return changed(old).model_copy(update={"prefix": at_new(old).name})


def test_it_ends_where_inputs_ended_when_it_began_and_live_workers_go_on_from_there(
    old: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = at_new(old)

    def ends_before_more_is_written(settings: KafkaSettings, read: dict[str, int]) -> dict[TP, int]:
        ends = ends_now(settings, read)
        old.send(SECOND)
        return ends

    monkeypatch.setattr(service, "ends_now", ends_before_more_is_written)

    assert backfill(changed(old), new.name, old.settings)

    assert committed_offsets(old.bootstrap, new.name, f"{old.name}-in") == len(FIRST)
    of_worker = old.settings.of_worker(new.name)
    found = read_differences(of_worker, old.name, new.name)
    differing = {each.kpi for each in found.kpis if each.differs}
    assert differing == {"core_actions"}
    assert len({each.kpi for each in found.kpis}) > 8
    assert sum(each.counts["equal"] for each in found.kpis) > 100
    assert sum(each.both for each in found.signals) > 10
    assert not any(each.only_old or each.only_new for each in found.signals)
    assert plans_of(live(old), old.settings).partitions == SMALL

    # nobody has gone over: the old prefix runs on
    work(old.plan(), old.settings, until_ms=UNTIL_MS)
    work(live(old), old.settings, until_ms=UNTIL_MS)

    ours, scratch = settled(new.result()), settled(old.replayed(LINES, **CHANGES))
    assert ours - scratch == set()
    assert scratch - ours == set()
    assert settled(old.result()) == settled(old.replayed(LINES))
    with pytest.raises(BackfillRefused, match="is live already: choose another"):
        backfill(changed(old), new.name, old.settings)


def test_killed_and_continued_it_names_what_differs_and_how_to_go_over(
    old: Prefix, tmp_path: Path
) -> None:
    new = at_new(old)
    plan = tmp_path / "changed.yaml"
    plan.write_text(yaml.safe_dump(old.document(**CHANGES)))
    headwater = Headwater(old.bootstrap, plan)
    try:
        begun = headwater.start("run", "--backfill", new.name)
        until_topic_exists(old.bootstrap, topic_name(new.name, KPIS))
        wait_for_records(old.bootstrap, topic_name(new.name, KPIS))
        assert begun.poll() is None
        begun.kill()
        begun.communicate()
        # it does not come back: two others share what it left
        both = [headwater.start("run", "--backfill", new.name, "--slot", s) for s in "bc"]
        (code, out, errors), others = ended(both[0]), ended(both[1])
        again = headwater.run("run", "--backfill", new.name)
    finally:
        headwater.end_all()

    assert code == 0, errors
    assert (others[0], others[1]) == (0, out)
    table, _, steps = out.partition("To go over to the new numbers:")
    rows = [line.split() for line in table.splitlines()]
    (row,) = [row for row in rows if row[:2] == ["core_actions", "company"]]
    _, different, _, only_new, _ = (int(n.replace(",", "")) for n in row[2:])
    assert different > 3
    assert only_new == 0
    examples = [line for line in table.splitlines() if line.startswith("  core_actions of company")]
    assert len(examples) == 3
    assert all(" -> " in line for line in examples)
    assert {row[0] for row in rows if row[1:2] in (["company"], ["account"])} == {"core_actions"}
    assert "The same in all " in table
    assert "The same under both: " in table
    assert f"1. Set `prefix: {new.name}` in the plan." in steps
    assert "\x1b" not in out
    # what was complete is complete, and says the same
    assert (again[0], again[1]) == (0, out)

    old.send(SECOND)
    work(live(old), old.settings, until_ms=UNTIL_MS)
    ours, scratch = settled(new.result()), settled(old.replayed(LINES, **CHANGES))
    assert ours - scratch == set()
    assert scratch - ours == set()


def until_topic_exists(bootstrap: str, topic: str) -> None:
    give_up_at = time.monotonic() + TIMEOUT_S
    while not partition_counts(bootstrap, [topic]):
        assert time.monotonic() < give_up_at, f"{topic} was not made"
        time.sleep(0.05)


def test_asked_to_stop_it_says_that_it_is_not_at_the_end(old: Prefix) -> None:
    new = at_new(old)
    assert not backfill(changed(old), new.name, old.settings, stop_when=lambda: True)
    written = read_plans(old.settings.of_worker(new.name), new.name)
    assert written.backfill_of == old.name
    assert backfill(changed(old), new.name, old.settings)


def test_what_the_inputs_hold_no_longer_is_only_in_the_old_one(old: Prefix) -> None:
    new = at_new(old)
    # the first two days of one partition are gone, and all that the other one had
    old.send([b"{", b"{"], partitions=2)
    delete_records(old.bootstrap, f"{old.name}-in", 0, 400)
    delete_records(old.bootstrap, f"{old.name}-in", 1, -1)

    assert backfill(changed(old), new.name, old.settings)

    found = read_differences(old.settings.of_worker(new.name), old.name, new.name)
    (dau,) = (each for each in found.kpis if each.kpi == "dau")
    assert dau.counts["only_old"] > 3
    assert dau.counts["equal"] > 3
    assert dau.counts["only_new"] == 0
    (activated,) = (each for each in found.signals if each.name == "activated")
    assert activated.only_old > 5


def test_its_worker_stops_where_others_have_gone_live(
    old: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = at_new(old)

    def somebody_goes_live(settings: KafkaSettings, read: dict[str, int]) -> dict[TP, int]:
        assert gone_live(settings, new.name).backfill_of is None
        return ends_now(settings, read)

    monkeypatch.setattr(service, "ends_now", somebody_goes_live)
    with pytest.raises(StopWorker, match="are live now; there is nothing left to backfill"):
        backfill(changed(old), new.name, old.settings)
    with pytest.raises(StopWorker, match="are live now"):
        work(live(old), old.settings, backfill_of=old.name)


def test_a_prefix_that_is_in_use_is_refused(old: Prefix) -> None:
    new = at_new(old)
    with pytest.raises(BackfillRefused, match="is the prefix that runs: name a new one, such as"):
        backfill(changed(old), old.name, old.settings)
    nowhere = changed(old).model_copy(update={"prefix": f"{old.name}-0"})
    with pytest.raises(BackfillRefused, match="Nothing runs under the plan's prefix "):
        backfill(nowhere, new.name, old.settings)
    assert backfill(changed(old), new.name, old.settings)

    with pytest.raises(BackfillRefused) as told:
        backfill(
            changed(old, activation={"event": "Page Created", "times": 2}), new.name, old.settings
        )
    assert 'activation.form: "once" -> "times"' in str(told.value)
    assert "choose another prefix than" in str(told.value)
    other = changed(old).model_copy(update={"prefix": new.name})
    create_topics(other, old.settings, -1, None)
    third = changed(old).model_copy(update={"prefix": f"{old.name}-3"})
    create_topics(third, old.settings, -1, Partitions(2, 2, 1))
    with pytest.raises(BackfillRefused, match=f"was begun as a backfill of {old.name}: choose"):
        backfill(third, new.name, old.settings)
