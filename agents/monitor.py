"""A running worker as seen from outside: its metrics, whether it lives, whether it is ready."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import orjson
from faust.types import TP
from prometheus_client import CollectorRegistry

from agents.clock import wall_ms
from agents.health import Pulse, Watchdog, late
from agents.metrics import Metrics, Sight
from agents.web import Address, Asked, Page, Pages, found, serving
from agents.worker import Worker
from schemas.keys import account_key
from streams.accounts.stage import Accounts
from streams.accounts.view import view_of

READY_WITHIN_S = 30.0
"""A worker whose work has not been durable for longer is behind, and is told from a ready one."""
LOOP_STALL_S = 60.0
"""Longer than any batch or snapshot takes; what lasts so long does not end."""
LOOP_BEAT_S = 1.0
ANSWER_S = 2.0
"""A scrape waits so long for the event loop, and then shows what was read last."""


class Monitor:
    """Knows of a worker, once there is one, and says how it is."""

    def __init__(self, *pulses: Pulse, slot: str, group: str, show_accounts: bool = False) -> None:
        """`pulses`: of what may stall besides the event loop. `show_accounts`: to whoever asks."""
        self._show_accounts = show_accounts
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

    def pages(self) -> Pages:
        pages = {"/metrics": self._metrics_page, "/healthz": self._alive, "/readyz": self._ready}
        return pages | ({"/accounts/": self._account_page} if self._show_accounts else {})

    def _alive(self, _: Asked) -> Page:
        stalled = late(self._pulses)
        return found(stalled or "alive", well=stalled is None)

    def _ready(self, _: Asked) -> Page:
        reason = self.unready()
        return found(f"not ready: {reason}" if reason else "ready", well=reason is None)

    def _account_page(self, asked: Asked) -> Page:
        looking = asyncio.run_coroutine_threadsafe(self._account(asked.rest), self._loop)
        try:
            view = looking.result(ANSWER_S)
        except NoAnswer:
            looking.cancel()
            return found("the worker is busy, ask again", well=False)
        body = {"error": "this worker knows no such account"} if view is None else view
        status = "404 Not Found" if view is None else "200 OK"
        return Page(status, "application/json", orjson.dumps(body))

    async def _account(self, account: str) -> dict[str, Any] | None:
        """Between two batches: the event loop is where partitions change."""
        partitions = () if self._worker is None else self._worker.partitions().values()
        views = (
            view_of(each, account_key(account)) for each in partitions if isinstance(each, Accounts)
        )
        return next((view for view in views if view is not None), None)

    def _metrics_page(self, asked: Asked) -> Page:
        with self._scraping:
            reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
            try:
                reading.result(ANSWER_S)
            except NoAnswer:
                reading.cancel()  # the event loop is busy: what was read last is shown
            return Page("200 OK", *self.metrics.page(asked.accepts))

    async def _read(self) -> None:
        if self._worker is not None:
            ready = self.unready() is None
            queues = {name: fill() for name, fill in self._queues.items()}
            sight = Sight(wall_ms(), time.monotonic(), ready, self._ends(), queues)
            self.metrics.read(self._worker, sight)
