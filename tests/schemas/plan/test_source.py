"""YAML as a plan reads it: YAML 1.2's scalars, a line for every place, no surprises."""

import pytest

from schemas.plan.source import read_source


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-0x1F", "-0x1F"),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5e3", 1500.0),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
    ],
)
def test_a_scalar_is_what_it_looks_like(written: str, value: object) -> None:
    source = read_source(f"key: {written}\n")
    assert source.data == {"key": value}
    assert type(source.data["key"]) is type(value)
    assert source.flaws == []


def test_every_key_and_entry_has_its_line() -> None:
    source = read_source("a:\n  b:\n  - 1\n  - {c: 2,\n     d: 3}\n")
    assert source.lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "b", 1, "c"): 4,
        ("a", "b", 1, "d"): 5,
    }
    assert source.line(("a", "b", 1, "missing")) == 4
    assert source.line(("missing",)) is None


def test_a_reference_is_followed() -> None:
    source = read_source("a: &done [x, y]\nb: *done\n")
    assert source.data == {"a": ["x", "y"], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]\n", "nested too deep, or too large"),
        ("a: !!python/name:os.system x\n", "has the tag"),
        ("a: !mine x\n", "has the tag"),
        ("a: !!int x\n", "is no int"),
        ("a: 9007199254740993\n", "is too large"),
        ("a: -1e999\n", "is too large"),
        ("1: x\n", "key `1` is no text"),
        ("true: x\n", "key `true` is no text"),
        ("? [a, b]\n: x\n", "is no text"),
    ],
)
def test_what_yaml_lets_pass_is_a_flaw(text: str, message: str) -> None:
    (flaw,) = read_source(text).flaws
    assert message in flaw.message
    assert flaw.line == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nö: [1\n", "not YAML: did not find expected ',' or ']' (line 3, column 1)"),
        ("a: 1\nö: ü\x07\n", "not YAML: control characters are not allowed (line 2, column 5)"),
        ("a: " + "[" * 50_000, "not YAML: exceeded maximum nesting depth (line 1, column 1003)"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, message: str) -> None:
    source = read_source(text)
    assert source.data is None
    assert [flaw.message for flaw in source.flaws] == [message]


def test_references_that_multiply_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (flaw,) = read_source("\n".join(lines)).flaws
    assert "too large" in flaw.message
