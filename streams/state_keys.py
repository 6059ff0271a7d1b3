"""Keys of state records: msgpack arrays that begin with what the record is.

Every value begins with the version of its layout, so that a later release can read it or refuse it
with a clear message.
"""

from typing import Any

import msgspec

STATE_VERSION = 1

MEMBER, LEAF, COPY, PERSON, THING = "member", "leaf", "copy", "person", "thing"
THING_PARTS = "thing parts"
SIGNALS, BOOK, SEEN, VALUES, ALERTS = "signals", "book", "seen", "values", "alerts"
ALERTS_OF_PREDICTIONS = "alerts of predictions"
AGENDA, SEEN_OF_BUSINESS, SCORES = "agenda", "seen of business", "scores"
LISTED, LISTED_FOR = "listed", "listed for"
ENTERED = "entered"
"""First entries of accounts that are kept."""
MET = "met"
"""What was found of conditions on values of an account."""
MERGES, HOST_WORD = "merges", "host word"
"""Which account belongs to which; what the one that it belongs to told an account."""
MEMBER_STANDS, MEMBER_VALUES, MEMBER_NAMES = "stands", "member values", "member names"
LAUNCHES = "launches"
SEGMENT = "segment"
LAST_DAY, SETTLED = "last day", "settled"
PREDICTION, SNAPSHOTS, SCORED = "prediction", "snapshots", "scored"
OF_PREDICTIONS = (PREDICTION, SNAPSHOTS, SCORED)
"""Records of the company's last step; the second field of their key is the KPI."""
SUPPRESSED, ERASURE = "suppressed", "erasure"
OF_LISTS = (LISTED, LISTED_FOR, MEMBER_STANDS, MEMBER_VALUES, MEMBER_NAMES)
"""What accounts told for rankings of members."""
PARTITION = "partition"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class UnknownStateVersion(Exception):
    """A state record was written by a release that this one does not know."""


def state_key(what: str, *place: Any) -> bytes:
    return _encode((what, *place))


def read_key(key: bytes) -> tuple[str, list[Any]]:
    """What a record is, and its place."""
    what, *place = _decode(key)
    return what, place


def state_value(content: Any) -> bytes:
    return _encode((STATE_VERSION, content))


def read_value(value: bytes) -> Any:
    """The content of a record. Raises UnknownStateVersion."""
    version, content = _decode(value)
    if version != STATE_VERSION:
        raise UnknownStateVersion(
            f"a state record has version {version}, this release reads {STATE_VERSION}: "
            "start the release that wrote it, or run under a new prefix"
        )
    return content
