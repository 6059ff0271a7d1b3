"""Whether a worker lives and is ready, and an end to one that stalls.

Whatever has to go on for ever has a `Pulse`: it says again and again by when it will be heard next.
One that is late ends the process, for a stalled worker keeps its partitions from the others, and
nothing but a restart helps it.
"""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Collection

log = logging.getLogger(__name__)

STANDARD_ERROR = 2
LOOK_EVERY_S = 1.0
LAST_WORDS_S = 5.0
"""Writing what stalled may block, too: on a full pipe, or on a lock that the stalled one holds."""
SEIZED_S = 60.0
"""If not even the watchdog gets to run for so long, C code holds the interpreter."""


class Pulse:
    """The sign of life of one thread or task. It may be read from any thread."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._due_s = float("inf")

    def due_within(self, seconds: float) -> None:
        """Promises to be heard again within this time."""
        self._due_s = time.monotonic() + seconds

    def rest(self) -> None:
        """Promises nothing any more."""
        self._due_s = float("inf")

    @property
    def late_s(self) -> float:
        """How long it has been overdue; negative while it is not."""
        return time.monotonic() - self._due_s


def late(pulses: Collection[Pulse]) -> str | None:
    """What has stalled, as a sentence; None: all is well."""
    overdue = [pulse.what for pulse in pulses if pulse.late_s > 0]
    return f"stalled: {', '.join(overdue)}" if overdue else None


class Watchdog:
    """Ends the process when a pulse is late. As a context manager it watches as long as it is open.

    `end` gets the sentence that says what stalled.
    """

    def __init__(
        self,
        pulses: Collection[Pulse],
        *,
        look_every_s: float = LOOK_EVERY_S,
        end: Callable[[str], None] | None = None,
    ) -> None:
        self._pulses = pulses
        self._look_every_s = look_every_s
        self._end = end or exit_stalled
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._closed.wait(self._look_every_s):
                faulthandler.dump_traceback_later(SEIZED_S, exit=True, file=STANDARD_ERROR)
                stalled = late(self._pulses)
                if stalled:
                    self._end(stalled)
                    return
        finally:
            faulthandler.cancel_dump_traceback_later()


def exit_stalled(what: str) -> None:
    """Exits from here, with a line that says what stalled and the stacks of all threads."""
    threading.Timer(LAST_WORDS_S, os._exit, [os.EX_SOFTWARE]).start()
    log.critical("%s; exiting for a restart, from here:", what)
    faulthandler.dump_traceback(STANDARD_ERROR)
    os._exit(os.EX_SOFTWARE)
