"""Pulses, and what the watchdog does about those that are late."""

from __future__ import annotations

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
