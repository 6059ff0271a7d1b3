"""Where state belongs when stages get another number of partitions."""

from collections.abc import Mapping
from math import gcd
from typing import Any

from schemas.keys import partition_of
from streams.accounts.duplicates import chunk_number, generation_of
from streams.contributions import TallyKey
from streams.launches import together as launches_together
from streams.state_keys import (
    AGENDA,
    ALERTS,
    BOOK,
    COPY,
    ENTERED,
    ERASURE,
    HOST_WORD,
    LAST_DAY,
    LAUNCHES,
    LEAF,
    LISTED,
    LISTED_FOR,
    MEMBER,
    MERGES,
    MET,
    PARTITION,
    PERSON,
    SCORES,
    SEEN,
    SEEN_OF_BUSINESS,
    SEGMENT,
    SETTLED,
    SIGNALS,
    SUPPRESSED,
    THING,
    THING_PARTS,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.tallies.delta_batches import tally_partition
from streams.topology import Partitions

_OF_ENTITIES = (
    *(AGENDA, SIGNALS, ALERTS, BOOK, LAST_DAY, ENTERED, MET, LEAF, COPY, PERSON, SCORES),
    *(THING, THING_PARTS, HOST_WORD),
)
_OF_PARTITIONS = (PARTITION, SETTLED, LAUNCHES, SEEN, SEEN_OF_BUSINESS)
State = dict[bytes, bytes]
"""Of one stage partition: key -> record."""


def counts_of(partitions: Partitions) -> dict[str, int]:
    """Stage -> number of partitions, of those whose number can change."""
    return partitions._asdict()


def resharded(stage: str, old: list[State], count: int) -> list[State]:
    """The state of a stage in `count` partitions, from that in as many as `old` has.

    Records of an entity go where its key belongs. What is said of a partition as a whole is said of
    the new ones so that no number changes: see `_sources` and `_seen`. Everything that was sent to
    the stage has to be in its state.
    """
    new: list[State] = [{} for _ in range(count)]
    for state in old:
        for key, value in state.items():
            what, place = read_key(key)
            if what in (SUPPRESSED, ERASURE, SEGMENT, MERGES):
                # a hash does not tell whose it is, a segment is of many, and merges concern all
                for each in new:
                    each[key] = value
            # without the record of whom they tell of, new partitions tell of everybody
            elif what not in (*_OF_PARTITIONS, LISTED, LISTED_FOR):
                new[_home(stage, what, place, count)][key] = value
    tables: dict[bytes, list[bytes]] = {}
    for before in old:
        for key, value in before.items():
            if read_key(key)[0] in (PARTITION, SETTLED):
                tables.setdefault(key, []).append(value)
    launches = state_key(LAUNCHES)
    told = [read_value(state[launches]) for state in old if launches in state]
    for number, state in enumerate(new):
        state.update((key, _sources(each)) for key, each in tables.items())
        if told:
            state[launches] = state_value(launches_together(told))
        for what in (SEEN, SEEN_OF_BUSINESS):
            state.update(_seen(what, old, number, count))
    return new


def _home(stage: str, what: str, place: list[Any], count: int) -> int:
    """The partition of an entity: that of the records by which it came about."""
    if stage == "tallies":
        assert what == BOOK
        return tally_partition(TallyKey(*place[:3]), count)
    if what == MEMBER:
        account, leaf = place
        return partition_of(account or leaf, count)
    assert what in _OF_ENTITIES, what
    return partition_of(place[0], count)


def _sources(tables: list[bytes]) -> bytes:
    """What the partitions have heard of their sources, together.

    A source tells its watermark to one partition earlier than to another one. It holds for all of
    them once everything it sent has been read.
    """
    heard: dict[str, int | None] = {}
    watermarks: list[int] = []
    firsts: list[int] = []
    for sources, watermark_ms, first_fact_ms in map(read_value, tables):
        for source, known_ms, _ in sources:
            known = heard.get(source)
            heard[source] = known_ms if known is None else max(known, known_ms or known)
        watermarks += [] if watermark_ms is None else [watermark_ms]
        firsts += [] if first_fact_ms is None else [first_fact_ms]
    said = [(source, known_ms, None) for source, known_ms in sorted(heard.items())]
    content = said, max(watermarks, default=None), min(firsts, default=None)
    return state_value(content)


def _seen(kind: str, old: list[State], number: int, count: int) -> Mapping[bytes, bytes]:
    """The message ids that a new partition has to know: those of all partitions it has keys from.

    Ids do not tell whose they were. A key in both partitions p of m and q of n has a hash that is
    p modulo m and q modulo n, so p and q are equal modulo their greatest common divisor.
    """
    chunks: dict[tuple[int, int], list[bytes]] = {}
    common = gcd(len(old), count)
    for before, state in enumerate(old):
        if before % common != number % common:
            continue
        for key, value in state.items():
            what, place = read_key(key)
            if what == kind:
                chunks.setdefault((place[0], generation_of(place[1])), []).append(value)
    return {
        state_key(kind, hour, chunk_number(generation, n)): value
        for (hour, generation), values in chunks.items()
        for n, value in enumerate(values)
    }


def moves(before: State, after: State) -> list[tuple[bytes, bytes | None]]:
    """The records to write so that a stage partition has the state `after`."""
    gone: list[tuple[bytes, bytes | None]] = [(key, None) for key in before if key not in after]
    return gone + [(key, value) for key, value in after.items() if before.get(key) != value]
