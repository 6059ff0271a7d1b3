"""Reads a plan and reports every mistake in it at once, each with its place and a suggestion."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.plan.models import FIRST_ACTIVITY, Plan
from schemas.plan.normal import normal_plan
from schemas.plan.places import Spot, find_spot, known_keys
from schemas.plan.source import Place, Source, read_source
from schemas.plan.values import Surroundings, did_you_mean, shown
from schemas.plan.written import WrittenPlan
from schemas.plan.written_rules import kinds_of


@dataclass(frozen=True)
class Problem:
    """One mistake.

    place: keys and list indices (from 0) joined by dots; empty: the file as a whole.
    suggestion: what to do about it, such as "did you mean `activation`?".
    line: in the file, from 1; None if no line can be named.
    """

    place: str
    message: str
    suggestion: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        what_to_do = f"; {self.suggestion}" if self.suggestion else ""
        return f"{self.message}{where}{what_to_do}"


class PlanInvalid(Exception):
    """A plan (or sinks) cannot be used; `problems` has every mistake, in the order of the file."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__(
            "\n".join(f"line {p.line}: {p}" if p.line else str(p) for p in self.problems)
        )


def load_plan(
    path_or_text: str | os.PathLike[str], known_kpis: Collection[str] | None = None
) -> Plan:
    """The plan in a file, or in YAML text (a str with a line break, or a colon and a blank).

    known_kpis: ids of the catalogue; None leaves KPI ids unchecked.
    Raises PlanInvalid with every mistake, and OSError for a file that cannot be read.
    """
    source = read_source(text_of(path_or_text))
    if not isinstance(source.data, dict):
        raise PlanInvalid(_flaws(source) or [_NO_PLAN])
    return normal_plan(written(source, WrittenPlan, _surroundings(source.data, known_kpis)))


_NO_PLAN = Problem(
    "", "expected a mapping with `product` and more", "let `headwater plan infer` propose one"
)

Model = TypeVar("Model", bound=BaseModel)


def written(source: Source, model: type[Model], context: Any) -> Model:
    """What a file of mappings says, read as a model. Raises PlanInvalid with every mistake."""
    try:
        found = model.model_validate(source.data, context=context)
    except ValidationError as error:
        all_of_it = (_problem(each, source, model) for each in error.errors(include_url=False))
        problems = [problem for problem in all_of_it if problem is not None]
        raise PlanInvalid([*_flaws(source), *dict.fromkeys(problems)]) from None
    if source.flaws:
        raise PlanInvalid(_flaws(source))
    return found


def text_of(path_or_text: str | os.PathLike[str]) -> str:
    """The text of a file, or the text itself (see `load_plan`)."""
    if isinstance(path_or_text, str) and ("\n" in path_or_text or ": " in path_or_text):
        return path_or_text
    try:
        return Path(path_or_text).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem("", f"not UTF-8 text (byte {error.start})", "save the file as UTF-8")
        raise PlanInvalid([problem]) from None


# ---- what single values are checked against


def _surroundings(data: dict[str, Any], known_kpis: Collection[str] | None) -> Surroundings:
    """Read from the raw file, so that mistakes elsewhere do not make a reference look wrong."""
    inputs = [each for each in _list(data, "inputs") if isinstance(each, dict)]
    entries = [entry for place in (data, *inputs) for entry in _list(place, "events")]
    names = [_task_name(entry) for entry in entries if _makes(entry, "key_task")]
    exclusive = {}
    if "all_of" in _mapping(data, "activation"):
        exclusive["activation"] = "`activation` is by key tasks, no event is one"
    if data.get("first_action") == FIRST_ACTIVITY:
        exclusive["first_action"] = f"`first_action` is `{FIRST_ACTIVITY}`, no event is one"
    return Surroundings(
        known_kpis=known_kpis,
        own_kpis=tuple(
            row["id"]
            for row in _list(_mapping(data, "kpis"), "own")
            if isinstance(row, dict) and isinstance(row.get("id"), str)
        ),
        tasks=[*_mapping(data, "key_tasks"), *(n for n in names if isinstance(n, str))],
        any_task=any(not isinstance(name, str) for name in names),
        only_segment=all(each.get("format", "segment") == "segment" for each in inputs),
        keeps_traits=not inputs or any(_keeps_traits(each) for each in inputs),
        currencies=_currencies(data),
        exclusive_kinds=exclusive,
    )


def _keeps_traits(form: dict[str, Any]) -> bool:
    return form.get("format") not in ("mapping", "csv") or "traits" in _mapping(form, "fields")


def _currencies(data: dict[str, Any]) -> tuple[str, ...] | None:
    """What can be converted; None if that was written in a way that cannot be."""
    if "currency" not in data:
        return ()
    currency = _mapping(data, "currency")
    codes = [currency.get("reporting"), *_mapping(currency, "rates")]
    return tuple(code for code in codes if isinstance(code, str)) or None


def _mapping(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _makes(entry: Any, kind: str) -> bool:
    kinds = entry.get("is") if isinstance(entry, dict) else None
    return isinstance(kinds, str | list) and kind in kinds_of(kinds)


def _task_name(entry: dict[str, Any]) -> Any:
    """The fixed name of an entry's key tasks; no text if events name them."""
    return next((entry[key] for key in ("name", "event", "page", "screen") if key in entry), None)


# ---- from errors to problems


def _flaws(source: Source) -> list[Problem]:
    return [
        Problem(_dotted(flaw.place), flaw.message, flaw.suggestion, flaw.line)
        for flaw in source.flaws
    ]


def _problem(details: ErrorDetails, source: Source, model: type[BaseModel]) -> Problem | None:
    """None if the error is about a form that was not meant, or follows from another one."""
    loc, kind = details["loc"], details["type"]
    if kind == "too_short" and details["input"]:
        return None  # entries of a tuple with mistakes are not counted
    about_key = kind in ("missing", "extra_forbidden")
    spot = find_spot(model, loc[:-1] if about_key else loc, source.data)
    if spot is None:
        return None
    if spot.forms:
        message, suggestion = _about_form(spot)
        return Problem(_dotted(spot.place), message, suggestion, source.line(spot.place))
    if about_key:
        key = str(loc[-1])
        message, suggestion = _about_key(kind, key, spot)
        return Problem(_dotted(spot.place), message, suggestion, source.line((*spot.place, key)))
    message, suggestion = _about_term(spot) if spot.recursive else _about_value(details)
    place = _reported_at(spot.place, details.get("ctx", {}).get("within"))
    return Problem(_dotted(place), message, suggestion, source.line(spot.place))


def _reported_at(place: Place, within: str | None) -> Place:
    """The entry that holds the key `within`, if the mistake is about the entry as a whole."""
    if within is None or within not in place:
        return place
    return place[: len(place) - 1 - place[::-1].index(within)]


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _about_key(kind: str, key: str, spot: Spot) -> tuple[str, str | None]:
    if kind == "missing":
        return f"`{key}` is missing", f"add `{key}: ...`"
    known = known_keys(spot.model)
    listed = f"known are {', '.join(known)}" if known else None
    return f"unknown key {shown(key)}", did_you_mean(key, known) or listed


def _about_form(spot: Spot) -> tuple[str, str | None]:
    guesses = (did_you_mean(str(key), spot.forms) for key in spot.value)
    listed = f"known are {', '.join(dict.fromkeys(spot.forms))}"
    return f"{shown(spot.value)} says nothing that can stand here", next(
        (guess for guess in guesses if guess is not None), listed
    )


def _about_term(spot: Spot) -> tuple[str, str | None]:
    return f"{shown(spot.value)} is no term", "write such as `{div: [a, {add: [b, 1]}]}`"


def _about_value(details: ErrorDetails) -> tuple[str, str | None]:
    context = details.get("ctx", {})
    if details["type"] == "mistake":
        return context.get("message", details["msg"]), context.get("suggestion")
    value = shown(details["input"])
    message = _MESSAGES.get(details["type"])
    if message is None:
        return details["msg"], None
    suggestion = None
    if details["type"] == "string_type" and isinstance(details["input"], bool | int | float):
        suggestion = f'put it in quotes: `"{value.strip("`")}"`'
    if details["type"] == "union_tag_invalid":
        expected = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        suggestion = did_you_mean(str(context["tag"]), expected)
        suggestion = suggestion or f"known are {', '.join(expected)}"
    return message.format(value=value, **context), suggestion


_MESSAGES = {
    "string_type": "expected a text, not {value}",
    "int_type": "expected a whole number, not {value}",
    "int_from_float": "expected a whole number, not {value}",
    "int_parsing": "expected a whole number, not {value}",
    "bool_type": "expected true or false, not {value}",
    "list_type": "expected a list, not {value}",
    "tuple_type": "expected a list, not {value}",
    "dict_type": "expected a mapping, not {value}",
    "model_type": "expected a mapping, not {value}",
    "model_attributes_type": "expected a mapping, not {value}",
    "greater_than": "{value} is too small, it has to be above {gt}",
    "greater_than_equal": "{value} is too small, the least is {ge}",
    "less_than_equal": "{value} is too large, the most is {le}",
    "too_short": "expected at least {min_length} entry",
    "literal_error": "expected {expected}, not {value}",
    "string_pattern_mismatch": "{value} does not look like `{pattern}`",
    "value_error": "{error}",
    "union_tag_invalid": "unknown operator `{tag}`",
    "union_tag_not_found": "`operator` is missing",
}
"""Pydantic's errors in the words of a plan; others keep pydantic's own."""
