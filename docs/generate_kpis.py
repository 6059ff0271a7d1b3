"""Writes docs/kpis/ from the catalogue: a page a group, and an index.

    python -m docs.generate_kpis

The pages are kept in the repository; tests/docs/test_docs.py fails when they are out of step.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from schemas.goals import InOrder
from schemas.outputs import KpiKey, Published, kpi_record
from schemas.quantities import DaysWith, DifferentNames, Quantity
from schemas.ranks import ENTERED, OfMembers
from schemas.row_forms.comparing import BIAS, CorrelationRow, PredictionRow
from schemas.row_forms.facts import CountRow, MeanRow, RateRow
from schemas.row_forms.people import (
    ConversionRow,
    DistinctRow,
    EntitledRow,
    JointRow,
    LagRow,
    LaunchRow,
    MembershipRow,
    MilestoneRow,
    ShareRow,
)
from schemas.row_forms.standing import BalanceRow, DurationRow, MovementRow
from schemas.row_forms.values import FormulaRow, RankingRow, ScoreRow
from schemas.row_reading import kpis_read, needed_kinds
from schemas.rows import FactRow, Row, credit_of, of_facts, per_account
from schemas.selectors import SETTING, Variant
from schemas.terms import Input, OfMonths, OfSegments, Term
from schemas.times import parse_iso
from streams.calendar import Calendar
from streams.catalogue import catalogue_rows
from streams.parts.attributed import is_of_memberships

FOLDER = Path(__file__).resolve().parent / "kpis"
INDEX = "README.md"
NOTE = "<!-- Written by docs/generate_kpis.py from streams/catalogue/rows/. -->\n"
SHOWN_MS = parse_iso("2026-03-04T00:00:00Z")
"""The day that record keys are shown for."""

OF_SETTING = {"size": "number of", "total": "sum of"}
TITLES = {
    "engagement": "Engagement",
    "activation": "Activation",
    "retention": "Retention",
    "expansion": "Expansion",
    "revenue": "Revenue",
    "sales": "Sales",
    "marketing": "Marketing",
    "satisfaction": "Satisfaction",
    "support": "Support",
    "quality": "Quality",
    "outcomes": "Outcomes of users",
    "delivery": "Delivery",
}
"""Groups in the order of the index; one that is missing comes last under its own name."""

BETTER = {"up": "more is better", "down": "less is better", "none": "neither is better"}

SIGNS = {"add": " + ", "sub": " - ", "mul": " × ", "div": " / "}

AGAINST = {
    "previous": "the period before P",
    "year_before": "the same period a year before",
}

VARIANTS = {
    "setting.cohort_days": "`n=<day>` of every day in `kpis.settings.cohort_days`",
    "setting.milestone_users": "`users=<n>` of every n in `milestones.distinct_users`",
    "setting.milestone_activated_users": "`users=<n>` of every n in `milestones.activated_users`",
}


def pages() -> dict[str, str]:
    """File name in docs/kpis/ -> text."""
    groups = _groups()
    found = {f"{group}.md": _page(group, rows) for group, rows in groups.items()}
    return {INDEX: _index(groups), **found}


def _groups() -> dict[str, list[Row]]:
    shown = [row for row in catalogue_rows() if row.published]
    names = dict.fromkeys([*TITLES, *(row.group for row in shown)])
    groups = {name: [row for row in shown if row.group == name] for name in names}
    return {name: rows for name, rows in groups.items() if rows}


def _title(group: str) -> str:
    return TITLES.get(group, group.capitalize())


# ---- pages


def _index(groups: dict[str, list[Row]]) -> str:
    count = sum(map(len, groups.values()))
    lines = [
        NOTE,
        "# The KPIs\n",
        f"{count} KPIs run today. A plan runs all of them whose facts it makes; "
        "`kpis.only` and `kpis.without` choose. How periods, nulls, maturity and status work "
        "stands in [conventions](../conventions.md), how a value is written in "
        "[outputs](../outputs.md).\n",
    ]
    for group, rows in groups.items():
        lines.append(f"## [{_title(group)}]({group}.md)\n")
        lines.append("| KPI | name | unit | periods |\n|---|---|---|---|")
        lines += [
            f"| [`{row.id}`]({group}.md#{row.id}) | {row.name} | {row.unit} | "
            f"{', '.join(row.periods)} |"
            for row in rows
        ]
        lines.append("")
    return "\n".join(lines)


def _page(group: str, rows: list[Row]) -> str:
    lines = [NOTE, f"# {_title(group)}\n", "[All KPIs](README.md)\n"]
    for row in rows:
        lines += _section(row)
    return "\n".join(lines)


def _section(row: Row) -> Iterator[str]:
    yield f'<a id="{row.id}"></a>\n\n## {row.name}\n'
    yield f"{row.definition}\n"
    yield f"*Example.* {row.example}\n"
    yield "| `" + row.id + "` | |\n|---|---|"
    for what, text in _facts(row):
        yield f"| {what} | {text} |"
    yield ""


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    """The lines of a row's table: what, and text."""
    yield "unit", f"{row.unit}; {BETTER[row.better]}"
    yield "operator", _operator(row)
    yield "facts needed", _needs(row)
    yield "periods", ", ".join(f"`{period}`" for period in row.periods)
    yield "levels", _levels(row)
    yield "segments", _segments(row)
    variants = _variants(row)
    if variants is not None:
        yield "variants", variants
    yield "parts", _parts(row)
    settings = _settings(row)
    if settings:
        yield "settings", settings
    if isinstance(row, MembershipRow):
        both = f"`{row.id}.enter` and, unless nobody leaves, `{row.id}.leave`"
        yield "signals", f"{both}, see [signals](../outputs.md#signals)"
    if row.opt_in:
        yield "runs", "only where the plan lists it in `kpis.also`"
    if isinstance(row, MilestoneRow):
        yield "signals", f"`{row.id}.enter`, see [signals](../outputs.md#signals)"
    if isinstance(row, RankingRow):
        yield "list", _list(row)
    topics = "`<prefix>.kpis`" + " and `<prefix>.lists`" * isinstance(row, RankingRow)
    yield f"key in {topics}", f"`{_key(row)}`"


def _operator(row: Row) -> str:
    link = f"[{row.operator}](../conventions.md#operators)"
    if isinstance(row, ScoreRow):
        return f"{link}: `{_term(row.formula)}` with {_quantities(row)}"
    if isinstance(row, RankingRow):
        return f"{link}: {_ranking(row)}"
    return f"{link}: {_formula(row)}" if isinstance(row, FormulaRow) else link


def _quantities(row: ScoreRow) -> str:
    return "; ".join(f"{name} = {_quantity(of)}" for name, of in row.let.items())


def _quantity(of: Quantity) -> str:
    where = " of the period before" if of.before else ""
    if isinstance(of, DaysWith):
        return f"days{where} with `{of.days.kind}`"
    if isinstance(of, DifferentNames):
        names = f" in {_setting(of.names.name)}" if of.names.name is not None else ""
        return f"different names{names} of `{of.names.kind}`{where}"
    return f"facts `{of.facts.kind}`{where}"


def _formula(row: FormulaRow) -> str:
    return f"`{_term(row.formula)}` with {_inputs(row)}"


def _ranking(row: RankingRow) -> str:
    by = ", then ".join(f"`{_term(each.term)}`, {each.order}" for each in row.by)
    if isinstance(row.rank, OfMembers):
        return f"members of {_link(row.rank.members)} by {by}, then by id, with {_inputs(row)}"
    among = f"; of those with `{row.among}` above 0" if row.among else ""
    return f"by {by}, then by name, with {_inputs(row)}{among}"


def _inputs(row: FormulaRow | RankingRow) -> str:
    return "; ".join(f"{name} = {_input(i)}" for name, i in row.inputs.items())


def _term(term: Term, inner: bool = False) -> str:
    if not isinstance(term, dict):
        return str(term)
    ((operator, terms),) = cast(dict[str, Any], term).items()
    if operator in ("size", "total"):
        return f"{OF_SETTING[operator]} {terms.removeprefix(SETTING)}"
    if operator == "weighted":
        weights, *parts = terms
        return f"mean by {str(weights).removeprefix(SETTING)} of ({'; '.join(map(_term, parts))})"
    if operator == "given":
        return f"{_term(terms[1], inner=True)} if {_term(terms[0])} above 0"
    if operator == "abs":
        return f"|{_term(terms[0])}|"
    if operator == "first":
        return " else ".join(_term(part, inner=True) for part in terms)
    if operator == "positive":
        return f"{_term(terms[0])} if above 0"
    if operator == "pearson":
        return f"pearson({', '.join(map(_term, terms))})"
    text = SIGNS[operator].join(_term(part, inner=True) for part in terms)
    return f"({text})" if inner else text


def _input(input: Input | OfMonths | OfSegments) -> str:
    if isinstance(input, OfMonths):
        return f"{_setting(input.months)} of the months of P"
    if isinstance(input, OfSegments):
        return f"{_setting(input.values)} of the segment of `{input.dimension}`"
    kpis = input.kpi if isinstance(input.kpi, dict) else {"": input.kpi}
    names = " or ".join(_link(id) for id in dict.fromkeys(kpis.values()))
    if input.variant is not None:
        names += f" (`{input.variant}`)"
    if input.variant == "same":
        ending = f", but `{input.ending}` behind its `/`" if input.ending else ""
        names = names.replace(" (`same`)", f" (of the same variant{ending})")
    if input.sum_of is not None:
        return f"the sum of {names} over the days of P"
    if input.period is not None:
        return f"{names} of the `{input.period}` that ends with P"
    if isinstance(input.against, dict):
        ways = (f"`{period}`: {AGAINST[how]}" for period, how in input.against.items())
        return f"{names} of another period ({', '.join(ways)})"
    return f"{names} of {AGAINST[input.against]}" if input.against else names


def _setting(named: object) -> str:
    return f"`kpis.{named}`".replace(SETTING, "settings.")


def _link(id: str) -> str:
    row = next((row for row in catalogue_rows() if row.id == id), None)
    if row is None:
        return f"`{id}`, where it runs"
    if not row.published:
        return f"`{id}` ({row.definition.partition('; what')[0].rstrip('.')})"
    return f"[`{id}`]({row.group}.md#{id})"


def _needs(row: Row) -> str:
    if isinstance(row, PredictionRow):
        needed = needed_kinds(row.model_copy(update={"features": {}}))
        others = sorted(needed_kinds(row) - needed)
        return f"{_shown(needed)}; where the plan makes them, {_shown(others)}"
    return _shown(_kinds(row))


def _shown(kinds: Iterable[tuple[str, ...]]) -> str:
    return ", ".join(" or ".join(f"`{kind}`" for kind in each) for each in sorted(kinds))


def _kinds(row: Row) -> frozenset[tuple[str, ...]]:
    """Kinds of facts that a row is made from, through the rows it reads."""
    reads = [other for other in catalogue_rows() if other.id in kpis_read(row)]
    return needed_kinds(row).union(*map(_kinds, reads))


def _levels(row: Row) -> str:
    if row.level != "company":
        return f"`{row.level}` only"
    if per_account(row):
        return "`company`; `account` where the plan lists it in `kpis.levels.account`"
    return "`company`"


def _segments(row: Row) -> str:
    if not row.segments:
        return "`all` only"
    where = {
        DistinctRow: "of the facts",
        JointRow: "of the facts",
        ShareRow: "of the facts",
        ConversionRow: "of the anchor fact",
        LagRow: "of the anchor fact",
        DurationRow: "of the fact it begins with",
        FormulaRow: "those of its inputs",
        RankingRow: "those of its inputs",
    }
    if isinstance(row, BalanceRow | MovementRow) or is_of_memberships(row):
        return "`all`, and the plan's dimensions by states of accounts"
    if isinstance(row, MembershipRow):
        return "`all`, and the plan's dimensions by traits of users"
    if isinstance(row, FactRow):
        latest = isinstance(row, MeanRow) and row.each == "latest_in_period"
        counted = "of the latest fact" if latest else "of the first fact"
        text = "of the fact" if of_facts(row) else counted
        if credit_of(row) is not None:
            text = "of the account's first touch"
    else:
        text = where[type(row)]
    if isinstance(row, LagRow) and row.segments_of == "first_naming":
        text = "of the first fact like the anchor that has a value"
    return f"`all`, and the plan's dimensions ({text})"


def _variants(row: Row) -> str | None:
    named = getattr(row, "variant", None) or getattr(row, "reach", None)
    if isinstance(row, FormulaRow) and row.each_variant_of is not None:
        return f"those of `{row.each_variant_of}`"
    if isinstance(row, ConversionRow) and isinstance(row.goal, InOrder):
        listed = _setting(row.goal.in_order.name)
        return f"`step=<name>` of every one in {listed}, and the lowest of them without one"
    if isinstance(row, ConversionRow) and isinstance(row.each_pair, str):
        return f"`{row.each_name}=<name>` of every one in {_setting(row.each_pair)}"
    if isinstance(row, ConversionRow) and isinstance(row.each_entry, str):
        return f"`{row.each_name}=<name>` of every one in {_setting(row.each_entry)}"
    if isinstance(row, ConversionRow) and row.each_name is not None:
        attribute = row.each_attribute
        behind = f", behind a `/` the `{attribute}` of the first one" if attribute else ""
        return f"`{row.each_name}=<name>` of the facts{behind}"
    if isinstance(row, CorrelationRow | MembershipRow | LaunchRow) and row.each_name is not None:
        return f"`{row.each_name}=<name>` of the facts"
    if isinstance(row, BalanceRow) and row.each_used is not None:
        return f"`{row.each_used.shown_as}=<name>` of the facts"
    if isinstance(row, EntitledRow):
        return f"`{row.shown_as}=<{row.each_attribute}>` of the facts"
    if isinstance(row, LagRow) and isinstance(row.end, dict):
        return ", ".join(f"`{variant}`" for variant in row.end)
    if isinstance(named, Variant):
        shown = f"`{named.shown_as}=<{named.by.rpartition('.')[2]}>` of the facts"
        inner = named.within
        if inner is not None:
            shown += f", with `&{inner.shown_as}=<{inner.by.rpartition('.')[2]}>` behind it"
            shown += ", or without" * inner.total
        return shown + (", and all together without one" * named.total)
    return None if named is None else VARIANTS[named]


def _parts(row: Row) -> str:
    if isinstance(row, MeanRow):
        return "`n`, `median`, `p90`" if row.quantiles else "`n`"
    if isinstance(row, ConversionRow) and isinstance(row.goal, InOrder):
        return "`numerator`, `denominator`; without a variant `n`, `friction`"
    if isinstance(row, ShareRow | ConversionRow | LaunchRow | RateRow):
        return "`numerator`, `denominator`"
    if isinstance(row, LagRow):
        return (
            "`n`, `median`, `p90`, `mean`, `km_median` (all but `n` in seconds); "
            f"the value is `{row.headline}`"
        )
    if isinstance(row, FormulaRow):
        return ", ".join(f"`{name}`" for name in row.shows or row.inputs)
    if isinstance(row, ScoreRow):
        return ", ".join(f"`{name}`" for name in row.let)
    if isinstance(row, CorrelationRow):
        return "`n`"
    if isinstance(row, CountRow) and row.users_as is not None:
        return f"`{row.users_as}`"
    if isinstance(row, PredictionRow):
        named = ", ".join(f"`{name}`" for name in (BIAS, *row.features))
        return f"{named}: what each adds to the log of the odds"
    return "none"


def _list(row: RankingRow) -> str:
    shown = [f"the first {row.top}"] * bool(row.top) + [f"the last {row.bottom}"] * bool(row.bottom)
    scores = [each.shown_as for each in row.by if each.term != ENTERED] + list(row.shows)
    names = ", ".join(f"`{name}`" for name in scores)
    lists = "".join(f", and {_link(kpi)} of each" for kpi in row.attach)
    return f"{' and '.join(shown)}, with {names}{lists}: see [lists](../outputs.md#lists)"


def _settings(row: Row) -> str:
    named = [
        f"`kpis.settings.{name}`"
        for name in dict.fromkeys(_named_settings(row.model_dump(by_alias=True)))
        if not name.startswith("milestone")
    ]
    if isinstance(row, ConversionRow | LagRow) and not getattr(row, "variant", None):
        days = "none" if row.within_days is None else f"{row.within_days} days"
        named.append(f"`kpis.settings.horizons_days.{row.id}` (by default {days})")
    if isinstance(row, RankingRow):
        named.append(f"`kpis.settings.list_lengths.{row.id}`")
    return ", ".join(named)


def _named_settings(data: object) -> Iterator[str]:
    if isinstance(data, str) and data.startswith(SETTING):
        yield data.removeprefix(SETTING)
    elif isinstance(data, dict):
        for value in data.values():
            yield from _named_settings(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _named_settings(value)


def _key(row: Row) -> str:
    """The record key of one value, as it is written."""
    calendar, period = Calendar(), row.periods[0]
    variant = None
    if isinstance(row, MilestoneRow):
        variant = "users=3"
    elif isinstance(row, ConversionRow) and row.variant is not None:
        variant = "n=7"
    elif isinstance(row, LagRow) and isinstance(row.end, dict):
        variant = next(iter(row.end))
    bounds = calendar.bounds_ms(period, calendar.index(period, SHOWN_MS))
    subject = {"company": None, "account": "a1", "user": "u1"}[row.level]
    key = KpiKey(row.id, variant, row.level, subject, "all", period, *bounds)
    return kpi_record(key, Published(0, None, "final", 1), 0)[0].decode()


def write(texts: Iterable[tuple[str, str]]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts:
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(pages().items())
