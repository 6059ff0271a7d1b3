"""Micro-batches come back as they were sent; what is not known is refused."""

import msgspec
import pytest

from schemas.batches import (
    VERSION,
    ChainOf,
    ChildOf,
    DeltaBatch,
    FactBatch,
    Header,
    LeafCopy,
    PeerBatch,
    Pointer,
    Rows,
    Traits,
    UnknownBatchVersion,
    UserState,
    UserStateBatch,
    ValueBatch,
    check_version,
    decode_deltas,
    decode_facts,
    decode_values,
    encode,
)

HEADER = Header(VERSION, "hash", "ingest:0", 1_772_000_000_000, None, -1)
UNKNOWN = Header(VERSION, "hash", "ingest:0", None, 5, None)
ROWS = Rows(
    [("a:1", "u:1"), ("", "anon:x")],
    [
        (
            (
                ("activity", None, ()),
                ("lead", "l1", (("campaign", "spring"), ("n", 3), ("share", 0.5), ("won", True))),
            ),
            ("country=se",),
        ),
        ((), ()),
    ],
    [0, 1],
    [1_772_000_000_000, -5],
    [0, 1],
    ["m1", "ü"],
    [(None, -5000), ()],
)
NO_ROWS = Rows([], [], [], [], [], [], [])
VALUES = {"a": "x", "b": True, "c": 1, "d": 1.5, "e": None, "f": (1 << 64) - 1}

MESSAGES = [
    (decode_facts, FactBatch(HEADER, ROWS, [], [])),
    (
        decode_facts,
        FactBatch(
            UNKNOWN,
            NO_ROWS,
            [Pointer("a:1", "anon:x", "u:1", 7, "m1")],
            [Traits("", "u:1", 7, "m1", VALUES)],
        ),
    ),
    (
        decode_facts,
        PeerBatch(
            VERSION,
            "hash",
            [ChildOf("anon:x", "u:1", True)],
            [ChainOf("anon:x", "u:1", ["u:1", "u:2"])],
            [LeafCopy("u:1", "u:2", 3, True, b"\x00\xff"), LeafCopy("u:1", "u:2", 3, False, None)],
        ),
    ),
    (
        decode_facts,
        UserStateBatch(VERSION, "hash", [UserState("a:1", "u:1", "u:2", 3, True)]),
    ),
    (
        decode_deltas,
        DeltaBatch(
            HEADER,
            [("dau", "", "all")],
            [(0, "day", 1, 20_000, None, -1)],
            [(0, 1, 20_000, 1_772_000_000_000, 1)],
        ),
    ),
    (
        decode_values,
        ValueBatch(
            UNKNOWN,
            [("dau", "", "all", "day")],
            [(0, -3, None, 1), (0, 4, -(1 << 63), 3), (0, 5, "9" * 40, "7" * 30)],
        ),
    ),
]


@pytest.mark.parametrize(
    ("decode", "message"), MESSAGES, ids=lambda each: type(each).__name__ if each else None
)
def test_a_message_comes_back_as_it_was_sent(decode, message):
    assert decode(encode(message)) == message


def test_traits_keep_the_types_that_conditions_tell_apart():
    message = FactBatch(UNKNOWN, NO_ROWS, [], [Traits("", "u:1", 7, "m1", VALUES)])
    values = decode_facts(encode(message)).traits[0].values

    assert {name: type(value) for name, value in values.items()} == {
        name: type(value) for name, value in VALUES.items()
    }


def test_columns_are_written_without_field_names():
    written = msgspec.msgpack.decode(encode(FactBatch(HEADER, ROWS, [], [])))

    assert written[0] == "FactBatch"
    assert written[1] == [VERSION, "hash", "ingest:0", 1_772_000_000_000, None, -1]
    assert written[2][3] == [1_772_000_000_000, -5]


def test_a_version_that_is_not_known_is_refused_with_what_to_do():
    check_version(VERSION)
    with pytest.raises(UnknownBatchVersion, match=f"version {VERSION + 1}.*new prefix"):
        check_version(VERSION + 1)


@pytest.mark.parametrize("field", ["version"])
def test_the_version_leads_every_header(field: str):
    assert msgspec.structs.fields(Header)[0].name == field
    assert [msgspec.structs.fields(m)[0].name for m in (PeerBatch, UserStateBatch)] == [field] * 2
