"""State that an earlier release wrote is still read, and goes on to the same numbers."""

import re
from typing import Any

import msgspec
import pytest

from streams import state_keys
from streams.state_keys import (
    STATE_VERSION,
    UnknownStateVersion,
    read_key,
    read_value,
    state_key,
    state_value,
)
from tests.streams.golden import make

KINDS = {
    value for name, value in vars(state_keys).items() if name.isupper() and isinstance(value, str)
}
VERSIONS = sorted({int(path.name[1:].split("_")[0]) for path in make.FOLDER.glob("v*.msgpack")})


def read(version: int, kind: str) -> Any:
    return msgspec.msgpack.decode(make.path(version, kind).read_bytes())


def golden_state(version: int) -> list[Any]:
    return [tuple(record) for kind in sorted(KINDS) for record in read(version, kind)]


def test_there_is_golden_state_of_this_version_and_of_every_kind():
    assert STATE_VERSION in VERSIONS
    assert len(KINDS) == 34
    for version in VERSIONS:
        for kind in KINDS:
            assert read(version, kind), f"no record of kind {kind} in version {version}"


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_state_goes_on_to_the_same_outputs(version: int):
    found = make.outputs_of_the_rest(make.started_again(golden_state(version)))
    expected = read(version, make.OUTPUTS)

    assert found == expected
    assert len(expected["kpis"]) > 500
    assert len(expected["signals"]) > 3


def test_a_restart_makes_no_difference_to_the_golden_log():
    """What the files hold is right: without a stop in between the outputs are the same."""
    assert make.outputs_of_the_rest(make.stopped()) == read(STATE_VERSION, make.OUTPUTS)


def test_a_key_names_the_kind_of_record_and_its_place():
    key = state_key("member", "a:1", "u:1")

    assert read_key(key) == ("member", ["a:1", "u:1"])
    assert state_key("member", "a:1", "u:1") == key


def test_content_comes_back_and_another_version_is_refused_with_what_to_do():
    assert read_value(state_value(["x", {1: b"y"}, None])) == ["x", {1: b"y"}, None]

    later = msgspec.msgpack.encode((STATE_VERSION + 1, []))
    sentence = re.escape(f"version {STATE_VERSION + 1}, this release reads {STATE_VERSION}")
    with pytest.raises(UnknownStateVersion, match=f"{sentence}.*new prefix"):
        read_value(later)
