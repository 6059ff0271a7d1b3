"""A proposed plan: what it guesses from made-up events, and that it is always a good plan."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest

from schemas.events import EMPTY_OBJECT, Event
from schemas.plan import Plan, load_plan
from schemas.plan.infer import infer
from schemas.plan.models import (
    ActivationOnce,
    Amount,
    Condition,
    FirstActivity,
    FirstEvent,
    Input,
    NameFromProperty,
    Selector,
)
from schemas.times import DAY_MS, HOUR_MS, parse_iso

START_MS = parse_iso("2026-03-01")


def event(
    name: str = "",
    user: str | None = "u1",
    at_ms: int = 0,
    account: str | None = "a1",
    type: str = "track",
    anonymous: str | None = None,
    previous: str | None = None,
    traits: dict[str, Any] | None = None,
    **properties: Any,
) -> Event:
    return Event(
        type,
        name,
        START_MS + at_ms,
        user,
        anonymous,
        previous,
        account,
        None,
        msgspec.Raw(msgspec.json.encode(properties)) if properties else EMPTY_OBJECT,
        msgspec.Raw(msgspec.json.encode(traits)) if traits else EMPTY_OBJECT,
    )


def product(users: int = 20) -> Iterator[Event]:
    """Everybody signs up and looks, half create a report, a quarter share it."""
    for n in range(users):
        who: dict[str, Any] = {
            "user": f"u{n}",
            "account": f"a{n // 5}",
            "plan": ("free", "pro")[n % 2],
        }
        traits = {"role": ("admin", "member", "guest")[n % 3], "internal": n == 0}
        yield event(type="identify", user=f"u{n}", traits=traits)
        yield event("Signed Up", at_ms=1, **who)
        yield event("Session Started", at_ms=HOUR_MS, durationMs=60_000, isBot=n == 19, **who)
        yield event("Report Viewed", at_ms=2 * HOUR_MS, **who)
        yield event("Feature Used", at_ms=2 * HOUR_MS, feature=("csv", "pdf")[n % 2], **who)
        if n % 2:
            yield event("Report Created", at_ms=DAY_MS, **who)
        if n % 4 == 1:
            yield event("Report Shared", at_ms=2 * DAY_MS, **who)
    yield event("Invoice Issued", user=None, account="a1", at_ms=3 * DAY_MS)


def plan_from(events: Iterable[Event]) -> Plan:
    return load_plan(infer(events))


def test_a_product_that_spells_its_events_well_is_understood() -> None:
    plan = plan_from(product())
    assert plan.first_action == FirstEvent(selectors=(Selector(type="track", pattern="Signed Up"),))
    assert plan.activation == ActivationOnce(
        selectors=(Selector(type="track", pattern="Report Created"),)
    )
    assert plan.names("key_task") == ("report created", "report shared")
    assert plan.exclude_events[0].where == (Condition(path="isBot", op="equals", operand=True),)
    assert plan.exclude_users == (Condition(path="traits.internal", op="equals", operand=True),)
    assert [(d.name, d.property, d.trait) for d in plan.segments] == [
        ("plan", "plan", None),
        ("role", None, "role"),
    ]
    made = {fact.kind: fact for rule in plan.rules for fact in rule.facts}
    assert made["session"].value == Amount(path="durationMs")
    assert made["feature"].name == NameFromProperty(path="feature")
    assert plan.milestones.distinct_users == (1, 3, 5)
    assert plan.milestones.activated_users == (3,)
    assert plan.horizons.entity_days == 400


def test_every_guess_says_what_it_rests_on() -> None:
    text = infer(product())
    for reason in (
        "from 116 events between 2026-03-01T00:00:00.000Z and 2026-03-04T00:00:00.000Z",
        "20 users (0 never identified), 4 accounts",
        "Of the 96 track, page and screen calls 95 carry a user and 96 an account",
        "Hardly ever with a user, so perhaps no use: Invoice Issued (1 event)",
        "isBot is true on 1 of 96 events",
        "internal is true of 1 of 20 users with traits",
        "Signed Up (20 users) of 20 users",
        "Report Created: 10 of 20 users (50%), the first event of 0% of them; in the median 24.0",
        "- Report Shared: 5 of 20 users (25%)",
        "# 10 users, 10 events",
        "# 2 names, 20 events",
        "durationMs reads like milliseconds",
        "# 3 values on 20 of 20 users with traits",
        "The largest has 5; of 4 accounts 4 have more than one",
    ):
        assert reason in " ".join(text.replace("\n# ", " ").replace("\n  # ", " ").split())


def test_a_proposal_is_the_same_in_any_order_of_the_events() -> None:
    events = list(product())
    expected = infer(events)
    for seed in range(5):
        random.Random(seed).shuffle(events)
        assert infer(events) == expected


def test_a_product_without_such_words_gets_a_plan_to_fill_in() -> None:
    text = infer(event(name, user=f"u{n}", at_ms=n) for n in range(10) for name in ("Ping", "Pong"))
    plan = load_plan(text)
    assert plan.first_action == FirstActivity()
    assert plan.activation is None
    assert "# activation: {event: ...}" in text


def test_an_event_called_activation_is_the_activation() -> None:
    extra = [event("User Activated", user=f"u{n}", at_ms=DAY_MS) for n in range(3)]
    plan = plan_from([*product(), *extra])
    assert isinstance(plan.activation, ActivationOnce)
    assert plan.activation.selectors[0].pattern == "User Activated"


def test_what_most_users_begin_with_is_the_last_choice_for_activation() -> None:
    created = [event("Page Created", user=f"u{n}") for n in range(8)]
    plan = plan_from([*created, *(event("Page Edited", user=f"u{n}") for n in range(8, 20))])
    assert isinstance(plan.activation, ActivationOnce)
    assert plan.activation.selectors[0].pattern == "Page Created"
    sent = [event("Page Sent", user=f"u{n}", at_ms=DAY_MS) for n in range(2)]
    plan = plan_from([*created, *(event("Page Edited", user=f"u{n}") for n in range(20)), *sent])
    assert isinstance(plan.activation, ActivationOnce)
    assert plan.activation.selectors[0].pattern == "Page Sent"


def test_an_anonymous_visitor_counts_as_the_user_they_became() -> None:
    events = [
        event("Landed", user=None, anonymous="x", at_ms=0),
        event(type="identify", user="u1", anonymous="x", at_ms=1),
        event("Report Created", user="u1", at_ms=HOUR_MS),
        event("Landed", user=None, anonymous="y", at_ms=0),
        event("Landed", user=None, anonymous="z", at_ms=0),
        event(type="alias", user="u2", previous="z", at_ms=2),
    ]
    text = infer(events)
    assert "3 users (1 never identified)" in text
    assert "Report Created: 1 of 3 users (33%), the first event of 0% of them" in text


def test_missing_users_and_accounts_are_remarked_upon() -> None:
    text = infer([event("Ping", user=None, account=None, at_ms=n) for n in range(3)])
    assert "Most events carry no user" in text
    assert "Most events carry no account" in text
    load_plan(text)


def test_a_long_log_gets_a_horizon_without_bound() -> None:
    events = [event("Ping", at_ms=n * DAY_MS) for n in (0, 400)]
    assert plan_from(events).horizons.entity_days is None


def test_flags_may_be_texts() -> None:
    events = [event("Ping", user=f"u{n}", is_robot=("false", "true")[n % 2]) for n in range(4)]
    (selector,) = plan_from(events).exclude_events
    assert selector.where == (Condition(path="is_robot", op="equals", operand="true"),)


def test_what_group_calls_say_of_accounts_makes_a_dimension_unless_it_is_said_of_users() -> None:
    def firm(account: str, at_ms: int, **traits: str) -> Event:
        return event(type="group", account=account, user=None, at_ms=at_ms, traits=traits)

    events = [event("Ping", user=f"u{n}", account=f"a{n}") for n in range(8)]
    events += [event(type="identify", user=f"u{n}", traits={"tier": f"t{n % 2}"}) for n in range(8)]
    industries = [(f"a{n}", ("bank", "farm", "shop")[n % 3]) for n in range(8)]
    events += [firm(name, 2, industry=of, tier="x", name=name) for name, of in industries]
    # Only the last word counts: with all of them there would be too many values.
    events += [firm("a1", 1, industry=f"other{n}") for n in range(30)]
    segments = plan_from(events).segments
    assert [(d.name, d.trait, d.account_trait) for d in segments] == [
        ("tier", "tier", None),
        ("industry", None, "industry"),
        ("name", None, "name"),
    ]


def test_values_of_every_event_and_few_of_them_make_a_dimension() -> None:
    def dimension(values: int, share: float) -> bool:
        given: dict[str, Any]
        events = []
        for n in range(100):
            given = {"x": f"v{n % values}"} if n < share * 100 else {}
            events.append(event("Ping", user=f"u{n}", **given))
        return [d.name for d in plan_from(events).segments] == ["x"]

    assert dimension(2, 1.0)
    assert dimension(20, 0.6)
    assert not dimension(1, 1.0)
    assert not dimension(21, 1.0)
    assert not dimension(5, 0.5)


def test_the_inputs_are_those_the_events_were_read_with() -> None:
    inputs = load_plan(
        "product: T\ninputs: [{topic: t, format: mapping, time_unit: s,"
        ' fields: {name: action, time: ts, user: "the user"}}]'
    ).inputs
    assert load_plan(infer([event("Ping")], inputs)).inputs == inputs
    assert load_plan(infer([event("Ping")])).inputs == (Input(topic="product-events"),)


NAMES = [
    "true",
    "all",
    "yes",
    "first activity",
    "1e5",
    "- created",
    "created: yes # no",
    '"quoted" created',
    "a\\b created",
    "[created]",
    "{created}",
    "created, sent",
    "line\nbreak created",
    "tab\tcreated",
    "Ünïcode créé 🎉 created",
    "created *?",
    "@created",
    "%created",
    "&created",
    "created ",
    "\u2028created\x07",
    "x" * 300 + " created",
    " ",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_makes_a_good_plan(name: str) -> None:
    def events() -> Iterator[Event]:
        for n in range(10):
            yield event("Opened Door", user=f"u{n}")
            properties: dict[str, Any] = {name: ("a", "b")[n % 2], "feature": name, "bot": n == 0}
            if n % 2:
                yield event(name, user=f"u{n}", at_ms=1 + n, **properties)
                yield event(f"{name} used", user=f"u{n}", at_ms=1 + n, **properties)

    load_plan(infer(events()))


@pytest.mark.parametrize("name", ["context.a", "traits.a", "properties.a", "a..b", ".", ""])
def test_a_property_that_a_path_cannot_name_is_left_out(name: str) -> None:
    values: list[dict[str, Any]] = [{name: ("a", "b")[n % 2]} for n in range(10)]
    events = [event("Ping", user=f"u{n}", **value) for n, value in enumerate(values)]
    assert plan_from(events).segments == ()


def test_properties_that_are_no_object_are_passed_over() -> None:
    broken = event("Ping")
    broken.properties = msgspec.Raw(b"[1]")
    broken.traits = msgspec.Raw(b"{nonsense")
    load_plan(infer([broken]))


def test_only_pages_make_a_good_plan() -> None:
    load_plan(infer([event("Home", type="page", user=f"u{n}") for n in range(3)]))


def test_no_events_are_no_plan() -> None:
    with pytest.raises(ValueError, match="no events"):
        infer([])
