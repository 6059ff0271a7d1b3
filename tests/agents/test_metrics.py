"""What the metrics of a worker say, and when they are read."""

from __future__ import annotations

import asyncio
from typing import Any

import confluent_kafka as ck
import orjson
import pytest
import yaml
from faust.types import TP
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from agents.checkpoints import Checkpoint, RetryCheckpoint, WaitForAssignment
from agents.checkpoints.memory import MemoryCheckpoints
from agents.metrics import Metrics, Sight
from agents.observer import Observer
from agents.pace import Pace
from agents.running import memory_broker
from agents.stages import stages_of_topics
from agents.transport.batches import Delivery
from agents.worker import Worker
from schemas.plan.check import load_plan
from schemas.times import iso
from streams.catalogue import catalogue_ids
from streams.settling import ROUNDS
from streams.stage import Outgoing, RecordBatch
from streams.topology import Partitions, Topology
from tests.catalogue.running import PLAN as OF_FACTS
from tests.streams.test_predictions import GROWS

NOW_MS = 1_750_000_000_000
EVENTS = TP("product-events", 0)
PLAN = """
product: Metrics
inputs: [{topic: product-events, format: segment}]
activity: all
first_action: first activity
activation: {event: Activated}
key_tasks: {buy: Bought}
"""


def event(number: int, user: str, name: str = "Opened", ago_s: int = 0) -> bytes:
    said = {"messageId": f"m{number}", "type": "track", "event": name, "userId": user}
    at = iso(NOW_MS - ago_s * 1000)
    return orjson.dumps({**said, "timestamp": at, "context": {"groupId": "a1"}})


class Observed:
    """A worker of a real plan, embedded, with its metrics."""

    def __init__(
        self, observer: Observer | None = None, plan: str = PLAN, kpi_series_max: int = 5000
    ) -> None:
        one = Partitions(accounts=1, users=1, tallies=1)
        counts = {EVENTS.topic: 1}
        topology = Topology(load_plan(plan, known_kpis=catalogue_ids()), counts, partitions=one)
        stages = stages_of_topics(topology, counts)
        self.tps = {TP(topic, 0) for stage in stages for topic in stage.topics}
        self.broker = memory_broker(stages)
        self.metrics = Metrics(CollectorRegistry(), kpi_series_max=kpi_series_max, slot="w1")
        store = MemoryCheckpoints(self.broker, lambda records: None, prefix="headwater")
        self.worker = Worker(
            stages,
            store,
            prefix="headwater",
            clock=lambda: NOW_MS,
            pace=Pace(),
            observer=observer or self.metrics,
        )
        self._epoch = 0
        self._numbers: dict[TP, int] = {}

    async def assign(self) -> None:
        self._epoch += 1
        self._numbers = dict.fromkeys(self.tps, 0)
        self.worker.restore(self.tps)
        await self.worker.assigned(self._epoch)

    def process(self, tp: TP, values: list[bytes]) -> None:
        offsets = list(range(len(values)))
        batch = RecordBatch(*tp, offsets, [NOW_MS] * len(values), values, at_end=True)
        self.broker.append(tp.topic, batch)
        self._deliver(tp, batch)

    async def checkpoint(self) -> None:
        """Commits, and processes what that wrote to topics between stages."""
        assert await self.worker.checkpoint()
        for tp, log in self.broker.logs.items():
            while (at := self.worker.position(tp) or 0) < log.end:
                self._deliver(tp, log.read(at))

    def _deliver(self, tp: TP, batch: RecordBatch) -> None:
        position = (self.worker.position(tp) or 0) + 1
        self.worker.process(Delivery(tp, self._epoch, self._numbers[tp], batch, position))
        self._numbers[tp] += 1

    def scrape(self) -> dict[str, float]:
        """All samples, two seconds after the last checkpoint."""
        now_s = (self.worker.durable_s or 0) + 2
        sight = Sight(NOW_MS, now_s, True, {EVENTS: 10}, {"producer": 0.5})
        self.metrics.read(self.worker, sight)
        return scraped(self.metrics)


def scraped(metrics: Metrics) -> dict[str, float]:
    _, page = metrics.page("text/plain")
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_what_the_stages_count_is_read_when_somebody_asks():
    async def scenario() -> dict[str, float]:
        observed = Observed()
        await observed.assign()
        first = event(1, "u1", "Bought", ago_s=100)
        observed.process(EVENTS, [first, first, event(2, "u2", ago_s=40), b"{", b""])
        await observed.checkpoint()
        await observed.checkpoint()
        return observed.scrape()

    found = asyncio.run(scenario())
    expected = {
        "headwater_events_total{input=product-events}": 3,
        "headwater_facts_total{input=product-events}": 8,
        "headwater_dead_letters_total{code=malformed_json,input=product-events}": 1,
        "headwater_dead_letters_total{code=empty,input=product-events}": 1,
        "headwater_duplicates_total": 1,
        "headwater_ids_remembered": 1,  # only of what counts facts
        "headwater_state_entities{entity=membership,stage=accounts}": 2,
        "headwater_state_entities{entity=account,stage=accounts}": 1,
        "headwater_state_entities{entity=leaf,stage=users}": 2,
        "headwater_state_entities{entity=person,stage=users}": 2,
        "headwater_event_time_lag_seconds{input=product-events}": 40,
        "headwater_watermark_age_seconds{stage=accounts}": 100,
        "headwater_consumer_lag_records{partition=0,topic=product-events}": 9,
        "headwater_checkpoint_age_seconds": 2,
        "headwater_queue_fill_ratio{queue=producer}": 0.5,
        "headwater_ready": 1,
        "headwater_partitions{stage=users}": 1,
        "headwater_rebalances_total{kind=assigned}": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["headwater_state_entities{entity=tally,stage=tallies}"] > 0
    assert found["headwater_processing_seconds_total{stage=ingest-product-events}"] > 0
    assert 0 < found["headwater_busy_ratio"] <= 1
    assert found["headwater_checkpoint_records_total{role=dead-letters}"] == 2
    assert found["headwater_checkpoint_entities_total{stage=accounts}"] > 0
    assert found["headwater_checkpoint_duration_seconds_count"] >= 1


def test_gauges_go_with_their_partitions_and_totals_stay():
    async def scenario() -> tuple[dict[str, float], dict[str, float]]:
        observed = Observed()
        await observed.assign()
        observed.process(EVENTS, [event(1, "u1")])
        await observed.worker.revoked()
        gone = observed.scrape()
        await observed.assign()  # the same stage partitions come back from rest
        observed.process(EVENTS, [event(2, "u1")])
        return gone, observed.scrape()

    gone, back = asyncio.run(scenario())
    total = "headwater_events_total{input=product-events}"
    assert gone[total] == 1
    gauges = ("partitions", "state_entities", "consumer_lag", "watermark_age", "event_time_lag")
    assert [name for name in gone if name.startswith(tuple(f"headwater_{g}" for g in gauges))] == []
    assert "headwater_checkpoint_age_seconds" not in gone
    assert gone["headwater_rebalances_total{kind=revoked}"] == 1
    assert back[total] == 2
    assert back["headwater_partitions{stage=accounts}"] == 1


def test_totals_count_on_when_partitions_are_lost_and_made_anew():
    async def scenario() -> dict[str, float]:
        observed = Observed()
        await observed.assign()
        observed.process(EVENTS, [event(1, "u1")])
        await observed.worker.lost()
        await observed.assign()
        observed.process(EVENTS, [event(1, "u1"), event(2, "u2")])
        return observed.scrape()

    found = asyncio.run(scenario())
    assert found["headwater_events_total{input=product-events}"] == 3
    assert found["headwater_rebalances_total{kind=lost}"] == 1


def test_a_delivery_tells_nobody_anything():
    class Heard(Observer):
        def __getattribute__(self, name: str) -> Any:
            if quiet:
                raise AssertionError(f"{name} was called for a batch")
            return super().__getattribute__(name)

    quiet = False

    async def scenario() -> None:
        nonlocal quiet
        observed = Observed(Heard())
        await observed.assign()
        quiet = True
        observed.process(EVENTS, [event(number, "u1") for number in range(10)])
        quiet = False

    asyncio.run(scenario())


def failed(code: int) -> Exception:
    """What the store raises when librdkafka has failed with this code."""
    try:
        try:
            raise ck.KafkaException(ck.KafkaError(code))
        except ck.KafkaException as error:
            raise RetryCheckpoint(str(error)) from None
    except RetryCheckpoint as error:
        return error


def test_a_failed_commit_is_counted_by_what_follows_and_by_its_cause():
    metrics = Metrics(CollectorRegistry())
    metrics.not_committed(failed(ck.KafkaError._TIMED_OUT))
    metrics.not_committed(WaitForAssignment("given up"))
    metrics.not_committed(ValueError("a bug"))
    found = scraped(metrics)
    name = "headwater_checkpoint_failures_total"
    assert {each: n for each, n in found.items() if each.startswith(name)} == {
        f"{name}{{action=retry,reason=_TIMED_OUT}}": 1,
        f"{name}{{action=wait,reason=WaitForAssignment}}": 1,
        f"{name}{{action=stop,reason=ValueError}}": 1,
    }


def test_a_scraper_may_ask_for_openmetrics():
    content_type, page = Metrics(CollectorRegistry()).page("application/openmetrics-text")
    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")


DAY_S = 86_400
SEGMENTED = PLAN + "segments: {plan: {property: plan}}\nkpis: {levels: {account: [wau]}}\n"


def planned(number: int, user: str, plan: str, name: str = "Opened", ago_s: int = 0) -> bytes:
    call = orjson.loads(event(number, user, name, ago_s))
    return orjson.dumps(call | {"properties": {"plan": plan}})


async def two_days(observed: Observed) -> None:
    """Yesterday two users, one of them activated after an hour; today one."""
    await observed.assign()
    calls = [
        planned(1, "u1", "free", ago_s=DAY_S + 3600),
        planned(2, "u2", "paid", ago_s=DAY_S + 3600),
        planned(3, "u1", "free", "Activated", ago_s=DAY_S),
        planned(4, "u1", "free"),
    ]
    observed.process(EVENTS, calls)
    for _ in range(5):
        await observed.checkpoint()


def test_the_company_s_numbers_are_shown_with_those_of_the_last_day_that_is_over():
    async def scenario() -> dict[str, float]:
        observed = Observed(plan=SEGMENTED)
        await two_days(observed)
        return observed.scrape()

    found = asyncio.run(scenario())

    def shown(gauge: str, kpi: str, segment: str, period: str, variant: str = "") -> float | None:
        labels = f"kpi={kpi},period={period},segment={segment},variant={variant}"
        return found.get(f"headwater_kpi_{gauge}{{{labels}}}")

    assert shown("value", "dau", "all", "day") == 1
    assert shown("closed_value", "dau", "all", "day") == 2
    assert shown("closed_value", "dau", "plan=paid", "day") == 1
    assert shown("value", "dau", "plan=paid", "day") is None  # nothing was published of today
    assert shown("value", "wau", "all", "trailing_7d") == 2
    assert shown("value", "account_user_milestones", "all", "day", "users=3") == 0
    assert found["headwater_kpi_series_left_out"] == 0
    assert found["headwater_signals_total{signal=activated}"] == 1
    assert found["headwater_activation_lag_seconds_sum"] == 3600
    assert found["headwater_activation_lag_seconds_bucket{le=3600.0}"] == 1
    assert found["headwater_activation_lag_seconds_bucket{le=900.0}"] == 0


def test_the_company_s_numbers_go_with_their_partitions_and_are_there_after_a_restore():
    async def scenario() -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
        observed = Observed(plan=SEGMENTED)
        await two_days(observed)
        before = observed.scrape()
        await observed.worker.lost()
        gone = observed.scrape()
        await observed.assign()
        return before, gone, observed.scrape()

    before, gone, back = asyncio.run(scenario())
    shown = {name: value for name, value in before.items() if name.startswith("headwater_kpi_")}
    assert len(shown) > 100
    assert [name for name in gone if name.startswith(("headwater_kpi_v", "headwater_kpi_c"))] == []
    assert {name: value for name, value in back.items() if name in shown} == shown


def test_segments_without_bound_are_left_out_and_told_once(caplog: pytest.LogCaptureFixture):
    def series(found: dict[str, float]) -> set[str]:
        return {name for name in found if name.startswith("headwater_kpi_value{")}

    async def scenario(bound: int) -> dict[str, float]:
        observed = Observed(plan=SEGMENTED, kpi_series_max=bound)
        await observed.assign()
        calls = [planned(n, f"u{n}", f"p{n:03}", ago_s=DAY_S) for n in range(30)]
        observed.process(EVENTS, calls)
        for _ in range(5):
            await observed.checkpoint()
        observed.scrape()
        return observed.scrape()

    every = asyncio.run(scenario(100_000))
    assert caplog.messages == []
    some = asyncio.run(scenario(1000))
    assert series(some) < series(every)
    assert {name for name in series(every) if "segment=all" in name} <= series(some)
    assert some["headwater_kpi_series_left_out"] > 0
    assert len([line for line in caplog.messages if "leaves out" in line]) == 1


def test_an_alert_counts_by_what_it_says():
    metrics = Metrics(CollectorRegistry())
    said = {"type": "headwater.alert.firing", "data": {"rule": "quiet", "severity": "page"}}
    alert = Outgoing("alerts", None, b"a1", orjson.dumps(said))
    metrics.committed(Checkpoint([], [alert, alert], {}, NOW_MS), 0.1)
    name = "headwater_alerts_total{rule=quiet,severity=page,state=firing}"
    assert scraped(metrics)[name] == 2


def test_a_corrected_signal_is_not_counted_again():
    def signal(revision: int, retracted: bool = False) -> Outgoing:
        said = {"signal": "activated", "revision": revision, "retracted": retracted}
        evidence = {"evidence": {"lag_seconds": 60.0}}
        return Outgoing("signals", None, b"a1", orjson.dumps(said | evidence))

    metrics = Metrics(CollectorRegistry())
    given = [signal(1), signal(2), signal(3, retracted=True), signal(4)]
    metrics.committed(Checkpoint([], given, {}, NOW_MS), 0.1)
    found = scraped(metrics)
    assert found["headwater_signals_total{signal=activated}"] == 1
    assert found["headwater_activation_lag_seconds_count"] == 1


def test_signals_that_may_come_are_shown_before_the_first_one_does():
    async def scenario() -> dict[str, float]:
        observed = Observed(plan=SEGMENTED)
        await observed.assign()
        return observed.scrape()

    found = asyncio.run(scenario())
    shown = {name: value for name, value in found.items() if name.startswith("headwater_signals_")}
    assert shown == {
        "headwater_signals_total{signal=activated}": 0,
        "headwater_signals_total{signal=account_user_milestones.enter}": 0,
        "headwater_signals_total{signal=account_activated_user_milestones.enter}": 0,
    }


def test_alerts_that_may_come_are_shown_before_the_first_one_does():
    rules = [
        {"id": "fewer", "kpi": "dau", "period": "day", "below": 1},
        {"id": "may-grow", "level": "account", "kpi": GROWS["id"], "period": "day", "above": 0.5},
    ]
    kpis = {"only": ["dau"], "own": [GROWS]}
    plan = yaml.safe_dump(OF_FACTS | {"kpis": kpis, "alerts": {"rules": rules}})

    async def scenario() -> dict[str, float]:
        observed = Observed(plan=plan)
        await observed.assign()
        return observed.scrape()

    found = asyncio.run(scenario())
    for rule in ("fewer", "may-grow"):
        assert found[f"headwater_alerts_total{{rule={rule},severity=warning,state=firing}}"] == 0


def test_how_good_predictions_were_is_shown_once_what_came_is_known():
    plan = yaml.safe_dump(OF_FACTS | {"kpis": {"only": ["dau"], "own": [GROWS]}})

    def told(number: int, ago_days: float, account: str, kind: str, **properties: int) -> bytes:
        said = orjson.loads(event(number, account, kind, int(ago_days * 86_400)))
        return orjson.dumps(said | {"context": {"groupId": account}, "properties": properties})

    async def told_of() -> tuple[dict[str, float], dict[str, float]]:
        observed = Observed(plan=plan)
        await observed.assign()
        observed.process(EVENTS, [told(1, 12, "a1", "activity"), told(2, 12, "a2", "activity")])
        await observed.checkpoint()
        before = observed.scrape()
        observed.process(EVENTS, [told(3, 11, "a1", "subscription", value=5)])
        observed.process(EVENTS, [told(4, 0, "a3", "activity")])
        for _ in range(2 * ROUNDS):
            await observed.checkpoint()
        return before, observed.scrape()

    before, after = asyncio.run(told_of())
    assert before["headwater_predictions_judged{kpi=grows}"] == 0
    assert "headwater_prediction_quality_ratio{kpi=grows,measure=auc}" not in before
    # Four days of two accounts: only the first snapshot of a1 is from before it grew.
    assert after["headwater_predictions_judged{kpi=grows}"] == 8
    assert 0 < after["headwater_prediction_quality_ratio{kpi=grows,measure=auc}"] < 1
    assert after["headwater_prediction_quality_ratio{kpi=grows,measure=calibration}"] > 0
