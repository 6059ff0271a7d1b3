"""A running worker as seen from outside: its metrics, whether it lives, whether it is ready."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import asynccontextmanager, nullcontext

from faust.types import TP
from prometheus_client import CollectorRegistry

from agents.clock import wall_ms
from agents.health import Pulse, Watchdog, late
from agents.metrics import Metrics, Sight
from agents.web import Address, Page, found, serving
from agents.worker import Worker

READY_WITHIN_S = 30.0
"""A worker whose work has not been durable for longer is behind, and is told from a ready one."""
LOOP_STALL_S = 60.0
"""Longer than any batch or snapshot takes; what lasts so long does not end."""
LOOP_BEAT_S = 1.0
ANSWER_S = 2.0
"""A scrape waits so long for the event loop, and then shows what was read last."""


class Monitor:
    """Knows of a worker, once there is one, and says how it is."""

    def __init__(self, *pulses: Pulse, slot: str, group: str) -> None:
        """`pulses`: of what may stall besides the event loop."""
        self.metrics = Metrics(CollectorRegistry(), slot=slot, group=group)
        self._loop = asyncio.get_running_loop()
        self._turns = Pulse("the event loop")
        self._pulses = (self._turns, *pulses)
        self._worker: Worker | None = None
        self._ends: Callable[[], Mapping[TP, int]] = dict
        self._queues: Mapping[str, Callable[[], float]] = {}
        self._scraping = threading.Lock()

    @asynccontextmanager
    async def watching(self, http: Address | None) -> AsyncIterator[None]:
        """While it is open, pages are served and what stalls ends the process."""
        async with self.telling(http):
            with Watchdog(self._pulses):
                yield

    @asynccontextmanager
    async def telling(self, http: Address | None) -> AsyncIterator[None]:
        """While it is open, pages are served."""
        beats = asyncio.ensure_future(self._beat())
        try:
            with serving(http, self.pages()) if http else nullcontext():
                yield
        finally:
            beats.cancel()

    def watch(
        self,
        worker: Worker,
        ends: Callable[[], Mapping[TP, int]],
        **queues: Callable[[], float],
    ) -> None:
        """Begins to tell of a worker that has been made.

        `ends` gives where topics end, as far as is known; `queues` give how full each is, 0 to 1.
        """
        self._worker, self._ends, self._queues = worker, ends, queues

    async def _beat(self) -> None:
        """Shows that the event loop turns."""
        try:
            while True:
                self._turns.due_within(LOOP_STALL_S)
                await asyncio.sleep(LOOP_BEAT_S)
        finally:
            self._turns.rest()

    def unready(self) -> str | None:
        """Why the worker is not ready; None: it is. From any thread."""
        worker = self._worker
        if worker is None:
            return "it starts"
        if worker.failure.done():
            return "it stops, see its log"
        durable_s = worker.durable_s
        if not worker.is_assigned or durable_s is None:
            return "no partitions are assigned, or their state is being restored"
        behind_s = time.monotonic() - durable_s
        if behind_s > READY_WITHIN_S:
            return f"no checkpoint for {behind_s:.0f} s"
        return None

    # ---- pages, asked for by threads of the web server

    def pages(self) -> dict[str, Callable[[str], Page]]:
        return {"/metrics": self._metrics_page, "/healthz": self._alive, "/readyz": self._ready}

    def _alive(self, _: str) -> Page:
        stalled = late(self._pulses)
        return found(stalled or "alive", well=stalled is None)

    def _ready(self, _: str) -> Page:
        reason = self.unready()
        return found(f"not ready: {reason}" if reason else "ready", well=reason is None)

    def _metrics_page(self, accepted: str) -> Page:
        with self._scraping:
            reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
            try:
                reading.result(ANSWER_S)
            except NoAnswer:
                reading.cancel()  # the event loop is busy: what was read last is shown
            return Page("200 OK", *self.metrics.page(accepted))

    async def _read(self) -> None:
        if self._worker is not None:
            ready = self.unready() is None
            queues = {name: fill() for name, fill in self._queues.items()}
            sight = Sight(wall_ms(), time.monotonic(), ready, self._ends(), queues)
            self.metrics.read(self._worker, sight)
