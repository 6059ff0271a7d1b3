"""The identity of a plan, and of what it makes of events: equal for what means the same."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from schemas.outputs import ID_HEX_DIGITS, canonical_json
from schemas.plan.models import ActivationTasks, FirstActivity, Input, NameConst, Plan
from schemas.selectors import FactSelector

SHOWN_CHARACTERS_MAX = 200


def plan_hash(plan: Plan) -> str:
    """The first 32 hex digits of BLAKE2b over the canonical JSON of the normal form.

    Comments, the order of keys, shorthands and defaults written out make no difference.
    """
    return fingerprint(normal_form(plan))


def normal_form(plan: Plan) -> Any:
    """A plan as plain data, from which `Plan.model_validate_json` makes it again."""
    return plan.model_dump(mode="json", by_alias=True)


def fingerprint(meaning: Any) -> str:
    """Equal for equal plain data."""
    return blake2b(canonical_json(meaning)).hexdigest()[:ID_HEX_DIGITS]


def meaning_of_facts(plan: Plan, facts: FactSelector) -> list[Any]:
    """Everything in a plan that decides which events make these facts, as plain data."""
    meaning: list[Any] = [_plain(facts), *_rules(plan, facts)]
    if isinstance(facts.kind, tuple):
        kinds = (facts.model_copy(update={"kind": kind}) for kind in facts.kind)
        return [*meaning, *(meaning_of_facts(plan, each) for each in kinds)]
    if facts.kind == "first_action" and isinstance(plan.first_action, FirstActivity):
        meaning.append(meaning_of_facts(plan, FactSelector(kind="activity")))
    if facts.kind == "activation" and plan.activation is not None:
        meaning.append(plan.activation.model_dump(mode="json"))
        if isinstance(plan.activation, ActivationTasks):
            tasks = FactSelector(kind="key_task", name=plan.activation.tasks)
            meaning.append(meaning_of_facts(plan, tasks))
    return [*meaning, [each.model_dump(mode="json") for each in plan.exclude_events]]


def meaning_of_input(plan: Plan, input: Input) -> dict[str, Any]:
    """Everything that decides how the records of an input become events, as plain data."""
    data = input.model_dump(mode="json")
    meaning = {each: data[each] for each in ("topic", "format", "fields", "time_unit", "clock")}
    # Only where more is said than once could be: a new release reads no input in another way.
    if input.format == "csv":
        meaning |= {each: data[each] for each in ("columns", "delimiter")}
    if input.id_prefix:
        meaning["id_prefix"] = input.id_prefix
    if input.fields is not None and input.fields.name is None:
        meaning["name"] = input.name
    if any(rule.input == input.name for rule in plan.rules):
        meaning["own_rules"] = True
    return meaning


def _plain(model: BaseModel) -> Any:
    """Without defaults: a release in which more can be said makes no other facts."""
    return model.model_dump(mode="json", exclude_defaults=True)


def _rules(plan: Plan, facts: FactSelector) -> Iterator[Any]:
    """The rules that may make such facts; a name read from an event may be any."""
    names = (facts.name,) if isinstance(facts.name, str) else facts.name
    for rule in plan.rules:
        for fact in rule.facts:
            other = names and isinstance(fact.name, NameConst) and fact.name.name not in names
            if fact.kind == facts.kind and not other:
                of_input = () if rule.input is None else (rule.input,)
                yield _plain(rule.selector), _plain(fact), *of_input


def differences(old: Plan, new: Plan) -> list[str]:
    """What was changed in a plan, in its normal form, as `place: old -> new`."""
    return list(_differences("", normal_form(old), normal_form(new)))


def _differences(place: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(f"{place}.{key}".lstrip("."), old.get(key), new.get(key))
        return
    if isinstance(old, list) and isinstance(new, list):
        for sign, some, others in (("-", old, new), ("+", new, old)):
            for each in some:
                if each not in others:
                    yield f"{place}: {sign} {_shown(each)}"
        return
    yield f"{place}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."
