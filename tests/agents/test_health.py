"""Pulses, and what the watchdog does about those that are late."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

from agents.health import Pulse, Watchdog, late


def test_a_pulse_is_late_once_its_promise_has_passed_and_never_at_rest():
    pulse = Pulse("reading")
    assert late([pulse]) is None
    pulse.due_within(60)
    assert late([pulse]) is None
    pulse.due_within(-1)
    assert late([pulse, Pulse("writing")]) == "stalled: reading"
    pulse.rest()
    assert late([pulse]) is None


def test_the_watchdog_ends_what_is_late_and_says_what_it_is():
    ended, said = threading.Event(), []

    def end(what: str) -> None:
        said.append(what)
        ended.set()

    pulse = Pulse("reading")
    with Watchdog([pulse], look_every_s=0.01, end=end):
        assert not ended.wait(0.1)
        pulse.due_within(-1)
        assert ended.wait(10)
    assert said == ["stalled: reading"]


STALLED = """
    import asyncio, logging, time
    from agents import monitor
    from agents.transport.kafka import KafkaSettings, KafkaSource, Membership

    monitor.LOOP_STALL_S = 1.5
    logging.basicConfig(format="%(levelname)s %(message)s")

    def a_stage_that_blocks():
        time.sleep(60)

    async def work():
        source = KafkaSource(KafkaSettings("nowhere:1", "g", "w"), Membership())
        async with monitor.Monitor(source).watching(None):
            await asyncio.sleep(0.1)
            a_stage_that_blocks()

    asyncio.run(work())
"""


def test_a_stalled_event_loop_becomes_an_exit_that_names_it_and_shows_every_stack():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STALLED)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == os.EX_SOFTWARE
    assert "CRITICAL stalled: the event loop; exiting for a restart" in done.stderr
    assert "in a_stage_that_blocks" in done.stderr
    assert "in _watch" in done.stderr
