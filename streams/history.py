"""What a prefix has been through: which plan its state follows, and what began under way.

A plan defines **units**: a KPI in a variant, for the company or per account; a dimension; the
signal of activation; and what everything rests on, such as the time zone. Each has a fingerprint
of all that its numbers depend on. Units whose fingerprint is the same before and after a change of
the plan go on; see streams/plan_change.py.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.plan.fingerprint import fingerprint, meaning_of_facts, meaning_of_input
from schemas.plan.models import Dimension, Plan, PseudonymsOf
from schemas.row_forms.form import dimension_unit, unit
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    MilestoneRow,
    ShareRow,
)
from schemas.row_forms.values import ScoreRow
from schemas.row_reading import WORDS_OF_OTHERS, kpis_read
from schemas.rows import FactRow, OverValues, Row, variants_of
from schemas.selectors import ENTRY, FactSelector
from streams.alerting.identity import identity
from streams.calendar import HOUR
from streams.catalogue import Catalogue, catalogue_of

ACTIVATED = "signal/activated"
CONSENT, ERASURE, PSEUDONYMS = "plan/consent", "plan/erasure", "plan/pseudonyms"
ACCOUNT_MERGES = "plan/account_merges"
FOUNDATIONS = ("timezone", "week_start", "exclude_users")
"""Settings on which all state rests."""
REPORTING = "currency/reporting"
RATE = "currency/rate/"
"""Units of what all amounts were converted at."""
_WORDS = frozenset(
    {"name", "group", "unit", "better", "definition", "example", "asked_in", "published"}
)
"""What a row says about itself, and not what it computes."""


def alert_unit(rule: str) -> str:
    """The unit of an alert rule."""
    return f"alert/{rule}"


class History(NamedTuple):
    """What state under a prefix is to be read with; all of it empty under a new prefix."""

    since_ms: Mapping[str, int]
    """Unit -> from when on it counts; absent: from the first event."""
    of_persons: tuple[str, ...]
    """Ids of the measures of a person, in the order in which state holds them."""
    of_members: tuple[str, ...]
    """The same of a member of an account."""
    of_things: tuple[str, ...] = ()
    """The same of a thing."""


NEW = History({}, (), ())


def definitions(plan: Plan) -> dict[str, str]:
    """Unit -> fingerprint of everything that its numbers depend on."""
    return dict(_definitions(plan))


def _definitions(plan: Plan) -> Iterator[tuple[str, str]]:
    normal = plan.model_dump(mode="json")
    for name in FOUNDATIONS:
        yield f"plan/{name}", fingerprint(normal[name])
    if plan.currency is not None:
        yield REPORTING, fingerprint(plan.currency.reporting)
        for code, rate in plan.currency.rates.items():
            yield f"{RATE}{code}", fingerprint(rate)
    if plan.consent is not None:
        yield CONSENT, fingerprint(normal["consent"])
    if plan.erasure is not None:
        yield ERASURE, "of users and accounts"
    if plan.account_merges:
        yield ACCOUNT_MERGES, "of accounts"
    if plan.pseudonyms != PseudonymsOf():
        yield PSEUDONYMS, fingerprint(normal["pseudonyms"])
    for input in plan.inputs:
        yield f"input/{input.topic}", fingerprint(meaning_of_input(plan, input))
    catalogue = catalogue_of(plan)
    for dimension in plan.segments:
        yield dimension_unit(dimension.name), _dimension(plan, dimension, catalogue)
    if plan.activation is not None:
        activated = FactSelector(kind="activation"), FactSelector(kind="first_action")
        yield ACTIVATED, fingerprint([meaning_of_facts(plan, facts) for facts in activated])
    for id, row in catalogue.rows.items():
        meaning = fingerprint(_meaning(plan, row, catalogue))
        for variant in variants_of(row):
            yield unit("company", id, variant), meaning
            if id in catalogue.per_account:
                yield unit("account", id, variant), meaning
    for rule in plan.alerts.rules:
        asked = {each.kpi for each in rule.watches}
        if rule.sample is not None:
            asked.add(rule.sample.kpi)
        kpis = sorted(asked & catalogue.rows.keys())
        read = [_meaning(plan, catalogue.rows[kpi], catalogue) for kpi in kpis]
        yield alert_unit(rule.id), fingerprint([identity(rule), *read])


def _dimension(plan: Plan, dimension: Dimension, catalogue: Catalogue) -> str:
    """What a dimension depends on, after the word for what tells its values: a `property` of events
    to come only, a `trait`, who is a `member`, or what is `known` already.
    """
    # Without what it does not say: a release that can say more splits nothing in another way.
    data = dimension.model_dump(mode="json")
    newer = ("account_trait", "users", "values", "of", "member")
    said = {key: value for key, value in data.items() if value or key not in newer}
    if dimension.of is not None:
        parts = [each for each in plan.segments if each.name in dimension.of]
        by = "property" if all(each.property is not None for each in parts) else "known"
        return f"{by} {fingerprint(said)}"
    if dimension.member is not None:
        row = catalogue.rows[dimension.member]
        return f"member {fingerprint([said, _meaning(plan, row, catalogue)])}"
    if dimension.property is not None:
        said.pop("values", None)  # what an event counts for was settled when it was read
    return f"{'trait' if dimension.trait is not None else 'property'} {fingerprint(said)}"


def _meaning(plan: Plan, row: Row, catalogue: Catalogue) -> list[Any]:
    """A row without its words and variants, and what its facts, or its inputs, mean."""
    # Without defaults, so that a release whose rows can say more computes no other numbers.
    data = row.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    computed = {key: value for key, value in data.items() if key not in _WORDS}
    if isinstance(row, ConversionRow):
        computed.pop("variant", None)
    if isinstance(row, MilestoneRow):
        del computed["reach"]
    counts_members = isinstance(row, DistinctRow | ShareRow) and row.subject == "account"
    if counts_members and row.segments and any(d.is_of_accounts() for d in plan.segments):
        computed["by_stands"] = True  # in older state no segment of these has numbers
    if not isinstance(row, DistinctRow | JointRow | EntitledRow | ShareRow | ScoreRow | OverValues):
        # All periods but hours are added up from days: another one needs nothing of its own.
        computed["periods"] = isinstance(row, FactRow) and HOUR in row.periods
    rows = [catalogue.rows[kpi] for kpi in sorted(kpis_read(row))]
    read = _selectors(row.model_dump(mode="json", by_alias=True))
    return [
        computed,
        *(_meaning(plan, each, catalogue) for each in rows),
        *(meaning_of_facts(plan, facts) for facts in read if facts.kind != ENTRY),
    ]


def _selectors(data: Any) -> Iterator[FactSelector]:
    """All selectors of facts in a row."""
    if isinstance(data, dict):
        if isinstance(data.get("kind"), str | list):
            yield FactSelector.model_validate(data)
        for key, value in data.items():
            if key not in WORDS_OF_OTHERS:  # an attribute may be called `kind`, too
                yield from _selectors(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _selectors(value)
