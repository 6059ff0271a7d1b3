"""The kinds of facts: what each may carry, and whom it has to be about."""

from typing import Literal, NamedTuple, get_args

UseKind = Literal[
    "activity",
    "first_action",
    "activation",
    "key_task",
    "feature",
    "session",
    "project",
    "outcome",
    "buying_signal",
]
BusinessKind = Literal[
    # what a company sells, earns and spends
    "trial",
    "plan_change",
    "subscription",
    "payment",
    "cost",
    # what people say, and ask for
    "survey",
    "ticket",
    "role",
    # sales and marketing
    "lead",
    "opportunity",
    "spend",
    "awareness",
    "guide",
    "referral",
    "exposure",
    # the product itself
    "incident",
    "response_time",
    "delivery",
]
FactKind = Literal[UseKind, BusinessKind]
FACT_KINDS: tuple[str, ...] = get_args(FactKind)
"""The order is that of the documentation."""

ACCOUNT_TRAIT = "account_trait"
"""What a group call says of its account, by the name of the trait, with its `value`: a kind that no
plan can name, as segments are all that follows from it."""

PRIVACY_KINDS = {"consent": "consent", "erase": "erasure"}
"""Kinds that the catalogue of KPIs knows and that are no facts -> the key of the plan for them."""


class Carries(NamedTuple):
    """What the facts of a kind may carry beside a time, an account and a user."""

    name: str | None = None
    """What their name says; None: they have none."""
    value: str | None = None
    """What their value is a number of; None: they have none."""
    attributes: tuple[str, ...] = ()
    """Names of further fields that rows of the catalogue read."""
    money: tuple[str, ...] = ()
    """Those of them that are amounts of money."""
    thing: bool = False
    """True: the name is the id of a thing with a life of its own, whose facts have to meet."""
    of_nobody: bool = False
    """True: neither an account nor a user is needed."""


CARRIES: dict[str, Carries] = {
    "activity": Carries(),
    "first_action": Carries(),
    "activation": Carries(),
    "key_task": Carries(name="task"),
    "feature": Carries(name="feature"),
    "session": Carries(value="ms", of_nobody=True),
    "project": Carries(
        "project id",
        None,
        ("status", "budget", "cost", "due_ms"),
        money=("budget", "cost"),
        thing=True,
    ),
    "outcome": Carries("kind of outcome", "units of that kind", ("feature",)),
    "buying_signal": Carries(),
    "trial": Carries(attributes=("status",)),
    "plan_change": Carries(attributes=("tier", "plan", "seat_limit")),
    "subscription": Carries(value="minor units a month", attributes=("kind",)),
    "payment": Carries(value="minor units", attributes=("type",)),
    "cost": Carries(None, "minor units", ("type",), of_nobody=True),
    "survey": Carries(value="points", attributes=("kind", "scale"), of_nobody=True),
    "ticket": Carries("ticket id", "points", ("status",), thing=True, of_nobody=True),
    "role": Carries(name="role"),
    "lead": Carries(
        "lead id", "minor units", ("status", "source", "campaign"), thing=True, of_nobody=True
    ),
    "opportunity": Carries(
        "opportunity id", "minor units", ("status", "kind", "addon"), thing=True, of_nobody=True
    ),
    "spend": Carries(None, "minor units", ("type", "campaign", "goal"), of_nobody=True),
    "awareness": Carries("metric", "people", ("campaign",), of_nobody=True),
    "guide": Carries("guide", None, ("status", "kind")),
    "referral": Carries("referral id", None, ("status",), thing=True),
    "exposure": Carries("experiment or playbook", None, ("kind", "variant")),
    "incident": Carries(
        "incident id", "people", ("status", "kind", "severity"), thing=True, of_nobody=True
    ),
    "response_time": Carries(value="ms", of_nobody=True),
    "delivery": Carries("feature", "result", ("status",), thing=True, of_nobody=True),
}

REPEATABLE: frozenset[str] = frozenset((*get_args(UseKind), ACCOUNT_TRAIT))
"""Kinds of which repeated events are looked for within some time only: those that say how the
product is used, and the one to which it makes no difference how often something was told.
"""

NAMED_KINDS = tuple(kind for kind, carries in CARRIES.items() if carries.name is not None)
VALUED_KINDS = tuple(kind for kind, carries in CARRIES.items() if carries.value is not None)
THING_KINDS = frozenset(kind for kind, carries in CARRIES.items() if carries.thing)
KINDS_OF_NOBODY = frozenset(kind for kind, carries in CARRIES.items() if carries.of_nobody)


def carries_money(kind: str) -> bool:
    """True if the value of such a fact is, or may be, an amount of money."""
    return kind == "outcome" or "minor units" in (CARRIES[kind].value or "")
