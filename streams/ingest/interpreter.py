"""What the events of an input mean, by the rules of the plan."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from schemas.batches import Attributes, FactOfEvent, Meaning, Values, types_in
from schemas.events import EMPTY_OBJECT, USES, Event
from schemas.fact_kinds import ACCOUNT_TRAIT, KINDS_OF_NOBODY, THING_KINDS
from schemas.plan.conditions import Predicate, compile_where, pattern_matcher
from schemas.plan.models import (
    CONSENT_TRAIT,
    GIVEN,
    TRAITS_PREFIX,
    WITHDRAWN,
    FirstActivity,
    Input,
    Plan,
    Rule,
    Selector,
)
from schemas.properties import MISSING, NOT_SCALAR, Buffer, Extractor, extractor
from streams.fact_batches import Code
from streams.ingest.rule_facts import facts_of, paths_of_fact
from streams.measures.account_traits import VALUE
from streams.segments import bounded_value, pairs_of, segment_in, with_pairs

NAMES_MAX = 100_000
"""Event names, or combinations of segments, that are remembered at a time."""

Meant = tuple[Meaning, Values]


class Interpreter:
    """What the events of an input mean: facts, segments and the traits the plan reads."""

    def __init__(self, plan: Plan, input: Input | None = None) -> None:
        """`input`: one of the plan's, by default the first."""
        self._plan = plan
        self._rules = plan.rules_of(input or plan.inputs[0])
        self._first_is_activity = isinstance(plan.first_action, FirstActivity)
        self._by_name: dict[tuple[str, str], Callable[[Event], Meant] | Code] = {}
        self._codes: dict[tuple[Meaning, tuple[type, ...], tuple[str, ...]], Code] = {}
        self.plain: dict[str, Code] = {}
        """Codes of the track calls met so far whose name alone tells that they mean something."""
        erasure, consent = plan.erasure, plan.consent
        self.to_erase = _Words(
            {} if erasure is None else {"user": erasure.users, "account": erasure.accounts}
        )
        """Whom an event asks to erase of those it names: its `user`, its `account`."""
        self.on_consent = _Words(
            {} if consent is None else {WITHDRAWN: consent.withdrawn, GIVEN: consent.given}
        )
        """What an event says of its user's consent."""
        self._merging = _Words({merge.into: [merge.selector] for merge in plan.account_merges})
        self._into = {merge.into: extractor([merge.into]) for merge in plan.account_merges}
        self._dimensions = [
            (d.name, segment_in(d), None if d.kinds is None else frozenset(d.kinds))
            for d in plan.segments
            if d.property is not None
        ]
        self._pairs = pairs_of(plan.segments, lambda d: d.property is not None)
        paths = [d.property for d in plan.segments if d.property is not None]
        self._segment_values = extractor(paths) if paths else _no_values
        excluding = {c.path.removeprefix(TRAITS_PREFIX) for c in plan.exclude_users}
        dimensions = {d.trait for d in plan.segments if d.trait is not None}
        self._trait_paths = sorted((excluding | dimensions) - {CONSENT_TRAIT})
        self._trait_values = extractor(self._trait_paths) if self._trait_paths else None
        asked = {d.account_trait for d in plan.segments if d.account_trait is not None}
        self._account_paths = sorted(asked)
        self._account_values = extractor(self._account_paths) if asked else None

    def code(self, event: Event) -> tuple[Code, Values]:
        """The facts of an event, possibly none, with their values, and its segments.

        Raises Unconvertible for an amount in a currency that the plan does not know.
        """
        if event.type == "group":
            return self._code_of(self._told_of_account(event), ()), ()
        known = self._by_name.get((event.type, event.name))
        if known is None:
            if len(self._by_name) >= NAMES_MAX:
                self._by_name.clear()
                self.plain.clear()
            known = self._by_name[event.type, event.name] = self._compile(event.type, event.name)
            plain = isinstance(known, Code) and _is_plain(known) and event.type == "track"
            words = self.to_erase, self.on_consent, self._merging
            asked = any(each.may_say(event) for each in words)
            if isinstance(known, Code) and plain and not asked:
                self.plain[event.name] = known
        if isinstance(known, Code):
            return known, ()
        meaning, values = known(event)
        return self._code(meaning, self._segment_values(event.properties)), values

    def merged_into(self, event: Event) -> Any:
        """The id of the account that the event says its account belongs to; None: to no other.

        NOT_SCALAR: it should say that, and says nothing that could be an id. MISSING: it is about
        something else.
        """
        for path in self._merging.said(event):
            (found,) = self._into[path](event.properties)
            if found is None or isinstance(found, str):
                return found or None
            is_id = isinstance(found, int) and not isinstance(found, bool)
            return str(found) if is_id else NOT_SCALAR
        return MISSING

    def of_thing(self, fact: FactOfEvent, segments: tuple[str, ...]) -> Code:
        """The code of an event of which only one fact counts."""
        return self._code_of((fact,), segments)

    def of_nobody(self, code: Code, values: Values) -> tuple[Code, Values]:
        """What is left of an event that names neither an account nor a user."""
        kept = [n for n, fact in enumerate(code.meaning) if fact[0] in KINDS_OF_NOBODY]
        meaning = tuple(code.meaning[n] for n in kept)
        return self._code_of(meaning, code.segments), values and tuple(values[n] for n in kept)

    def _code(self, meaning: Meaning, values: Sequence[Any]) -> Code:
        """`values`: of the properties that are dimensions."""
        segments = {
            name: segment(value)
            for (name, segment, kinds), value in zip(self._dimensions, values, strict=False)
            if kinds is None or any(kind in kinds for kind, _, _ in meaning)
        }
        return self._code_of(meaning, with_pairs(segments, self._pairs))

    def _code_of(self, meaning: Meaning, segments: tuple[str, ...]) -> Code:
        key = meaning, types_in(meaning), segments
        code = self._codes.get(key)
        if code is None:
            if len(self._codes) >= NAMES_MAX:
                self._codes.clear()
            code = self._codes[key] = Code(meaning, segments)
        return code

    def traits(self, event: Event) -> dict[str, Any]:
        """The traits of a user that the plan reads; those of a group call are the account's."""
        if event.type == "group":
            return {}
        return dict(_told(event, self._trait_paths, self._trait_values))

    def _told_of_account(self, event: Event) -> Meaning:
        """What a group call says of its account, as far as the plan reads it."""
        told = _told(event, self._account_paths, self._account_values)
        return tuple(
            (ACCOUNT_TRAIT, name, () if value is None else ((VALUE, value),))
            for name, value in told
        )

    def _compile(self, type: str, name: str) -> Callable[[Event], Meant] | Code:
        """One function for all events of a type and name; a code if nothing else counts."""
        excluded = [s for s in self._plan.exclude_events if _selects(s, type, name)]
        rules = [r for r in self._rules if _selects(r.selector, type, name)]
        if not any(s.where for s in excluded) and excluded:
            return self._code((), ())
        fixed = not excluded and all(_is_fixed(rule) for rule in rules)
        tests = [compile_where(s.where) for s in excluded]
        currency = self._plan.currency
        steps = [(compile_where(r.selector.where), facts_of(r, currency)) for r in rules]

        def meaning(event: Event) -> Meant:
            documents = _Documents(event)
            if any(documents.meet(test) for test in tests):
                return (), ()
            facts: dict[tuple[str, str | None], tuple[Attributes, int | None]] = {}
            for test, made in steps:
                if documents.meet(test):
                    for kind, name, attributes, value in made(event):
                        facts.setdefault((kind, name), (attributes, value))
            if self._first_is_activity and ("activity", None) in facts:
                facts["first_action", None] = (), None
            values = tuple(value for _, value in facts.values())
            meant = tuple((*fact, attributes) for fact, (attributes, _) in facts.items())
            return meant, values if any(value is not None for value in values) else ()

        if not rules or (fixed and not self._dimensions):
            return self._code(meaning(_NAMELESS)[0], ())
        return meaning


class _Words:
    """What events say beside facts: one of a few words, each by some selectors."""

    def __init__(self, selectors: Mapping[str, Sequence[Selector]]) -> None:
        self._selectors = [(word, each) for word, of in selectors.items() for each in of]
        self._tests: dict[tuple[str, str], list[tuple[str, Predicate | None]]] = {}

    def said(self, event: Event) -> Sequence[str]:
        """The words that an event says, in order."""
        tests = self.may_say(event)
        if not tests:
            return ()
        documents = _Documents(event)
        return sorted({word for word, test in tests if documents.meet(test)})

    def may_say(self, event: Event) -> list[tuple[str, Predicate | None]]:
        """The words that events of its type and name may say, each with its conditions."""
        if not self._selectors:
            return []
        type, name = event.type, event.name
        tests = self._tests.get((type, name))
        if tests is None:
            if len(self._tests) >= NAMES_MAX:
                self._tests.clear()
            tests = self._tests[type, name] = [
                (word, compile_where(each.where))
                for word, each in self._selectors
                if _selects(each, type, name)
            ]
        return tests


def _told(
    event: Event, paths: Sequence[str], values_in: Extractor | None
) -> Iterator[tuple[str, Any]]:
    """The traits at some paths that an event tells, a null included, by their path."""
    if values_in is None or event.traits == EMPTY_OBJECT:
        return
    for path, value in zip(paths, values_in(event.traits), strict=True):
        if isinstance(value, str | bool | int | float | None):
            yield path, bounded_value(value)


def _is_plain(code: Code) -> bool:
    """True if the event means something, and is about nothing but its account and user."""
    return bool(code.meaning) and all(kind not in THING_KINDS for kind, _, _ in code.meaning)


def _no_values(properties: Buffer) -> Sequence[Any]:
    return ()


class _Documents:
    """Properties and traits of an event, decoded when first needed."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._decoded: tuple[dict[str, Any], dict[str, Any]] | None = None

    def meet(self, test: Predicate | None) -> bool:
        """True if a selector's conditions hold; None are none."""
        if test is None:
            return True
        if self._decoded is None:
            self._decoded = _object(self._event.properties), _object(self._event.traits)
        return test(*self._decoded)


def _object(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = msgspec.json.decode(raw, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded


_NAMELESS = Event(
    "track", "", 0, None, None, None, None, None, msgspec.Raw(b"{}"), msgspec.Raw(b"{}")
)


def _is_fixed(rule: Rule) -> bool:
    return not rule.selector.where and not any(paths_of_fact(fact) for fact in rule.facts)


def _selects(selector: Selector, type: str, name: str) -> bool:
    if selector.type != type and (selector.type != "any" or type not in USES):
        return False
    return pattern_matcher(selector.pattern)(name)
