"""Rows from plain data, and what follows from one: facts, settings and other rows it reads."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, wraps
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from schemas.ranks import OfMembers
from schemas.row_forms.form import unit
from schemas.row_forms.people import MembershipRow, TriedRow
from schemas.row_forms.values import RankingRow
from schemas.rows import OverValues, Row
from schemas.selectors import EACH, ENTRY, SETTING
from schemas.terms import kpis_named

_ROW: TypeAdapter[Row] = TypeAdapter(Row)
_ROWS: TypeAdapter[list[Row]] = TypeAdapter(list[Row])

ROWS_KEPT = 1024
"""More than the catalogue has, so that compiling plan after plan reads its rows but once."""
Read = TypeVar("Read")


class _Same:
    """A row as a key: rows never change, but what is in them has no hash."""

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row

    def __hash__(self) -> int:
        return id(self.row)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.row is self.row


def _once(read: Callable[[Row], Read]) -> Callable[[Row], Read]:
    """Reads of a row what it says, and remembers it while the row is among the last ones."""

    @lru_cache(ROWS_KEPT)
    def remembered(same: _Same) -> Read:
        return read(same.row)

    @wraps(read)
    def found(row: Row) -> Read:
        return remembered(_Same(row))

    return found


def begun(row: Row, since_ms: Mapping[str, int]) -> Row:
    """The row where units of that name count from a moment on only."""
    found = row.model_copy()
    found._since_ms = since_ms
    return found


def kinds_of(part: BaseModel) -> frozenset[str]:
    """The kinds of facts a row, or a part of one, is made from; none for a formula, which reads
    other rows.
    """
    return frozenset(kind for kinds in needed_kinds_in(part) for kind in kinds)


@_once
def needed_kinds(row: Row) -> frozenset[tuple[str, ...]]:
    """What a row is made from: one of each of these kinds of facts."""
    return needed_kinds_in(row)


def needed_kinds_in(part: BaseModel) -> frozenset[tuple[str, ...]]:
    """The same of a part of a row."""
    return frozenset(_kinds(part.model_dump(by_alias=True)))


WORDS_OF_OTHERS = ("where", "each_pair")
"""Keys of a row under which keys are names of attributes, or of things that the plan speaks of."""


def _kinds(data: Any) -> set[tuple[str, ...]]:
    if isinstance(data, dict):
        kinds = _either(data)
        found = {kinds} if kinds and kinds != (ENTRY,) else set()
        passed = (*WORDS_OF_OTHERS, "or")
        return found.union(*(_kinds(v) for key, v in data.items() if key not in passed))
    if isinstance(data, list | tuple):
        return set().union(*(_kinds(v) for v in data))
    return set()


def _either(selector: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that a selector takes, as plain data."""
    kind = selector.get("kind")
    kinds = (kind,) if isinstance(kind, str) else tuple(kind or ())
    return (*kinds, *_either(selector["or"])) if selector.get("or") else kinds


@_once
def kpis_read(row: Row) -> frozenset[str]:
    """The KPIs that a row follows from, beside facts: inputs, other memberships, scores, values."""
    if isinstance(row, OverValues):
        inputs = frozenset[str]().union(*map(kpis_named, row.kpis.values()))
        return inputs | members_read(row) if isinstance(row, RankingRow) else inputs
    return frozenset(_subject_rows_read(row.model_dump(by_alias=True)))


def members_read(row: RankingRow) -> frozenset[str]:
    """Of a ranking of members the membership, and the lists of its members."""
    return frozenset({row.rank.members, *row.attach} if isinstance(row.rank, OfMembers) else ())


def _subject_rows_read(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        if data.get("kind") == ENTRY:
            yield str(data["name"])
        if data.keys() == {"member"}:
            yield data["member"]
        if data.keys() == {"score", "at_least", "below"}:
            yield data["score"]
        if data.keys() == {"kpi", "period", "variant", "at_least", "below"}:
            yield data["kpi"]
        for key, value in data.items():
            if key not in WORDS_OF_OTHERS:  # an attribute may be called `kind`, too
                yield from _subject_rows_read(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _subject_rows_read(value)


@_once
def settings_in(row: Row) -> frozenset[str]:
    """The settings that a row refers to."""
    return frozenset(_settings(row.model_dump(by_alias=True)))


def _settings(data: Any) -> Iterator[str]:
    if isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _settings(value)
    elif isinstance(data, str) and data.startswith(SETTING):
        yield data.removeprefix(SETTING)


def resolved(row: Row, settings: dict[str, Any]) -> Row:
    """The row with every `setting.x` replaced; an empty list of names stands for all names.

    Raises KeyError for a setting that does not exist.
    """
    if settings_in(row):
        return row_of(_resolved(row.model_dump(by_alias=True), settings))
    return _without_settings(row)


@_once
def _without_settings(row: Row) -> Row:
    """What `resolved` makes of a row that refers to none: the same for every plan."""
    return row_of(_resolved(row.model_dump(by_alias=True), {}))


def _resolved(data: Any, settings: dict[str, Any]) -> Any:
    if isinstance(data, dict):
        found = {k: _resolved(v, settings) for k, v in data.items()}
        if found.keys() == {"for_each", "any"} and found["for_each"]:
            return {"any": tuple(_filled(found["any"], each) for each in _groups(found))}
        if found.get("name") == ():
            found["name"] = None
        if found.keys() == {"size"}:
            return len(found["size"])
        if found.keys() == {"total"}:
            entries = found["total"]
            return sum(entries.values() if isinstance(entries, Mapping) else entries)
        return found
    if isinstance(data, list | tuple):
        return [_resolved(v, settings) for v in data]
    if isinstance(data, str) and data.startswith(SETTING):
        return settings[data.removeprefix(SETTING)]
    return data


def _groups(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What stands for `each` and `each.names`, once for each entry of a list among the settings; of
    a mapping, once for each of its values, with the names that have it.
    """
    entries = data["for_each"]
    if not isinstance(entries, Mapping):
        yield from ({EACH: entry} for entry in entries)
        return
    for value in dict.fromkeys(entries.values()):
        names = tuple(name for name, of in entries.items() if of == value)
        yield {EACH: value, f"{EACH}.names": names}


def _filled(data: Any, each: Mapping[str, Any]) -> Any:
    if isinstance(data, dict):
        return {k: _filled(v, each) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_filled(v, each) for v in data]
    return each.get(data, data) if isinstance(data, str) else data


def tried(row: TriedRow) -> Iterator[MembershipRow]:
    """The memberships of a row whose settings are resolved, each of first entries."""
    assert isinstance(row.for_each, dict), "settings are resolved"
    data, since_ms = row.model_dump(by_alias=True, exclude={"operator", "for_each"}), row.since_ms()
    for name, numbers in row.for_each.items():
        when = _filled(data["when"], {f"{EACH}.{field}": n for field, n in numbers.items()})
        found = MembershipRow(
            **{**data, "operator": "membership", "when": when, "value": "entries"}
        )
        found = found.model_copy(update={"id": entry_name(row.id, name)})
        found._since_ms = {} if since_ms is None else {unit("company", found.id): since_ms}
        yield found


def numbers_missing(row: TriedRow) -> set[str]:
    """The fields that `when` asks for and that some entry of the setting does not have."""
    assert isinstance(row.for_each, dict), "settings are resolved"
    asked = {text.removeprefix(f"{EACH}.") for text in _texts_of_each(row.when.model_dump())}
    return {field for numbers in row.for_each.values() for field in asked - numbers.keys()}


def _texts_of_each(data: Any) -> Iterator[str]:
    if isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts_of_each(value)
    elif isinstance(data, str) and data.startswith(f"{EACH}."):
        yield data


def entry_name(kpi: str, name: str) -> str:
    """How the first entry into a membership that is tried out is told from others."""
    return f"{kpi}/{name}"


def row_of(data: Any) -> Row:
    """A row of plain data. Raises pydantic's ValidationError with every mistake."""
    return _ROW.validate_python(data)


def rows_of(data: Any) -> list[Row]:
    return _ROWS.validate_python(data)
