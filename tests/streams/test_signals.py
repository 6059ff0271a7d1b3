"""Signals are given, revised and taken back so that what stands last is what holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outputs import Signal
from streams.signals import Revisions, Standing
from tests.laws import law

AT_MS = 1_772_000_000_000


def standing(at_ms: int = AT_MS, user: str = "u1", event: str = "m1") -> Standing:
    return Standing("activated", None, user, "a1", user, at_ms, {"event": event})


def told(old: Standing | None, new: Standing | None, revisions: Revisions | None = None) -> list:
    records = (revisions or Revisions()).changes(old, new)
    return [(s.at_ms, s.revision, s.retracted, s.evidence["event"]) for s in records]


@pytest.mark.parametrize(
    ("old", "new", "records"),
    [
        (None, None, []),
        (None, standing(), [(AT_MS, 1, False, "m1")]),
        (standing(), standing(), []),
        (standing(), standing(event="m2"), [(AT_MS, 2, False, "m2")]),
        (standing(), None, [(AT_MS, 2, True, "m1")]),
        (standing(), standing(AT_MS - 1), [(AT_MS, 2, True, "m1"), (AT_MS - 1, 1, False, "m1")]),
    ],
)
def test_a_change_is_told_as_the_difference(
    old: Standing | None, new: Standing | None, records: list
):
    assert told(old, new) == records


def test_a_signal_that_comes_back_has_a_higher_revision():
    revisions = Revisions()
    told(None, standing(), revisions)
    told(standing(), None, revisions)

    assert told(None, standing(), revisions) == [(AT_MS, 3, False, "m1")]


def test_the_id_follows_from_signal_variant_subject_and_instant_alone():
    one = standing()

    assert one.id == standing(event="m9").id == one._replace(account="a2").id
    others = [
        standing(AT_MS + 1),
        standing(user="u2"),
        one._replace(variant="x"),
        one._replace(signal="y"),
    ]
    assert len({one.id, *(other.id for other in others)}) == 5


def test_only_what_was_ever_revised_is_remembered():
    revisions = Revisions()
    told(None, standing(), revisions)
    assert revisions.revised == {}

    told(standing(), None, revisions)
    assert revisions.revised == {standing().id: 2}


stands = st.none() | st.builds(
    standing, st.sampled_from((AT_MS, AT_MS + 1, AT_MS + 2)), event=st.sampled_from(("m1", "m2"))
)


@law
@given(st.lists(stands, max_size=12), st.booleans())
def test_the_highest_revisions_tell_what_stands(history: list[Standing | None], restarts: bool):
    revisions, latest = Revisions(), dict[str, Signal]()
    for old, new in zip([None, *history], history, strict=False):
        for signal in revisions.changes(old, new):
            known = latest.get(signal.id)
            assert signal.revision == (known.revision + 1 if known else 1)
            latest[signal.id] = signal
        if restarts:
            revisions = Revisions(dict(revisions.revised))

    last = history[-1] if history else None
    left = [(id, s.evidence) for id, s in latest.items() if not s.retracted]
    assert left == ([] if last is None else [(last.id, last.evidence)])
