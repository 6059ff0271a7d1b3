"""What a worker writes to standard error, and how often.

A broker that is away is told by each client, by each of its connections, at every attempt. Of lines
alike the first is written, and then one for each `every_s`, with the number of those left out.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agents.checkpoints import StopWorker
from schemas.batches import UnknownBatchVersion
from streams.state_keys import UnknownStateVersion

EVERY_S = 30.0
KINDS_MAX = 1000
_TOLD_AT_THE_END = StopWorker, UnknownBatchVersion, UnknownStateVersion


def log_to_standard_error(*, verbose: bool) -> None:
    """Warnings and errors; `verbose`: assignments and restores, too."""
    handler = logging.StreamHandler()
    handler.addFilter(_is_news)
    handler.addFilter(RepeatedLines())
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
    for chatty in ("faust", "mode", "agents.transport.batches"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # They complain of every attempt to connect; the error that comes of it is told anyway.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def _is_news(record: logging.LogRecord) -> bool:
    """What only a person can settle is left to the command's last words."""
    return not (record.exc_info and isinstance(record.exc_info[1], _TOLD_AT_THE_END))


@dataclass
class _Kind:
    written_s: float
    left_out: int = 0


class RepeatedLines(logging.Filter):
    """Warnings and errors are alike if logger and text before formatting are; all others pass.

    librdkafka's texts are one to Python; what tells them apart is their first word, such as FAIL.
    """

    def __init__(
        self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._every_s, self._clock = every_s, clock
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._changing = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno not in (logging.WARNING, logging.ERROR):
            return True
        with self._changing:
            left_out = self._left_out(_kind(record))
        if left_out is None:
            return False
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like it)"
            record.args = None
        return True

    def _left_out(self, kind: tuple[object, ...]) -> int | None:
        """How many were left out since the last one; None: leave this one out, too."""
        now_s = self._clock()
        known = self._kinds.get(kind)
        if known is not None and now_s - known.written_s < self._every_s:
            known.left_out += 1
            return None
        if len(self._kinds) >= KINDS_MAX:
            self._kinds.clear()
        self._kinds[kind] = _Kind(now_s)
        return known.left_out if known is not None else 0


def _kind(record: logging.LogRecord) -> tuple[object, ...]:
    first = record.args[0] if isinstance(record.args, tuple) and record.args else None
    word = first if isinstance(first, str) and record.msg.startswith("%s [") else None
    return record.name, record.msg, word
