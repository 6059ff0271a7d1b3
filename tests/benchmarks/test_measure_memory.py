"""What state weighs is told by what holds it."""

from __future__ import annotations

from benchmarks.measure import report
from benchmarks.measure.memory import parts
from benchmarks.measure.sizes import sizes


class Held:
    def __init__(self, cold: object, warm: object) -> None:
        self.cold, self._warm = cold, warm


class Accounts:
    def __init__(self, held: Held, seen: object) -> None:
        self._held, self._seen, self.flush = held, seen, print


def test_an_object_counts_for_the_first_that_holds_it():
    block = bytes(100_000)
    found = sizes([Accounts(Held([block], {"x": block}), [bytes(5_000), block])])
    assert [*found] == [f"accounts.{name}" for name in ("held.cold", "held.warm", "seen", "flush")]
    assert 100_000 < found["accounts.held.cold"] < 100_200
    assert 0 < found["accounts.held.warm"] < 500
    assert 5_000 < found["accounts.seen"] < 5_200
    assert found["accounts.flush"] == 0


def test_parts_are_per_membership_and_the_rest_is_not_in_use():
    told = parts({"a": 1_000, "b": 500_000, "c": 3_000}, {"b": 100_000}, 1_000, 600)
    assert told == {"b": 400, "smaller parts": 4, "not in use": 196}


def test_the_table_has_them_in_their_order():
    machine = {"cpus": 2, "architecture": "x", "memory_gb": 1}
    figures = {"bytes_per_membership": 600, "parts": {"b": 400, "not in use": 200}}
    section = {"date": "2026-01-01", "machine": machine, "versions": {}, "figures": figures}
    lines = report.weights({"sections": {"memory": section}}).splitlines()
    assert lines[3:6] == ["| b | 400 |", "| not in use | 200 |", "| in all | 600 |"]
    assert report.weights({}) == ""
