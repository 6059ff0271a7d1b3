"""Every metric of a worker: names, units and help stand here and nowhere else.

Nothing is counted per event. Stage partitions keep plain numbers anyway; they are read (`read`)
when somebody asks, and when a partition is given up. Checkpoints are observed one by one, with the
signals and alerts in them.
"""

import logging
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import nsmallest
from importlib.metadata import version
from operator import itemgetter
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import confluent_kafka as ck
import orjson
from faust.types import TP
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from agents.checkpoints import Checkpoint, Home, RetryCheckpoint, WaitForAssignment
from agents.observer import Observer
from agents.stages import INGEST
from agents.worker import Worker
from schemas.outputs import ALERTS, SIGNALS
from schemas.segments import OTHER
from schemas.times import SECOND_MS
from streams.accounts.segment_bound import VALUES_MAX
from streams.accounts.stage import Accounts
from streams.alerting.board import Board
from streams.alerting.standing import AMENDED, FIRING, RESOLVED
from streams.company.predictions import Predictions
from streams.company.stage import Company
from streams.ingest.stage import Ingest
from streams.measures.kinds import ALL
from streams.stage import StagePartition
from streams.tallies.stage import Tallies
from streams.users.stage import Users
from streams.values.publication import Timeline

log = logging.getLogger(__name__)

PREFIX = "headwater_"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RESTORE_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_HOUR_S, _DAY_S = 3600.0, 86400.0
ACTIVATION_SECONDS = (
    *(60.0, 300.0, 900.0, _HOUR_S, 4 * _HOUR_S),
    *(_DAY_S, 2 * _DAY_S, 3 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S, 30 * _DAY_S, 90 * _DAY_S),
)
KPI_SERIES_MAX = 5000
"""So many series of KPIs a worker shows at most: segments may have any number of values, and a
scrape has to stay small. The whole company comes first, then segments by name."""


class Read(NamedTuple):
    """A metric whose values are read from the worker when somebody asks for them."""

    family: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    help: str
    labels: tuple[str, ...] = ()


# ---- what has been done, by all partitions that this process ever had
EVENTS = Read(
    CounterMetricFamily, "events", "Events that could be read, whatever they mean.", ("input",)
)
FACTS = Read(CounterMetricFamily, "facts", "Facts that events meant by the plan.", ("input",))
DEAD_LETTERS = Read(
    CounterMetricFamily, "dead_letters", "Events that could not be used.", ("input", "code")
)
DUPLICATES = Read(
    CounterMetricFamily, "duplicates", "Events dropped because their message id came before."
)
SUPPRESSED = Read(
    CounterMetricFamily, "suppressed", "Events dropped because they are of somebody erased."
)
IDS_FORGOTTEN = Read(
    CounterMetricFamily, "ids_forgotten", "Message ids dropped before their time for lack of room."
)
SHORTENED = Read(
    CounterMetricFamily,
    "state_shortened",
    "State records of which something was forgotten that lies behind the horizon.",
    ("stage",),
)
THINGS_REMOVED = Read(
    CounterMetricFamily, "things_removed", "Things removed that were over long before the horizon."
)
PROCESSING = Read(
    CounterMetricFamily, "processing_seconds", "Time spent in processing batches.", ("stage",)
)

# ---- how things are now, of the partitions that are assigned
PARTITIONS = Read(GaugeMetricFamily, "partitions", "Stage partitions assigned.", ("stage",))
ENTITIES = Read(
    GaugeMetricFamily, "state_entities", "What is held in memory, by kind.", ("stage", "entity")
)
IDS_REMEMBERED = Read(
    GaugeMetricFamily, "ids_remembered", "Message ids by which duplicates are recognised."
)
ALERTS_HELD_BACK = Read(
    GaugeMetricFamily,
    "alerts_held_back",
    "Subjects whose alerts wait until event time is close to the clock again.",
)
LAG = Read(
    GaugeMetricFamily,
    "consumer_lag_records",
    "Records written to a partition and not processed yet.",
    ("topic", "partition"),
)
EVENT_LAG = Read(
    GaugeMetricFamily,
    "event_time_lag_seconds",
    "Time since the newest event of an input happened.",
    ("input",),
)
WATERMARK_AGE = Read(
    GaugeMetricFamily,
    "watermark_age_seconds",
    "How far the watermark of a stage is behind the clock; the partition furthest behind counts.",
    ("stage",),
)
DURABLE_AGE = Read(
    GaugeMetricFamily,
    "checkpoint_age_seconds",
    "Time since all work was durable; it would be done again after a crash now.",
)
BUSY = Read(
    GaugeMetricFamily,
    "busy_ratio",
    "Share of its time that the worker processes batches and takes snapshots, 0 to 1.",
)
HANDED_OVER = Read(
    CounterMetricFamily,
    "handed_over_records",
    "Records that went from stage to stage in memory, within one checkpoint.",
)
READY = Read(GaugeMetricFamily, "ready", "1 if /readyz says so, else 0.")
# ---- the numbers themselves
_SERIES = ("kpi", "variant", "segment", "period")
KPI_VALUE = Read(
    GaugeMetricFamily,
    "kpi_value",
    "Value of the newest period of a KPI of the company; the period may still go on.",
    _SERIES,
)
KPI_CLOSED_VALUE = Read(
    GaugeMetricFamily,
    "kpi_closed_value",
    "Value of the newest period of a KPI of the company that is over.",
    _SERIES,
)
KPI_SERIES_LEFT_OUT = Read(
    GaugeMetricFamily,
    "kpi_series_left_out",
    f"Series of KPIs that are not shown because there are more than {KPI_SERIES_MAX}.",
)
PREDICTION_QUALITY = Read(
    GaugeMetricFamily,
    "prediction_quality_ratio",
    "How well the final scores of a prediction have predicted what came: auc, calibration, lift.",
    ("kpi", "measure"),
)
PREDICTIONS_JUDGED = Read(
    GaugeMetricFamily,
    "predictions_judged",
    "Final scores of a prediction of which it is known what came.",
    ("kpi",),
)
SEGMENT_VALUES = Read(
    GaugeMetricFamily,
    "segment_values",
    "Different values of a dimension of events without a list, in the fullest partition; "
    f"from {VALUES_MAX} on others count as `{OTHER}`.",
    ("dimension",),
)
QUEUE_FILL = Read(
    GaugeMetricFamily, "queue_fill_ratio", "How full a bounded queue is, 0 to 1.", ("queue",)
)

READS = (
    *(EVENTS, FACTS, DEAD_LETTERS, DUPLICATES, SUPPRESSED, IDS_FORGOTTEN),
    *(SHORTENED, THINGS_REMOVED, PROCESSING),
    *(
        PARTITIONS,
        ENTITIES,
        IDS_REMEMBERED,
        ALERTS_HELD_BACK,
        LAG,
        EVENT_LAG,
        WATERMARK_AGE,
        DURABLE_AGE,
        BUSY,
        HANDED_OVER,
        READY,
    ),
    *(QUEUE_FILL, KPI_VALUE, KPI_CLOSED_VALUE, KPI_SERIES_LEFT_OUT, SEGMENT_VALUES),
    *(PREDICTION_QUALITY, PREDICTIONS_JUDGED),
)

Values = dict[tuple[str, ...], float]
Counts = Iterator[tuple[Read, tuple[str, ...], int]]


class Sight(NamedTuple):
    """What there is to see of a worker besides its stage partitions."""

    now_ms: int
    now_s: float
    """On the monotonic clock."""
    ready: bool
    ends: Mapping[TP, int]
    """Where the partitions of topics end, as far as is known."""
    queues: Mapping[str, float]
    """How full they are, 0 to 1."""


class Metrics(Observer):
    """The metrics of one worker in one registry."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        kpi_series_max: int = KPI_SERIES_MAX,
        **worker: str,
    ) -> None:
        """`worker`: what tells this worker from its like."""
        self._kpi_series_max = kpi_series_max
        self._told_of_series = False
        # A process starts all of them at once.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._done: dict[Read, Values] = defaultdict(lambda: defaultdict(float))
        self._counted: WeakKeyDictionary[StagePartition, Tally[tuple[Read, tuple[str, ...]]]] = (
            WeakKeyDictionary()
        )
        self._read: Mapping[Read, Values] = {}
        registry.register(self)
        Info(
            f"{PREFIX}worker", "Which worker this is, and of which release.", registry=registry
        ).info({"version": version("headwater"), **worker})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.checkpoint_seconds = Histogram(
            f"{PREFIX}checkpoint_duration_seconds",
            "From the snapshot of a checkpoint until it was durable, retries included.",
            buckets=SECONDS,
            registry=registry,
        )
        self.snapshot_seconds = Histogram(
            f"{PREFIX}snapshot_duration_seconds",
            "Taking the snapshot of a checkpoint, with what stages hand over to each other.",
            buckets=SECONDS,
            registry=registry,
        )
        self.checkpoint_failures = Counter(
            f"{PREFIX}checkpoint_failures",
            "Attempts to commit that failed, by what follows and the error's name in librdkafka.",
            ["action", "reason"],
            registry=registry,
        )
        self.checkpoint_entities = Counter(
            f"{PREFIX}checkpoint_entities",
            "State records in committed checkpoints.",
            ["stage"],
            registry=registry,
        )
        self.checkpoint_state_bytes = Counter(
            f"{PREFIX}checkpoint_state_bytes",
            "Keys and values of the state records in committed checkpoints.",
            ["stage"],
            registry=registry,
        )
        self.checkpoint_records = Counter(
            f"{PREFIX}checkpoint_records",
            "Records for other stages and for readers in committed checkpoints.",
            ["role"],
            registry=registry,
        )
        self.restore_seconds = Histogram(
            f"{PREFIX}restore_duration_seconds",
            "Finding positions and restoring state of assigned partitions.",
            buckets=RESTORE_SECONDS,
            registry=registry,
        )
        self.rebalances = Counter(
            f"{PREFIX}rebalances",
            "Sets of partitions that were assigned, revoked in good order, or lost.",
            ["kind"],
            registry=registry,
        )
        self.signals = Counter(
            f"{PREFIX}signals",
            "Signals given for the first time; corrections of theirs do not count.",
            ["signal"],
            registry=registry,
        )
        self.alerts = Counter(
            f"{PREFIX}alerts",
            "Alert records, by what they say of the alert: firing, resolved, amended.",
            ["rule", "state", "severity"],
            registry=registry,
        )
        self.activation_seconds = Histogram(
            f"{PREFIX}activation_lag_seconds",
            "From the first action to the activation of those who were activated.",
            buckets=ACTIVATION_SECONDS,
            registry=registry,
        )

    # ---- the worker tells

    def restored(self, duration_s: float) -> None:
        self.restore_seconds.observe(duration_s)

    def assigned(self) -> None:
        self.rebalances.labels("assigned").inc()

    def gave_up(self, partitions: Mapping[Home, StagePartition], *, lost: bool) -> None:
        self.rebalances.labels("lost" if lost else "revoked").inc()
        for home, partition in partitions.items():
            self._count(home, partition)

    def took_snapshot(self, duration_s: float) -> None:
        self.snapshot_seconds.observe(duration_s)

    def committed(self, checkpoint: Checkpoint, duration_s: float) -> None:
        self.checkpoint_seconds.observe(duration_s)
        for home, entities in checkpoint.states:
            self.checkpoint_entities.labels(home.stage).inc(len(entities))
            size = sum(len(key) + len(value or b"") for key, value in entities)
            self.checkpoint_state_bytes.labels(home.stage).inc(size)
        for role, number in Tally(map(itemgetter(0), checkpoint.records)).items():
            self.checkpoint_records.labels(role).inc(number)
        signals = Tally[str]()
        for role, _, _, value in checkpoint.records:
            if role == SIGNALS and value is not None:
                said = orjson.loads(value)
                if said["revision"] == 1 and not said["retracted"]:
                    signals[said["signal"]] += 1
                    self._observe_lag(said["evidence"].get("lag_seconds"))
            elif role == ALERTS and value is not None:
                self._alert(orjson.loads(value))
        for signal, number in signals.items():
            self.signals.labels(signal).inc(number)

    def _observe_lag(self, lag_s: float | None) -> None:
        if lag_s is not None:
            self.activation_seconds.observe(lag_s)

    def _alert(self, said: dict[str, Any]) -> None:
        state = said["type"].rpartition(".")[2]
        self.alerts.labels(said["data"]["rule"], state, said["data"]["severity"]).inc()

    def not_committed(self, error: Exception) -> None:
        self.checkpoint_failures.labels(_action(error), _reason(error)).inc()

    # ---- what is read of it

    def read(self, worker: Worker, sight: Sight) -> None:
        """Reads everything that `page` shows. To be called on the worker's event loop."""
        found: dict[Read, Values] = {read: {} for read in READS}
        partitions = worker.partitions()
        for home, partition in partitions.items():
            self._count(home, partition)
            _add(found[PARTITIONS], (home.stage,), 1)
            for entity, number in _entities(partition):
                _add(found[ENTITIES], (home.stage, entity), number)
            if isinstance(partition, Accounts):
                _add(found[IDS_REMEMBERED], (), partition.ids_remembered)
                for dimension, known in partition.segments.values.items():
                    fullest = found[SEGMENT_VALUES].get((dimension,), 0)
                    found[SEGMENT_VALUES][(dimension,)] = max(fullest, known)
            if isinstance(partition, Accounts | Users):
                for signal in partition.signals:
                    self.signals.labels(signal)  # shown as 0, for the first one to be an increase
            if isinstance(partition, Accounts | Users):
                self._look_at_alerts(found, partition.board)
            if isinstance(partition, Company):
                for board in partition.boards:
                    self._look_at_alerts(found, board)
            if isinstance(partition, Company) and partition.predictions is not None:
                _look_at_predictions(found, partition.predictions)
            _look_at_time(found, home, partition, sight.now_ms)
        for tp, end in sight.ends.items():
            at = worker.position(tp)
            if at is not None:
                found[LAG][tp.topic, str(tp.partition)] = max(end - at, 0)
        if worker.durable_s is not None:
            found[DURABLE_AGE][()] = max(sight.now_s - worker.durable_s, 0)
        found[BUSY][()] = worker.busy_ratio
        found[HANDED_OVER][()] = worker.handed_over.total()
        self._look_at_kpis(found, partitions.values())
        found[READY][()] = sight.ready
        found[QUEUE_FILL] = {(queue,): fill for queue, fill in sight.queues.items()}
        self._done[PROCESSING] = {(stage,): busy for stage, busy in worker.busy_s.items()}
        self._read = found | {read: dict(values) for read, values in self._done.items()}

    def _look_at_alerts(self, found: Mapping[Read, Values], board: Board) -> None:
        for rule in board.rules:
            for state in (FIRING, RESOLVED, AMENDED):
                self.alerts.labels(rule.id, state, rule.severity)  # shown as 0, as signals are
        _add(found[ALERTS_HELD_BACK], (), board.held_back)

    def _look_at_kpis(
        self, found: Mapping[Read, Values], partitions: Iterable[StagePartition]
    ) -> None:
        kept = (p.timelines for p in partitions if isinstance(p, Tallies | Company))
        timelines = [timeline for each in kept for timeline in each]
        left_out = max(len(timelines) - self._kpi_series_max, 0)
        if left_out:
            timelines = nsmallest(self._kpi_series_max, timelines, key=_by_importance)
            self._tell_of_series(left_out)
        for timeline in timelines:
            for read, value in (
                (KPI_VALUE, timeline.newest),
                (KPI_CLOSED_VALUE, timeline.newest_closed),
            ):
                if value is not None:
                    found[read][timeline.series] = value
        found[KPI_SERIES_LEFT_OUT][()] = left_out

    def _tell_of_series(self, left_out: int) -> None:
        if not self._told_of_series:
            self._told_of_series = True
            log.warning(
                "/metrics shows %d series of KPIs and leaves out %d; the topic of KPIs has all: "
                "a segment of the plan has very many values",
                self._kpi_series_max,
                left_out,
            )

    def _count(self, home: Home, partition: StagePartition) -> None:
        """Adds what a stage partition has done since it was last looked at."""
        counted = self._counted.setdefault(partition, Tally())
        for read, labels, number in _counts(home, partition):
            self._done[read][labels] += number - counted[read, labels]
            counted[read, labels] = number

    # ---- what a scrape gets

    def collect(self) -> Iterator[Metric]:
        """The metrics that were read; called by the registry."""
        for read in READS:
            family = read.family(f"{PREFIX}{read.name}", read.help, labels=read.labels)
            for labels, value in self._read.get(read, {}).items():
                family.add_metric(labels, value)
            yield family

    def page(self, accepted: str) -> tuple[str, bytes]:
        """Content type and text of all metrics, for an Accept header."""
        encode, content_type = choose_encoder(accepted)
        return content_type, encode(self.registry)


def _by_importance(timeline: Timeline) -> tuple[bool, tuple[str, ...]]:
    """The whole company before segments."""
    series = timeline.series
    return series[2] != ALL, series


def _counts(home: Home, partition: StagePartition) -> Counts:
    """What a stage partition has counted since it was made."""
    if isinstance(partition, Ingest):
        input = _input(home)
        yield EVENTS, (input,), partition.events
        yield FACTS, (input,), partition.facts
        for code, number in partition.dead_letters.items():
            yield DEAD_LETTERS, (input, code), number
    elif isinstance(partition, Accounts):
        yield DUPLICATES, (), partition.duplicates
        yield SUPPRESSED, (), partition.suppressed
        yield IDS_FORGOTTEN, (), partition.ids_forgotten
        yield SHORTENED, (home.stage,), partition.shortened
        yield THINGS_REMOVED, (), partition.things_removed
    elif isinstance(partition, Users):
        yield SHORTENED, (home.stage,), partition.shortened


def _entities(partition: StagePartition) -> Iterator[tuple[str, int]]:
    if isinstance(partition, Accounts):
        yield "account", partition.accounts
        yield "membership", partition.memberships
        yield "thing", partition.things
        yield "signal_to_come", partition.signals_to_come
    elif isinstance(partition, Users):
        yield "leaf", partition.leaves
        yield "person", partition.persons
    elif isinstance(partition, Tallies):
        yield "tally", partition.tallies
    elif isinstance(partition, Company):
        yield "formula", partition.formulas


def _look_at_predictions(found: Mapping[Read, Values], predictions: Predictions) -> None:
    for kpi, quality in predictions.quality.items():
        found[PREDICTIONS_JUDGED][(kpi,)] = quality.judged
        for measure, value in quality.measures.items():
            found[PREDICTION_QUALITY][kpi, measure] = value


def _look_at_time(
    found: Mapping[Read, Values], home: Home, partition: StagePartition, now_ms: int
) -> None:
    if partition.watermark_ms is not None:
        age_s = (now_ms - partition.watermark_ms) / SECOND_MS
        ages = found[WATERMARK_AGE]
        ages[(home.stage,)] = max(age_s, ages.get((home.stage,), age_s))
    if isinstance(partition, Ingest) and partition.newest_event_ms is not None:
        lag_s = (now_ms - partition.newest_event_ms) / SECOND_MS
        lags, labels = found[EVENT_LAG], (_input(home),)
        lags[labels] = min(lag_s, lags.get(labels, lag_s))


def _add(values: Values, labels: tuple[str, ...], number: float) -> None:
    values[labels] = values.get(labels, 0) + number


def _input(home: Home) -> str:
    """Name of the input that a stage partition of ingest reads; its topic, if it has none."""
    return home.stage.removeprefix(f"{INGEST}-")


def _action(error: Exception) -> str:
    """What follows from a failed attempt to commit."""
    if isinstance(error, RetryCheckpoint):
        return "retry"
    return "wait" if isinstance(error, WaitForAssignment) else "stop"


def _reason(error: BaseException | None) -> str:
    """The name of the librdkafka error behind an error, else the name of its own type."""
    cause = error
    while cause is not None:
        if isinstance(cause, ck.KafkaException):
            return str(cause.args[0].name())
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
