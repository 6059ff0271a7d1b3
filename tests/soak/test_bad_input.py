"""The short form of the flood of bad records; `make soak` has the long one."""

from __future__ import annotations

from tests.soak.bad_input import ODD, PLACES, flood


def test_every_bad_record_is_counted_or_a_dead_letter() -> None:
    """Enough for every odd value in every place, in every format."""
    formats = 5
    count = formats * (len(ODD) * len(PLACES) + 500)

    outcomes = flood(count, seed=1, at_once=1500, restart_every=2)

    assert len(outcomes) == formats
    assert sum(outcome.records for outcome in outcomes.values()) == count
    for outcome in outcomes.values():
        assert outcome.counted > outcome.records // 4
        assert len(outcome.dead) > 8
        assert outcome.restarts > 0
