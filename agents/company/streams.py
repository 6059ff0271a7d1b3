"""The company's log as several streams: one for each input of a plan.

What the product's SDKs send are Segment's calls. The systems beside the product know nothing of
these: each writes JSON of its own, which the plan reads with `format: mapping` and `FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from agents.company.log import Arrival
from schemas.plan.models import Input, Plan

FIELDS = {
    "message_id": "id",
    "name": "event",
    "time": "at",
    "account": "account",
    "user": "user",
    "properties": "data",
}
"""The parts of an event -> where a record of a system has them."""


class Sent(NamedTuple):
    """A record, and the input that it is for."""

    input: Input
    line: bytes


class UnknownSystemError(Exception):
    """The plan has an input that nobody in the company writes to; says which, and who there is."""


def split(arrivals: Iterable[Arrival], plan: Plan, systems: Iterable[str]) -> Iterator[Sent]:
    """In the order of arrival. A system has the input of its name; all else goes to the first.

    Raises UnknownSystemError.
    """
    first, *others = plan.inputs
    by_system = {input.name: input for input in others}
    known = list(systems)
    for name, input in by_system.items():
        if name not in known:
            raise UnknownSystemError(
                f"the plan has an input {name}, and the company has no such system: name it as one "
                f"of {', '.join(known)}"
            )
        if input.format == "csv":
            raise UnknownSystemError(f"{name} writes JSON: give the input `format: mapping`")
    for each in arrivals:
        input = by_system.get(each.system or "", first)
        own = input is not first and input.format == "mapping"
        yield Sent(input, of_system(each.line) if own else each.line)


def of_system(call: bytes) -> bytes:
    """What a call says, as the system's own record, see FIELDS."""
    said = orjson.loads(call)
    record = {
        "id": said["messageId"],
        "event": said["event"],
        "at": said["timestamp"],
        "account": said.get("groupId"),
        "user": said["userId"],
        "data": said["properties"],
    }
    known = {name: value for name, value in record.items() if value is not None}
    return orjson.dumps(known) + b"\n"
