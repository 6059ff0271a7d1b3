"""What a rule of the plan makes of an event: the names, values and attributes of its facts."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from schemas.batches import Attributes
from schemas.events import Event
from schemas.plan.models import Attribute, Currency, FactRule, NameFromProperty, Rule
from schemas.properties import extractor
from streams.ingest.amounts import amount_of, paths_of
from streams.segments import bounded_value, shown_value

Made = tuple[str, str | None, Attributes, int | None]
"""A fact of an event: kind, name, attributes, value."""


def facts_of(rule: Rule, currency: Currency | None) -> Callable[[Event], list[Made]]:
    """What a rule makes of an event that it selects."""
    paths = [path for fact in rule.facts for path in paths_of_fact(fact)]
    if not paths:
        made: list[Made] = [
            (fact.kind, _name(fact, iter(())), _constants(fact), None) for fact in rule.facts
        ]
        return lambda event: made
    extract, of_traits = extractor(paths), rule.selector.type == "identify"
    steps = [(fact, len(_told_paths(fact)), _told_of(fact, currency)) for fact in rule.facts]

    def facts(event: Event) -> list[Made]:
        found: list[Made] = []
        read = iter(extract(event.traits if of_traits else event.properties))
        for fact, n, told_of in steps:
            name = _name(fact, read)
            told = tuple(islice(read, n))
            if name is not None or fact.name is None:
                attributes, value = told_of(iter(told))
                found.append((fact.kind, name, attributes, value))
        return found

    return facts


def paths_of_fact(fact: FactRule) -> list[str]:
    """The paths of a fact, in the order in which `facts_of` reads them."""
    named = [fact.name.path] if isinstance(fact.name, NameFromProperty) else []
    return named + _told_paths(fact)


def _told_paths(fact: FactRule) -> list[str]:
    """Those of what it carries."""
    paths = [] if fact.value is None else paths_of(fact.value)
    for each in fact.attributes:
        paths += [] if each.path is None else [each.path]
        paths += [] if each.amount is None else paths_of(each.amount)
    return paths


def _name(fact: FactRule, read: Iterator[Any]) -> str | None:
    if not isinstance(fact.name, NameFromProperty):
        return fact.name.name if fact.name else None
    value = next(read)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return shown_value(value)


def _constants(fact: FactRule) -> Attributes:
    return tuple((e.name, bounded_value(e.const)) for e in fact.attributes if e.const is not None)


Told = Callable[[Iterator[Any]], tuple[Attributes, int | None]]
"""Takes what stands at the paths of what a fact carries: its attributes, and its value."""


def _told_of(fact: FactRule, currency: Currency | None) -> Told:
    value_of = None if fact.value is None else amount_of(fact.value, currency)
    readers = [(each.name, _attribute_of(each, currency)) for each in fact.attributes]

    def told_of(told: Iterator[Any]) -> tuple[Attributes, int | None]:
        value = None if value_of is None else value_of(told)
        values = [(name, attribute_of(told)) for name, attribute_of in readers]
        return tuple((name, of) for name, of in values if of is not None), value

    return told_of


ReadAttribute = Callable[[Iterator[Any]], Any]
"""Takes what stands at the path of an attribute, if it has one; None: there is none."""


def _attribute_of(attribute: Attribute, currency: Currency | None) -> ReadAttribute:
    if attribute.amount is not None:
        return amount_of(attribute.amount, currency)
    if attribute.path is None:
        constant = bounded_value(attribute.const)
        return lambda told: constant

    def scalar(told: Iterator[Any]) -> Any:
        value = next(told)
        return bounded_value(value) if isinstance(value, str | bool | int | float) else None

    return scalar
