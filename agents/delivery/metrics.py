"""Every metric of a deliverer of alerts; those of a worker are in agents/metrics.py."""

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from agents.metrics import PREFIX
from schemas.outputs import UNDELIVERED_CODES


class DeliveryMetrics:
    """The metrics of one deliverer in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        Info(f"{PREFIX}deliverer", "Of which release it is.", registry=registry).info(
            {"version": version("headwater")}
        )
        self.delivered = Counter(
            f"{PREFIX}alerts_delivered", "Alerts that a sink took.", ["sink"], registry=registry
        )
        self.failed = Counter(
            f"{PREFIX}alert_attempts_failed",
            "Attempts to deliver an alert that failed.",
            ["sink"],
            registry=registry,
        )
        self.retried = Counter(
            f"{PREFIX}alert_retries",
            "Attempts that followed a failed one.",
            ["sink"],
            registry=registry,
        )
        self.undelivered = Counter(
            f"{PREFIX}alerts_undelivered",
            "Alerts put aside because a sink did not take them.",
            ["sink", "code"],
            registry=registry,
        )
        self.held = Gauge(
            f"{PREFIX}alerts_held_in_quiet_hours",
            "Alerts that wait for the end of the quiet hours.",
            ["sink"],
            registry=registry,
        )
        self.lag = Gauge(
            f"{PREFIX}alert_delivery_lag_records",
            "Alert records that are not delivered, or passed over, yet.",
            ["sink", "lane"],
            registry=registry,
        )

    def page(self, accepted: str) -> tuple[str, bytes]:
        """Content type and text of all metrics, for an Accept header."""
        encode, content_type = choose_encoder(accepted)
        return content_type, encode(self.registry)


class LaneMeter:
    """Counts for one lane of a sink; all it may count is there from the start, as 0."""

    def __init__(self, metrics: DeliveryMetrics, sink: str, lane: str) -> None:
        self._delivered = metrics.delivered.labels(sink)
        self._failed = metrics.failed.labels(sink)
        self._retried = metrics.retried.labels(sink)
        self._undelivered = {c: metrics.undelivered.labels(sink, c) for c in UNDELIVERED_CODES}
        self._lag = metrics.lag.labels(sink, lane)
        self._held = metrics.held.labels(sink)
        self._held_before = 0

    def delivered(self) -> None:
        self._delivered.inc()

    def failed(self) -> None:
        self._failed.inc()

    def retried(self) -> None:
        self._retried.inc()

    def undelivered(self, code: str) -> None:
        self._undelivered[code].inc()

    def stands(self, *, behind: int, held: int) -> None:
        self._lag.set(behind)
        self._held.inc(held - self._held_before)  # the lanes of a sink share it
        self._held_before = held
