"""The collector rests while state is read, and in a replay, and only then."""

import gc

import pytest

from agents.collector import no_collections, stop_the_collector


def restore_that_fails() -> None:
    with no_collections():
        assert not gc.isenabled()
        raise KeyError("state")


def test_collections_go_on_after_a_restore_that_failed():
    assert gc.isenabled()
    with pytest.raises(KeyError):
        restore_that_fails()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_can_be_stopped():
    stop_the_collector()
    assert not gc.isenabled()


def test_it_goes_on_in_the_next_test():
    assert gc.isenabled()
