"""Reads a few values out of undecoded properties or traits, without decoding the rest.

A path is split at its dots; where an object has the rest of the path as one key, that key wins.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

Buffer = bytes | msgspec.Raw
Extractor = Callable[[Buffer], tuple[Any, ...]]
"""Takes a JSON object, gives one value a path. Never raises."""


class _Missing:
    """The type of MISSING."""


MISSING: Final = _Missing()
"""What reading a path gives where there is nothing: no such key, or a path through something that
is no object."""


class _NotScalar:
    """The type of NOT_SCALAR."""


NOT_SCALAR: Final = _NotScalar()
"""What reading a path gives for an object, an array, or a number too large to hold: something
stands there, and it equals nothing."""

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Everything that msgspec's decoders raise for bytes they cannot take."""

_Scalar: Final = str | int | float | bool | None
_decode_scalar: Final = msgspec.json.Decoder(_Scalar).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def extractor(paths: Sequence[str]) -> Extractor:
    """Reads scalars: each value is a str, int, float, bool or None, or MISSING or NOT_SCALAR.

    >>> extractor(["plan", "cart.total", "tags"])(b'{"plan": "pro", "cart": {"total": 3}}')[:2]
    ('pro', 3)
    """
    return _compile(paths, _Scalar, _scalar)


def raw_extractor(paths: Sequence[str]) -> Extractor:
    """Reads undecoded values: each is a msgspec.Raw or MISSING."""
    return _compile(paths, msgspec.Raw, lambda raw: raw)


def _compile(paths: Sequence[str], leaf: Any, read_leaf: Callable[[msgspec.Raw], Any]) -> Extractor:
    """One typed decoder for all paths; where it does not fit the data, a walk path by path."""

    def walk(buffer: Buffer) -> tuple[Any, ...]:
        return tuple(_walk(buffer, path, read_leaf) for path in paths)

    places = [list(_places(path)) for path in paths]
    tree = _tree(place for of_path in places for place in of_path)
    shape = _shape(tree, leaf) if tree else None
    if tree is None or shape is None:
        return walk
    decode = msgspec.json.Decoder(shape).decode
    pick = _getter([_attribute(tree, of_path[-1]) for of_path in places])
    dotted = [_attribute(tree, place) for of_path in places for place in of_path[:-1]]
    if not dotted:

        def read(buffer: Buffer) -> tuple[Any, ...]:
            try:
                return pick(decode(buffer))
            except UNDECODABLE:
                return walk(buffer)

        return read

    pick_dotted, none_dotted = _getter(dotted), (MISSING,) * len(dotted)

    def read_unless_dotted(buffer: Buffer) -> tuple[Any, ...]:
        try:
            wanted = decode(buffer)
        except UNDECODABLE:
            return walk(buffer)
        return pick(wanted) if pick_dotted(wanted) == none_dotted else walk(buffer)

    return read_unless_dotted


def _scalar(raw: msgspec.Raw) -> Any:
    try:
        return _decode_scalar(raw)
    except UNDECODABLE:
        return NOT_SCALAR


def _walk(buffer: Buffer, path: str, read_leaf: Callable[[msgspec.Raw], Any]) -> Any:
    while True:
        try:
            members = _decode_members(buffer)
        except UNDECODABLE:
            return MISSING
        if path in members:
            return read_leaf(members[path])
        head, dot, path = path.partition(".")
        if not dot or head not in members:
            return MISSING
        buffer = members[head]


Place = tuple[str, ...]
"""The keys that lead to a value."""


def _places(path: str) -> Iterator[Place]:
    """Where a path may find its value: the place that wins first, the plain one last.

    >>> list(_places("a.b.c"))
    [('a.b.c',), ('a', 'b.c'), ('a', 'b', 'c')]
    """
    yield (path,)
    head, dot, rest = path.partition(".")
    if dot:
        for place in _places(rest):
            yield (head, *place)


Tree = dict[str, "Tree | None"]
"""Keys to the trees below them, None where a value is wanted."""


def _tree(places: Iterator[Place]) -> Tree | None:
    """The places as one tree; None if a value is wanted where another place leads through."""
    root: Tree = {}
    for *way, last in places:
        node = root
        for key in way:
            below = node.setdefault(key, {})
            if below is None:
                return None
            node = below
        if node.setdefault(last, None) is not None:
            return None
    return root


def _shape(tree: Tree, leaf: Any) -> type[msgspec.Struct] | None:
    """A struct that decodes just this tree; None if a key cannot be a struct's."""
    fields: list[tuple[str, Any, Any]] = []
    for index, below in enumerate(tree.values()):
        if below is None:
            fields.append((f"f{index}", leaf, MISSING))
            continue
        node = _shape(below, leaf)
        if node is None:
            return None
        fields.append((f"f{index}", node, node()))
    names = {f"f{index}": key for index, key in enumerate(tree)}
    try:
        return msgspec.defstruct("Wanted", fields, rename=names, frozen=True, gc=False)
    except ValueError:  # a key with characters that JSON escapes
        return None


def _attribute(tree: Tree, place: Place) -> str:
    """The dotted attribute of a place in the struct that `_shape` makes."""
    names = []
    node: Tree | None = tree
    for key in place:
        assert node is not None
        names.append(f"f{list(node).index(key)}")
        node = node[key]
    return ".".join(names)


def _getter(attributes: list[str]) -> Callable[[msgspec.Struct], tuple[Any, ...]]:
    if len(attributes) == 1:  # attrgetter gives no tuple then
        single = attrgetter(*attributes)
        return lambda struct: (single(struct),)
    return attrgetter(*attributes)
