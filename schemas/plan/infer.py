"""Proposes a commented plan from a sample of events: a start to correct, not a verdict.

Every guess says in a comment what it rests on. The heuristics are the functions below, about one a
section of the plan; their numbers and words stand at the top.
"""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from schemas.events import EVENT_TYPES, Event
from schemas.plan.models import (
    ALL,
    DEFAULT_ENTITY_DAYS,
    DEFAULT_INPUT,
    FIRST_ACTIVITY,
    Input,
    Milestones,
)
from schemas.plan.naming import (
    ACHIEVEMENT,
    ACTIVATION,
    DURATION_MS,
    FEATURE,
    INTERNAL,
    ROBOT,
    SESSION,
    SESSION_END,
    START,
    USE,
    identifier,
    is_no_task,
    unique,
    words_of,
)
from schemas.plan.survey import EventSurvey, Survey, ValueSurvey, survey_events
from schemas.plan.values import TEXT_MAX
from schemas.plan.written_segments import NOT_LISTED
from schemas.segments import VALUE_CHARACTERS_MAX
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso

ACTIVATION_USERS = (0.05, 0.90)
"""Done by a fair share of users: enough to count, not so many that it says nothing."""
OPENING_MAX = 0.5
"""What more of its users begin with than this is a beginning, not an achievement."""
START_USERS = 0.10
"""A sign-up that fewer users did in the sample is no start for all."""
KEY_TASK_USERS = 0.02
KEY_TASKS_MAX = 6
NAME_MAX = 60
ALTERNATIVES_MAX = 3
SEGMENTS_MAX = 3
SEGMENT_VALUES = (2, 20)
MOST = 0.5
"""What a property must be on to be a property of events at large."""
FEATURES = (2, 50)
BACK_OFFICE = 0.95
"""An event that so seldom has a user is sent by a system, not by use."""
COMMENT_WIDTH = 96


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/().-]*(?: [A-Za-z0-9_/().-]+)*")
_QUOTED = ("true", "false", "null", "yes", "no", "on", "off", "y", "n", ALL, FIRST_ACTIVITY)
"""Texts that mean something else, here or to other readers of YAML."""


def infer(events: Iterable[Event], inputs: Sequence[Input] = (DEFAULT_INPUT,)) -> str:
    """YAML of a plan that load_plan takes. Equal samples give equal text, in any order.

    inputs: where the events come from, to be written into the plan.
    Raises ValueError if there is no event.
    """
    survey = survey_events(events)
    if not survey.count:
        raise ValueError("no events in the sample")
    sections = (
        _head(survey, inputs),
        _activity(survey),
        _exclude(survey),
        _first_action(survey),
        _activation(survey),
        _key_tasks(survey),
        _features(survey),
        _sessions(survey),
        _segments(survey),
        _milestones(survey),
        _horizon(survey),
    )
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, sections) if lines)


# ---- sections of the plan, each as lines


def _head(survey: Survey, inputs: Sequence[Input]) -> Iterator[str]:
    yield from _comment(
        f"Proposed by `headwater plan infer` from {_number(survey.count, 'event')} between "
        f"{iso(survey.from_ms)} and {iso(survey.to_ms)}. Correct it, then try "
        "`headwater plan check`; docs/plan.md explains every key."
    )
    yield "#"
    calls = ", ".join(f"{survey.types[kind]:,} {kind}" for kind in EVENT_TYPES)
    yield from _comment(
        f"{_number(survey.users, 'user')} ({survey.anonymous_users:,} never identified), "
        f"{_number(len(survey.account_users), 'account')}. Calls: {calls}. Of the "
        f"{survey.selectable:,} track, page and screen calls {survey.with_user:,} carry a user and "
        f"{survey.with_account:,} an account."
    )
    if survey.with_user < survey.selectable * MOST:
        yield from _comment(
            "Most events carry no user: user KPIs count only those that do. Send userId or "
            "anonymousId."
        )
    if survey.with_account < survey.selectable * MOST:
        yield from _comment(
            "Most events carry no account: account KPIs and milestones count only those that do. "
            "Send context.groupId with every event."
        )
    yield "product: My product"
    yield ""
    yield from _comment("Where the events come from. Name your topic.")
    yield "inputs:"
    for each in inputs:
        yield f"  - {_flow(_written_input(each))}"


def _written_input(input: Input) -> dict[str, Any]:
    """An input as people write it."""
    written = input.model_dump(exclude_none=True)
    if input.fields is None:
        del written["time_unit"]
    for key in ("given_name", "columns", "delimiter", "drives_watermark"):
        if getattr(input, key) == Input.model_fields[key].default:
            written.pop(key, None)
    return {"name" if key == "given_name" else key: value for key, value in written.items()}


def _activity(survey: Survey) -> Iterator[str]:
    yield from _comment("What counts as use: every track, page and screen call.")
    systems = [e for e in survey.events if e.without_user > BACK_OFFICE * e.count]
    if systems and len(systems) < len(survey.events):
        yield from _comment(
            f"Hardly ever with a user, so perhaps no use: {_listed(systems, 'event')}. If so, list "
            "here the events that are."
        )
    yield "activity: all"


def _exclude(survey: Survey) -> Iterator[str]:
    robots = _flags(survey.properties, ROBOT)
    internal = _flags(survey.traits, INTERNAL)
    if not robots and not internal:
        return
    yield "exclude:"
    if robots:
        for name, count, _ in robots:
            yield from _comment(
                f"{_scalar(name)} is true on {count:,} of {survey.selectable:,} events: programs, "
                "not people.",
                indent=2,
            )
        tests = (f"{{where: {{{_scalar(name)}: {true}}}}}" for name, _, true in robots)
        yield f"  events: [{', '.join(tests)}]"
    if internal:
        for name, count, _ in internal:
            yield from _comment(
                f"{_scalar(name)} is true of {count:,} of {survey.described_users:,} users with "
                "traits: colleagues, not customers.",
                indent=2,
            )
        tests = (f"{{trait: {_scalar(name)}, equals: {true}}}" for name, _, true in internal)
        yield f"  users: [{', '.join(tests)}]"


def _flags(
    values_of: dict[str, ValueSurvey], spelled: re.Pattern[str]
) -> list[tuple[str, int, str]]:
    """(path, how often true, how true is written) of properties or traits so spelled."""
    return [
        (name, values.true_count, "true" if values.bool_count else '"true"')
        for name, values in sorted(values_of.items())
        if spelled.fullmatch(words_of(name)) and values.true_count and _is_path(name)
    ]


def _first_action(survey: Survey) -> Iterator[str]:
    starts = [
        e
        for e in _proposable(survey)
        if START.search(words_of(e.name)) and e.users >= START_USERS * survey.users
    ]
    if starts:
        yield from _comment(
            f"Where a user's way begins, by the names: {_listed(starts, 'user')} of "
            f"{_number(survey.users, 'user')}."
        )
        yield f"first_action: [{', '.join(_scalar(e.name) for e in starts)}]"
    else:
        yield from _comment(
            "Where a user's way begins. No event that many users do is spelled like a sign-up."
        )
        yield f"first_action: {FIRST_ACTIVITY}"


def _activation(survey: Survey) -> Iterator[str]:
    candidates = _activation_candidates(survey)
    low, high = (f"{share:.0%}" for share in ACTIVATION_USERS)
    yield from _comment(
        "When a user has got the value of the product: an event spelled like an achievement "
        f"(activated, created, completed...), done by {low} to {high} of users, best not as their "
        "first; of those the one that most users do."
    )
    if not candidates:
        yield from _comment("No event is like that. Name one:")
        yield "# activation: {event: ...}"
        return
    best, *others = candidates
    yield from _comment(f"{_scalar(best.name)}: {_progress(best, survey)}.")
    if others:
        yield from _comment("Others that would do:")
        for other in others[:ALTERNATIVES_MAX]:
            yield from _comment(f"- {_scalar(other.name)}: {_progress(other, survey)}")
    yield f"activation: {{event: {_scalar(best.name)}}}"


def _activation_candidates(survey: Survey) -> list[EventSurvey]:
    """The best first: what is called activation, and last what most of its users begin with."""
    low, high = ACTIVATION_USERS
    fair = [
        e
        for e in _proposable(survey)
        if low * survey.users <= e.users <= high * survey.users
        and (ACHIEVEMENT.search(words_of(e.name)) or ACTIVATION.search(words_of(e.name)))
        and not is_no_task(e.name)
    ]
    return sorted(
        fair, key=lambda e: (not ACTIVATION.search(words_of(e.name)), e.opens_for > OPENING_MAX)
    )


def _key_tasks(survey: Survey) -> Iterator[str]:
    named = [e for e, _, _ in _feature_events(survey)]
    tasks = [
        e
        for e in _proposable(survey)
        if e.users >= KEY_TASK_USERS * survey.users and not is_no_task(e.name) and e not in named
    ][:KEY_TASKS_MAX]
    if not tasks:
        return
    yield from _comment(
        "What people come to do: the events that most users do, without views and sessions. Keep "
        "those that matter."
    )
    yield "key_tasks:"
    names: set[str] = set()
    for e in tasks:
        name = unique(words_of(e.name)[:NAME_MAX].strip() or e.name, names)
        yield (
            f"  {_scalar(name)}: {_scalar(e.name)}  "
            f"# {_number(e.users, 'user')}, {_number(e.count, 'event')}"
        )


def _features(survey: Survey) -> Iterator[str]:
    found = list(_feature_events(survey))
    if not found:
        return
    yield from _comment("Events that say in a property which feature was used.")
    yield "events:"
    for e, name, values in found:
        yield (
            f"  - {{event: {_scalar(e.name)}, is: feature, name: {{property: {_scalar(name)}}}}}  "
            f"# {_number(values.different, 'name')}, {_number(values.text_count, 'event')}"
        )


def _feature_events(survey: Survey) -> Iterator[tuple[EventSurvey, str, ValueSurvey]]:
    low, high = FEATURES
    for e in _proposable(survey):
        for name, values in sorted(e.properties.items()):
            if (
                USE.search(words_of(e.name))
                and FEATURE.fullmatch(words_of(name))
                and _is_path(name)
                and values.text_count > MOST * e.count
                and low <= values.different <= high
            ):
                yield e, name, values


def _sessions(survey: Survey) -> Iterator[str]:
    found = [
        e
        for e in _proposable(survey)
        if SESSION.search(words_of(e.name)) and not SESSION_END.search(words_of(e.name))
    ]
    if not found:
        return
    best = found[0]
    lengths = [
        name
        for name, values in sorted(best.properties.items())
        if DURATION_MS.fullmatch(words_of(name)) and values.number_count > MOST * best.count
    ]
    yield from _comment(
        f"By its name; {_number(best.users, 'user')}, {_number(best.count, 'event')}. "
        + (
            f"{lengths[0]} reads like milliseconds."
            if lengths
            else "No length in milliseconds seen."
        )
    )
    value = f", value: {_scalar(lengths[0])}" if lengths else ""
    yield f"sessions: {{event: {_scalar(best.name)}{value}}}"


def _segments(survey: Survey) -> Iterator[str]:
    # What is told in several ways counts once, as the trait of the user if it is one.
    found = _sources("property", survey.properties, survey.selectable)
    found |= _sources("trait", survey.traits, survey.described_users)
    of_accounts = _sources("account_trait", survey.account_traits, survey.described_accounts)
    found |= {name: source for name, source in of_accounts.items() if name not in found}
    if not found:
        return
    low, high = SEGMENT_VALUES
    yield from _comment(
        f"Texts with {low} to {high} different values on most events or users. Each makes every "
        "KPI that many times larger: keep those you will look at. Where values are listed, all "
        "others count as `other`."
    )
    yield "segments:"
    names: set[str] = set()
    for index, (name, (kind, count, values)) in enumerate(found.items()):
        mark = "" if index < SEGMENTS_MAX else "# "
        dimension = unique(identifier(name), names)
        listed = _with_values(values) if kind == "property" else ""
        yield (
            f"  {mark}{dimension}: {{{kind}: {_scalar(name)}{listed}}}  "
            f"# {_number(values.different, 'value')} on {count}"
        )


_Source = tuple[str, str, ValueSurvey]
"""Where the values of a dimension are read, on how many that is, and the values."""


def _sources(kind: str, values_of: dict[str, ValueSurvey], total: int) -> dict[str, _Source]:
    return {
        name: (kind, f"{values.text_count:,} of {total:,} {_CARRIERS[kind]}", values)
        for name, values in _dimensions(values_of, total)
    }


def _with_values(values: ValueSurvey) -> str:
    """The values, the most frequent first. The list of a trait could not be changed later."""
    often = sorted(values.texts.items(), key=lambda each: (-each[1], each[0]))
    listed = [text for text, _ in often if text.strip() and text not in NOT_LISTED]
    shown = all(len(text) <= VALUE_CHARACTERS_MAX for text in listed)
    return f", values: [{', '.join(map(_scalar, listed))}]" if listed and shown else ""


_CARRIERS = {
    "property": "events",
    "trait": "users with traits",
    "account_trait": "accounts with traits",
}


def _dimensions(values_of: dict[str, ValueSurvey], total: int) -> list[tuple[str, ValueSurvey]]:
    """Texts with few values, the best covered first."""
    low, high = SEGMENT_VALUES
    found = [
        (name, values)
        for name, values in values_of.items()
        if values.text_count > MOST * total
        and low <= values.different <= high
        and _is_path(name)
        and not FEATURE.fullmatch(words_of(name))
    ]
    return sorted(found, key=lambda pair: (-pair[1].text_count, pair[1].different, pair[0]))


def _milestones(survey: Survey) -> Iterator[str]:
    largest = max(survey.account_users.values(), default=0)
    if not largest:
        return
    steps = [n for n in Milestones().distinct_users if n <= largest] or [1]
    several = sum(users > 1 for users in survey.account_users.values())
    yield from _comment(
        f"Signals when an account reaches so many users. The largest has {largest:,}; of "
        f"{_number(len(survey.account_users), 'account')} {several:,} have more than one."
    )
    activated = ", activated_users: [3]" if _activation_candidates(survey) and largest > 2 else ""
    yield f"milestones: {{distinct_users: [{', '.join(map(str, steps))}]{activated}}}"


def _horizon(survey: Survey) -> Iterator[str]:
    days = (survey.to_ms - survey.from_ms) // DAY_MS + 1
    if days > DEFAULT_ENTITY_DAYS:
        yield from _comment(
            f"The sample spans {days:,} days, more than the {DEFAULT_ENTITY_DAYS} that are kept by "
            "default."
        )
        yield "horizon: all"


# ---- which events and paths can stand in a plan


def _proposable(survey: Survey) -> list[EventSurvey]:
    """Track events whose name can stand in a plan, most users first."""
    return [
        e
        for e in survey.events
        if e.type == "track" and e.users and e.name.strip() and len(e.name) <= TEXT_MAX
    ]


def _is_path(name: str) -> bool:
    """True for a name that a plan can give as a path, and that leads where it seems to."""
    parts = name.split(".")
    elsewhere = len(parts) > 1 and parts[0] in ("properties", "context", "traits")
    return bool(name.strip()) and len(name) <= TEXT_MAX and all(parts) and not elsewhere


# ---- words and YAML


def _progress(e: EventSurvey, survey: Survey) -> str:
    return (
        f"{e.users:,} of {_number(survey.users, 'user')} ({e.users / survey.users:.0%}), the first "
        f"event of {e.opens_for:.0%} of them; in the median {_lag(e.median_lag_ms)} after the first"
    )


def _lag(ms: float) -> str:
    """A duration in words, in its largest unit.

    >>> _lag(90_000), _lag(0)
    ('1.5 minutes', '0.0 seconds')
    """
    units = (("days", DAY_MS), ("hours", HOUR_MS), ("minutes", MINUTE_MS), ("seconds", SECOND_MS))
    unit, length = next((u for u in units if ms >= u[1]), units[-1])
    return f"{ms / length:.1f} {unit}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _listed(events: Sequence[EventSurvey], what: str) -> str:
    """The first few events by name, with their numbers of users or events."""
    shown = [
        f"{_scalar(e.name)} ({_number(e.users if what == 'user' else e.count, what)})"
        for e in events[:ALTERNATIVES_MAX]
    ]
    more = len(events) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _scalar(text: str) -> str:
    """A text as a YAML scalar that may stand in a flow mapping, and on one line of a comment."""
    if _PLAIN.fullmatch(text) and text.lower() not in _QUOTED:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _flow(data: Any) -> str:
    """Nested mappings and lists of texts as a YAML flow mapping."""
    if isinstance(data, str):
        return _scalar(data)
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, tuple):
        return f"[{', '.join(map(_flow, data))}]"
    return "{" + ", ".join(f"{_scalar(key)}: {_flow(value)}" for key, value in data.items()) + "}"


def _comment(text: str, indent: int = 0) -> list[str]:
    lead = " " * indent + "# "
    printable = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(
        printable,
        COMMENT_WIDTH,
        initial_indent=lead,
        subsequent_indent=lead + ("  " if text.startswith("- ") else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )
