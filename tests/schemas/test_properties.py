"""Reading a few values of a JSON object: paths, missing values, and what is no scalar."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.properties import MISSING, NOT_SCALAR, extractor, raw_extractor

PROPERTIES = {
    "plan": "trial",
    "seats": 3,
    "ratio": 0.5,
    "vip": True,
    "coupon": None,
    "cart": {"total": 4, "items": [1, 2], "owner": {"name": "ada"}},
    "a.b": "dotted",
    "a": {"b": "nested", "c": "only nested"},
}


def read(document: Any, *paths: str) -> tuple[Any, ...]:
    return extractor(paths)(json.dumps(document).encode())


def test_scalars_come_as_json_has_them() -> None:
    assert read(PROPERTIES, "plan", "seats", "ratio", "vip", "coupon") == (
        "trial",
        3,
        0.5,
        True,
        None,
    )


def test_a_dotted_path_leads_into_objects() -> None:
    assert read(PROPERTIES, "cart.total", "cart.owner.name") == (4, "ada")


def test_a_key_that_is_the_rest_of_the_path_wins() -> None:
    assert read(PROPERTIES, "a.b", "a.c") == ("dotted", "only nested")
    assert read({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c") == (1,)
    assert read({"a": {"b.c": None}}, "a.b.c") == (None,)


@pytest.mark.parametrize("path", ["nothing", "cart.nothing", "plan.x", "cart.items.0", "coupon.x"])
def test_where_there_is_nothing_the_value_is_missing(path: str) -> None:
    assert read(PROPERTIES, path) == (MISSING,)
    assert read(PROPERTIES, path, "plan") == (MISSING, "trial")


def test_an_object_or_an_array_is_there_but_no_scalar() -> None:
    assert read(PROPERTIES, "cart", "cart.items") == (NOT_SCALAR, NOT_SCALAR)
    assert read(PROPERTIES, "cart", "cart.total") == (NOT_SCALAR, 4)


def test_a_number_beyond_any_is_there_but_no_scalar() -> None:
    assert extractor(["x", "y"])(b'{"x":1e999,"y":1}') == (NOT_SCALAR, 1)


def test_large_whole_numbers_keep_their_digits() -> None:
    assert read({"x": 2**80}, "x") == (2**80,)


def test_one_path_gives_a_tuple_of_one_and_none_gives_none() -> None:
    assert read(PROPERTIES, "plan") == ("trial",)
    assert read(PROPERTIES) == ()


def test_a_path_may_be_asked_for_twice() -> None:
    assert read(PROPERTIES, "plan", "plan") == ("trial", "trial")


@pytest.mark.parametrize("key", ['quote"', "back\\slash", "line\n", "", ".", "naïve ☕", "__x__"])
def test_a_key_may_hold_any_text(key: str) -> None:
    assert read({key: 1, "plan": 2}, key, "plan") == (1, 2)


@pytest.mark.parametrize(
    "buffer",
    [b"", b"[]", b"5", b"null", b'"x"', b"{", b'{"plan":', b'{"plan":"\xff"}', b"[" * 99_999],
)
def test_what_is_no_object_has_no_values(buffer: bytes) -> None:
    assert extractor(["plan.x", "seats"])(buffer) == (MISSING, MISSING)
    assert raw_extractor(["plan.x"])(buffer) == (MISSING,)


def test_raw_values_come_undecoded() -> None:
    buffer = b'{"a": {"b": [1,  2]}, "c": null}'
    nested, null, nothing = raw_extractor(["a.b", "c", "d"])(msgspec.Raw(buffer))
    assert (bytes(nested), bytes(null), nothing) == (b"[1,  2]", b"null", MISSING)


def keys() -> st.SearchStrategy[str]:
    return st.sampled_from(["a", "b", "a.b", "b.a", "a.a", ""])


def documents() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(0.5)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys(), inner, max_size=4),
        max_leaves=12,
    )


def looked_up(document: Any, path: str) -> Any:
    """The rule, spelt out over a decoded document."""
    if not isinstance(document, dict):
        return MISSING
    if path in document:
        value = document[path]
        return NOT_SCALAR if isinstance(value, dict | list) else value
    head, dot, rest = path.partition(".")
    return looked_up(document.get(head), rest) if dot else MISSING


@given(
    document=documents(),
    paths=st.lists(
        st.sampled_from(["a", "b", "a.b", "a.b.a", "b.a", "c", "", ".", "a..b"]), max_size=4
    ),
)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_paths_into_any_document_give_what_the_rule_gives(
    document: Any, paths: list[str]
) -> None:
    values = read(document, *paths)
    expected = tuple(looked_up(document, path) for path in paths)
    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))
