"""YAML text to plain data, with the line of every place.

Plain scalars are read as YAML 1.2 does: only true, false, null and numbers are not text, so that
`yes`, `on`, `12:30` and `2024-01-01` mean what they look like. What YAML lets pass and a plan must
not contain (a key written twice, a tag) is a flaw; all flaws are collected.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

Place = tuple[str | int, ...]
"""Keys and list indices (from 0) that lead from the top of the file to a value."""

DEPTH_MAX = 64
VALUES_MAX = 100_000
"""More than any plan needs; keeps references within the file from multiplying without end."""

NUMBER_MAX = 2**53
"""Beyond this, readers of JSON disagree about integers."""


class Flaw(NamedTuple):
    """A mistake that is visible without knowing what a plan is."""

    place: Place
    line: int
    message: str
    suggestion: str | None


@dataclass(frozen=True)
class Source:
    """What a file says. `lines` has the line, from 1, of every key and list entry."""

    data: Any
    lines: dict[Place, int] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the closest entry around it that is in the file."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


if TYPE_CHECKING:
    from yaml import SafeLoader as Parser
else:
    Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    """libyaml's, where PyYAML was built with it: several times as fast."""


class _Loader(Parser):
    """Composes nodes whose plain scalars have the types of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML fills it)


_INTEGER = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_PREFIX = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(f"^(?:{_pattern})$"), _first)

_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0 if text[:2] in ("0o", "0x") else 10),
    "float": float,
}


def read_source(text: str) -> Source:
    """Plain data of YAML text. Bad syntax leaves `data` None and gives one flaw."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, error)
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")
        return _unreadable(before.count("\n") + 1, len(before) - before.rfind("\n"), error)
    reading = _Reading()
    data = None if node is None else reading.value(node, ())
    return Source(data, reading.lines, reading.flaws)


def _unreadable(line: int, column: int, error: yaml.YAMLError) -> Source:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    message = f"not YAML: {problem} (line {line}, column {column})"
    return Source(None, {}, [Flaw((), line, message, "check indentation, quotes and brackets")])


class _Reading:
    """One walk over the nodes of a file."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.flaws: list[Flaw] = []
        self._values = 0
        self._refused = False

    def value(self, node: yaml.Node, place: Place) -> Any:
        self._values += 1
        if len(place) > DEPTH_MAX or self._values > VALUES_MAX:
            if not self._refused:
                self._flaw(node, place[:1], "nested too deep, or too large", "a plan needs neither")
            self._refused = True
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._entry(child, child, (*place, index)) for index, child in enumerate(node.value)
            ]
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, child in node.value:
            key = self._key(key_node, place)
            inside = (*place, key)
            if key in data:
                first = self.lines[inside]
                self._flaw(
                    key_node, inside, f"`{key}` is written twice (also in line {first})", None
                )
            else:
                data[key] = self._entry(key_node, child, inside)
        return data

    def _entry(self, start: yaml.Node, node: yaml.Node, place: Place) -> Any:
        self.lines[place] = start.start_mark.line + 1
        return self.value(node, place)

    def _key(self, node: yaml.Node, place: Place) -> str:
        key = self._scalar(node, place) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str):
            return key
        text = node.value if isinstance(node, yaml.ScalarNode) else "?"
        self._flaw(node, place, f"key `{text}` is no text", f'put it in quotes: `"{text}"`')
        return str(text)

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        name = node.tag.removeprefix(_PREFIX)
        if name not in _SCALARS:
            self._flaw(node, place, f"`{node.value}` has the tag `{node.tag}`", "leave the tag out")
            return node.value
        try:
            value = _SCALARS[name](node.value)
        except ValueError:
            self._flaw(node, place, f"`{node.value}` is no {name}", "put it in quotes")
            return node.value
        if isinstance(value, int | float) and abs(value) > NUMBER_MAX:
            self._flaw(node, place, f"number `{node.value}` is too large", "at most 2^53")
            return 1
        return value

    def _flaw(self, node: yaml.Node, place: Place, message: str, suggestion: str | None) -> None:
        self.flaws.append(Flaw(place, node.start_mark.line + 1, message, suggestion))
