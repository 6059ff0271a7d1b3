"""When a partition counts as one that cannot be read on."""

from __future__ import annotations

from faust.types import TP

from agents.transport.ends import Ends

T = TP("t", 0)


def test_a_partition_stands_still_when_records_wait_behind_the_same_end_at_two_looks():
    ends = Ends()
    ends.read(T, 5)
    assert not ends.stand_still({T: 5})
    assert not ends.stand_still({T: 7})
    assert ends.stand_still({T: 7})


def test_a_partition_that_gets_on_does_not_stand_still():
    ends = Ends()
    for end in (4, 5, 6, None, 6):
        ends.read(T, end)
        assert not ends.stand_still({T: 7})


def test_a_partition_whose_end_is_not_known_yet_does_not_stand_still():
    ends = Ends()
    ends.read(T, 5)
    assert not ends.stand_still({})
    assert not ends.stand_still({})
