"""Python's collector, which looks for garbage that refers to itself: there is hardly any."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def spare_the_collector() -> None:
    """Makes garbage collection rare: what is there now stays, and the hot path makes no cycles.

    What outlives one look is not looked at again for long: it is state.
    """
    gc.freeze()
    gc.set_threshold(50_000, 1_000, 50)


def stop_the_collector() -> None:
    """For a replay, whose process ends: it makes no garbage that refers to itself, however long it
    is, and to look once at all that stays took two to four percent of its time.
    """
    gc.freeze()
    gc.disable()


@contextmanager
def no_collections() -> Iterator[None]:
    """While state is read all that is made stays, and would be looked through again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
