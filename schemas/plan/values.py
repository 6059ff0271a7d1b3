"""The single values people write in a plan, each with its check and its message.

Every type here is an annotated pydantic type. A wrong value raises a `mistake`, whose suggestion
check.py hands on. What a check must know of the rest of the file is in `Surroundings`.
"""

import json
import re
import zoneinfo
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from schemas.conditions import Holds
from schemas.fact_kinds import FACT_KINDS, PRIVACY_KINDS
from schemas.plan.models import (
    DURATION_UNITS_MS,
    SETTING_NAMES,
    TRAITS_PREFIX,
    Against,
    Aggregates,
    AlertLevel,
    Clock,
    InputFormat,
    Scalar,
    Severity,
    TimeUnit,
    WeekStart,
)
from schemas.ranks import ENTERED, OfMembers
from schemas.row_forms.values import FormulaRow, RankingRow, ScoreRow
from schemas.row_reading import kinds_of, kpis_read
from schemas.rows import OverValues, Row
from schemas.selectors import SETTING
from schemas.terms import Period, terms_fit

TEXT_MAX = 256
DAYS_MAX = 100_000


@dataclass(frozen=True)
class Surroundings:
    """What checks of single values need to know of the whole file (pydantic's context)."""

    known_kpis: Collection[str] | None = None
    """Ids of the catalogue; None: ids are not checked."""
    own_kpis: tuple[str, ...] = ()
    """Ids of the plan's own rows, as often as they are written."""
    tasks: Collection[str] = ()
    """Names of the key tasks that the plan makes."""
    any_task: bool = False
    """True if events name key tasks, so that any name may be one."""
    only_segment: bool = True
    """True if every input has the format segment."""
    keeps_traits: bool = True
    """True if events of some input have traits."""
    currencies: Collection[str] | None = None
    """Those that the plan can convert, none without its `currency`; None: they are not checked."""
    exclusive_kinds: dict[str, str] = field(default_factory=dict)
    """Kinds that no rule of `events` may make, with the reason."""


def mistake(
    message: str, suggestion: str | None = None, *, within: str | None = None
) -> PydanticCustomError:
    """What validators here raise. `within`: report at the entry that holds this key instead."""
    context = {"message": message, "suggestion": suggestion, "within": within}
    return PydanticCustomError("mistake", "{message}", context)


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """A question naming the option that looks most like the word; None if none does."""
    folded = {option.casefold(): option for option in options}
    close = get_close_matches(word.casefold(), folded, n=1)
    return f"did you mean `{folded[close[0]]}`?" if close else None


def shown(value: Any) -> str:
    """A value as it stands in a message: short, in backticks."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


def surroundings(info: ValidationInfo) -> Surroundings:
    return info.context if isinstance(info.context, Surroundings) else Surroundings()


# ---- texts


def _check_text(text: str) -> str:
    if not text.strip():
        raise mistake("expected a text that is not empty")
    if len(text) > TEXT_MAX:
        raise mistake(f"text of {len(text)} characters; at most {TEXT_MAX} are allowed")
    return text


Text = Annotated[
    str,
    AfterValidator(_check_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TEXT_MAX}),
]


def matching(pattern: str, what: str) -> Any:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise mistake(f"{shown(text)} is no {what}")
        return text

    return Annotated[
        str, AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})
    ]


Topic = matching(r"[A-Za-z0-9._-]{1,249}", "topic name (letters, digits, `.`, `_`, `-`)")
Prefix = matching(r"[A-Za-z0-9._-]{1,200}", "topic prefix (letters, digits, `.`, `_`, `-`)")
RuleId = matching(r"[a-z0-9][a-z0-9_-]{0,63}", "rule id (small letters, digits, `_`, `-`)")
MonthName = matching(r"[0-9]{4}-(0[1-9]|1[0-2])", "month (such as `2026-03`)")
SegmentName = matching(
    r"all|[A-Za-z_][A-Za-z0-9_]{0,63}(&[A-Za-z_][A-Za-z0-9_]{0,63})?=.+",
    "segment (`all`, `dimension=value`)",
)
InputName = matching(r"[A-Za-z0-9._-]{1,64}", "name of an input (letters, digits, `.`, `_`, `-`)")
ExperimentName = matching(
    r"[A-Za-z0-9._-]{1,64}", "name of an experiment (letters, digits, `.`, `_`, `-`)"
)
VariantName = matching(
    r"[A-Za-z0-9._-]{1,64}", "name of a variant (letters, digits, `.`, `_`, `-`)"
)
CurrencyCode = matching(r"[A-Z]{3}", "currency (three capital letters of ISO 4217, such as EUR)")
TimeOfDay = matching(r"([01]\d|2[0-3]):[0-5]\d", "time of day (such as 20:00)")
DimensionName = matching(r"[A-Za-z_][A-Za-z0-9_]{0,63}", "dimension name (letters, digits, `_`)")


def _check_delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n' or text.isalnum():
        raise mistake(f"{shown(text)} is no delimiter", 'write one character, such as ";" or "\\t"')
    return text


Delimiter = Annotated[
    str,
    AfterValidator(_check_delimiter),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1}),
]


# ---- choices


def choice(what: str, options: Collection[str]) -> Any:
    def check(text: Any) -> str:
        if isinstance(text, str) and text in options:
            return text
        raise mistake(
            f"unknown {what} {shown(text)}",
            (did_you_mean(text, options) if isinstance(text, str) else None)
            or f"known are {', '.join(f'`{option}`' for option in options)}",
        )

    return Annotated[
        str, BeforeValidator(check), WithJsonSchema({"type": "string", "enum": list(options)})
    ]


FormatName = choice("format", get_args(InputFormat))
TimeUnitName = choice("time unit", get_args(TimeUnit))
ClockName = choice("clock", get_args(Clock))
WeekStartName = choice("week start", get_args(WeekStart))
PeriodName = choice("period", get_args(Period))
AgainstName = choice("comparison", get_args(Against))
AlertLevelName = choice("level", get_args(AlertLevel))
WhoseIds = choice("kind of ids", ("users", "accounts"))
AggregatesName = choice("rule", get_args(Aggregates))
SeverityName = choice("severity", get_args(Severity))


def _check_kind(kind: Any, info: ValidationInfo) -> str:
    if not isinstance(kind, str):
        raise mistake(f"expected a fact kind, not {shown(kind)}", within="is")
    if kind in PRIVACY_KINDS:
        key = PRIVACY_KINDS[kind]
        raise mistake(
            f"events of kind `{kind}` make no facts",
            f"say which they are under `{key}`",
            within="is",
        )
    if kind not in FACT_KINDS:
        raise mistake(
            f"unknown fact kind {shown(kind)}",
            did_you_mean(kind, FACT_KINDS) or f"known are {', '.join(FACT_KINDS)}",
            within="is",
        )
    reason = surroundings(info).exclusive_kinds.get(kind)
    if reason is not None:
        raise mistake(reason, within="is")
    return kind


KindName = Annotated[
    str,
    BeforeValidator(_check_kind),
    WithJsonSchema({"type": "string", "enum": list(FACT_KINDS)}),
]


def _check_timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise mistake(
            f"unknown time zone {shown(name)}",
            did_you_mean(name, sorted(zoneinfo.available_timezones()))
            or "use an IANA name such as `Europe/Berlin`",
        ) from None
    return name


TimeZone = Annotated[str, AfterValidator(_check_timezone)]


# ---- numbers and durations

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[int, Field(ge=0)]
Days = Annotated[int, Field(ge=1, le=DAYS_MAX)]
DayNumber = Annotated[int, Field(ge=0, le=DAYS_MAX)]
"""A day counted from another one, which is day 0."""

_DURATION = re.compile(r"([0-9]{1,12}) ?(ms|s|m|h|d)")


def _check_duration(value: Any) -> int:
    """Milliseconds of a text such as 500ms, 60s, 5m, 1h or 3d."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match:
        return int(match[1]) * DURATION_UNITS_MS[match[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        raise mistake(f"duration {shown(value)} has no unit", f"write `{value}s` for seconds")
    raise mistake(f"{shown(value)} is no duration", "write it as 500ms, 60s, 5m, 1h or 3d")


Duration = Annotated[
    int,
    BeforeValidator(
        _check_duration,
        json_schema_input_type=Annotated[str, Field(pattern=f"^{_DURATION.pattern}$")],
    ),
]


# ---- values of events


def _check_plain_path(path: str) -> str:
    if not all(path.split(".")):
        raise mistake(f"{shown(path)} is no path", "write the keys with single dots between them")
    return path


def _check_path(path: str, info: ValidationInfo) -> str:
    prefix, _, rest = path.partition(".")
    around = surroundings(info)
    if path.startswith(TRAITS_PREFIX):
        check_traits_kept(info)
    elif around.only_segment and prefix == "properties" and rest:
        raise mistake(f"path {shown(path)} leaves the properties", f"write `{rest}`")
    elif around.only_segment and prefix == "context" and rest:
        raise mistake(
            f"path {shown(path)} cannot be read: only properties and traits of a call are kept",
            f"write `{TRAITS_PREFIX}{rest.removeprefix(TRAITS_PREFIX)}` for a trait",
        )
    return path


def check_traits_kept(info: ValidationInfo) -> None:
    """Refuses to read traits where no input has any."""
    if not surroundings(info).keeps_traits:
        raise mistake("no input has traits", "say where they are in `inputs`: `fields.traits`")


RecordPath = Annotated[Text, AfterValidator(_check_plain_path)]
"""A dotted path into an undecoded record."""

Path = Annotated[RecordPath, AfterValidator(_check_path)]
"""A dotted path into properties, or, after `traits.`, into traits."""


def _check_property(path: str) -> str:
    if path.startswith(TRAITS_PREFIX):
        raise mistake(f"{shown(path)} is no property", "properties only can be read here")
    return path


PropertyPath = Annotated[Path, AfterValidator(_check_property)]
"""A dotted path into properties."""


def _check_scalar(value: Any) -> Scalar:
    if isinstance(value, list | dict):
        raise mistake(
            "expected a text, a number, true, false or null",
            "write `{in: [...]}` for one of several values" if isinstance(value, list) else None,
        )
    if isinstance(value, float) and value.is_integer():
        return int(value)
    assert value is None or isinstance(value, str | bool | int | float)
    return value


def _check_ordered(value: Any) -> Scalar:
    scalar = _check_scalar(value)
    if scalar is None or isinstance(scalar, bool):
        raise mistake(f"{shown(scalar)} has no order", "compare with a number or a text")
    return scalar


ScalarValue = Annotated[
    Scalar,
    PlainValidator(_check_scalar),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
OrderedValue = Annotated[
    Scalar, PlainValidator(_check_ordered), WithJsonSchema({"type": ["string", "number"]})
]


# ---- references to other parts of the plan


def _check_kpi(kpi: str, info: ValidationInfo) -> str:
    around = surroundings(info)
    if around.known_kpis is not None:
        known = {*around.known_kpis, *around.own_kpis}
        if kpi not in known:
            raise mistake(f"unknown KPI {shown(kpi)}", did_you_mean(kpi, sorted(known)))
    return kpi


KpiId = Annotated[str, AfterValidator(_check_kpi)]


def _check_own_row(row: Row, info: ValidationInfo) -> Row:
    around = surroundings(info)
    if row.id in (around.known_kpis or ()):
        raise mistake(f"the catalogue has a KPI {shown(row.id)} already", "choose another id")
    if around.own_kpis.count(row.id) > 1:
        raise mistake(f"two KPIs of your own have the id {shown(row.id)}", "choose another id")
    if not all(map(terms_fit, _terms(row))):
        raise mistake(
            "`pearson` takes six terms", "the number, and the sums of x, y, x x, x y and y y"
        )
    _check_references("row", _references(row, around))
    return row


Reference = tuple[str, Iterable[str], Collection[str]]
"""What is named elsewhere: (what it is, the names, those there are)."""


def _check_references(where: str, references: Iterable[Reference]) -> None:
    for what, names, known in references:
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise mistake(
                f"the {where} names an unknown {what} {shown(unknown[0])}",
                did_you_mean(unknown[0], known) or f"known are {', '.join(known) or 'none'}",
            )


def _settings_and_facts(part: BaseModel) -> Iterator[Reference]:
    """What any part of a row names elsewhere."""
    data = part.model_dump(by_alias=True)
    settings = (t.removeprefix(SETTING) for t in _texts(data) if t.startswith(SETTING))
    yield "setting", settings, SETTING_NAMES
    yield "fact kind", kinds_of(part), FACT_KINDS


def _references(row: Row, around: Surroundings) -> Iterator[Reference]:
    yield from _settings_and_facts(row)
    if isinstance(row, ScoreRow):
        yield "quantity", _texts(row.formula), list(row.let)
    if isinstance(row, OverValues):
        of_members = isinstance(row, RankingRow) and isinstance(row.rank, OfMembers)
        known = [*row.inputs, *([ENTERED] if of_members else [])]
        yield "input", [*_texts(_terms(row)), *(row.shows or ())], known
        if around.known_kpis is not None:
            yield "KPI", kpis_read(row), sorted({*around.known_kpis, *around.own_kpis})


def _terms(row: Row) -> list[Any]:
    """The terms of a formula, a score or a ranking."""
    if isinstance(row, RankingRow):
        return [each.term for each in row.by]
    return [row.formula] if isinstance(row, FormulaRow | ScoreRow) else []


def _texts(data: Any) -> list[str]:
    """Every text among the values of nested data."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list | tuple):
        return [text for value in data for text in _texts(value)]
    return [data] if isinstance(data, str) else []


OwnRow = Annotated[Row, AfterValidator(_check_own_row)]


def _check_row_condition(when: Holds) -> Holds:
    _check_references("condition", _settings_and_facts(when))
    return when


RowCondition = Annotated[Holds, AfterValidator(_check_row_condition)]
"""When somebody is in a membership, in the catalogue's form."""


def _check_task(task: str, info: ValidationInfo) -> str:
    around = surroundings(info)
    if info.context is not None and not around.any_task and task not in around.tasks:
        raise mistake(
            f"no rule makes the key task {shown(task)}",
            did_you_mean(task, around.tasks)
            or (f"key tasks are {', '.join(around.tasks)}" if around.tasks else None)
            or f"add it: `key_tasks: {{{task}: <event name>}}`",
        )
    return task


TaskName = Annotated[str, AfterValidator(_check_task)]


def each_once(values: list[str]) -> list[str]:
    """Refuses a list that names something twice."""
    twice = next((v for i, v in enumerate(values) if v in values[:i]), None)
    if twice is not None:
        raise mistake(f"{shown(twice)} is listed twice")
    return values


def ascending(numbers: list[int]) -> list[int]:
    """Refuses numbers that do not strictly rise."""
    if any(a >= b for a, b in pairwise(numbers)):
        rising = ", ".join(map(str, sorted(set(numbers))))
        raise mistake("numbers must ascend, each once", f"write `[{rising}]`")
    return numbers
