"""Signals carry the variants of their subjects, whatever comes in which order and is restarted."""

from random import Random
from typing import Any

import orjson
import pytest

from schemas.experiments import variant_of
from schemas.outputs import Signal
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import DAY_MS, HOUR_MS, iso, parse_iso
from streams.catalogue import catalogue_ids
from streams.catalogue.checks import plan_problems
from streams.compiled_plan import CompiledPlan
from streams.engine import Engine
from streams.plan_change import Change
from streams.state_keys import read_value
from tests.plan_text import plan_text
from tests.records import Record, result_of

FIRST_MS = parse_iso("2026-03-02T00:00:00Z")
SHARES = {"call": 45, "mail": 45, "holdout": 10}
MILESTONE = "account_user_milestones.enter"
PLAN: dict[str, Any] = {
    "product": "Experiments",
    "activity": "all",
    "activation": "Done",
    "milestones": {"distinct_users": [1, 3]},
    "horizon": "all",
    "kpis": {
        "only": ["account_user_milestones", "activated_users"],
        "also": ["inactive_users", "churn_risk_accounts"],
        "settings": {"inactive_days": 3, "churn_silence_days": 3},
    },
    "experiments": {
        "welcome": {"signal": "activated", "variants": SHARES},
        "grow": {"signal": MILESTONE, "variants": SHARES},
        "back": {"signal": "inactive_users.enter", "variants": {"yes": 1, "no": 3}},
        "save": {"signal": "churn_risk_accounts.enter", "variants": SHARES},
        "save_too": {"signal": "churn_risk_accounts.enter", "variants": {"yes": 1, "no": 3}},
    },
    "events": [{"event": "Paid", "is": "subscription", "value": "mrr"}],
}


def plan(**changes: Any) -> Plan:
    return load_plan(plan_text(PLAN | changes), known_kpis=catalogue_ids())


def event(name: str, at_ms: int, **fields: Any) -> bytes:
    told = {"type": "track", "event": name, "timestamp": iso(at_ms), "messageId": f"{name}{at_ms}"}
    account = fields.pop("account", None)
    where = {} if account is None else {"context": {"groupId": account}}
    return orjson.dumps(told | where | fields)


def log(count: int = 150) -> list[bytes]:
    """Of forty users in five accounts that pay; some are identified late, one comes back."""
    rng = Random(7)
    found = [event("Paid", FIRST_MS + n, account=f"a{n}", properties={"mrr": 9}) for n in range(5)]
    for number in range(count):
        at_ms = FIRST_MS + rng.randrange(2 * DAY_MS)
        user = rng.randrange(40)
        who = {"userId": f"u{user}"} if user % 4 else {"anonymousId": f"x{user}"}
        fields = {"account": f"a{user % 5}", "messageId": f"m{number}", **who}
        found.append(event(rng.choice(["Opened", "Done"]), at_ms, **fields))
    for user in (0, 8, 16):
        who = {"anonymousId": f"x{user}", "userId": f"u{user + 1}"}
        found.append(event("", FIRST_MS + user, type="identify", messageId=f"i{user}", **who))
    found.append(event("Opened", FIRST_MS + 7 * DAY_MS, userId="u1", account="a1"))
    return found


def run(records: list[bytes], *, partitions: int = 4, step: int = 1000) -> Engine:
    """What follows, with a restart after each `step` records."""
    engine = Engine(plan(), partitions=partitions, warm=2)
    for start in range(0, len(records), step):
        engine.feed(records[start : start + step])
        engine.settle()
        engine.restart()
    engine.advance(FIRST_MS + 9 * DAY_MS)
    engine.settle()
    return engine


def said(engine: Engine) -> list[Record]:
    return [orjson.loads(record) for record in engine.outputs["signals"]]


def expected(signal: Record) -> dict[str, str] | None:
    """What a signal has to carry, by the subject that the documentation names."""
    of_user = signal["signal"] in ("activated", "inactive_users.enter")
    subject = signal["user"] if of_user else signal["account"]
    return {
        name: variant_of(name, subject, each["variants"])
        for name, each in PLAN["experiments"].items()
        if each["signal"] == signal["signal"]
    } or None


def test_every_signal_carries_the_variants_of_its_subject_and_no_other_does():
    signals = said(run(log()))
    assert {signal["signal"] for signal in signals} >= {
        *(each["signal"] for each in PLAN["experiments"].values()),
        "churn_risk_accounts.leave",
    }
    for signal in signals:
        assert signal["evidence"].get("experiments") == expected(signal)


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_order_partitions_and_restarts_change_no_variant(partitions: int, seed: int):
    records = log()
    Random(seed).shuffle(records)
    engine = run(records, partitions=partitions, step=20)

    for signal in said(engine):
        assert signal["evidence"].get("experiments") == expected(signal)

    def standing(engine: Engine) -> list[Record]:
        found = result_of(engine.outputs).signals.values()
        return sorted((each | {"revision": None} for each in found), key=lambda each: each["id"])

    assert any(signal["retracted"] for signal in said(engine))
    assert standing(engine) == standing(run(log()))


# ---- another plan


def test_other_experiments_start_nothing_anew_and_tell_no_signal_again():
    others = {
        "welcome": {"signal": "activated", "variants": {"yes": 1, "no": 3}},
        "new": {"signal": MILESTONE, "variants": {"yes": 1, "no": 3}},
    }
    rules = [{"id": "starts", "signal": "activated"}]
    alerts = {"rules": rules, "late_after": "9999d"}
    engine = Engine(plan(alerts=alerts), partitions=2)
    early = FIRST_MS + HOUR_MS
    engine.feed([event("Done", early, userId="u1", account="a1")])
    engine.settle(FIRST_MS + DAY_MS)
    told = {role: len(records) for role, records in engine.outputs.items()}
    assert told["signals"] == 2
    assert told["alerts"] == 1

    change = engine.change_plan(plan(alerts=alerts, experiments=others), early)
    engine.settle(FIRST_MS + DAY_MS)

    assert change == Change(change.kept, (), (), (), ())
    assert {role: len(records) for role, records in engine.outputs.items()} == told

    engine.feed([event("Done", early + 1, userId="u2", account="a1")])
    engine.settle(FIRST_MS + DAY_MS)
    (signal,) = said(engine)[told["signals"] :]
    drawn = variant_of("welcome", "u2", {"yes": 1, "no": 3})
    assert (signal["user"], signal["evidence"]["experiments"]) == ("u2", {"welcome": drawn})

    engine.feed([event("Done", early - 1, userId="u1", account="a1")])
    engine.settle(FIRST_MS + DAY_MS)
    moved = [each for each in said(engine)[told["signals"] + 1 :] if each["signal"] == "activated"]
    assert [each["retracted"] for each in moved] == [True, False]
    drawn = variant_of("welcome", "u1", {"yes": 1, "no": 3})
    assert [each["evidence"]["experiments"] for each in moved] == [{"welcome": drawn}] * 2


# ---- erasure


def test_a_variant_that_is_called_as_who_is_erased_stays():
    """An experiment may be called `user`, and is no user for that."""
    alerts = {"rules": [{"id": "grows", "signal": MILESTONE}]}
    board = CompiledPlan(plan(alerts=alerts)).board("account", live=False, bounded=False)
    variants = {"user": "u9", "users": "u9"}
    evidence = {"users": ["u1", "u9"], "experiments": variants}
    signal = Signal("1", 1, False, MILESTONE, "users=3", "a1", "u9", FIRST_MS, evidence)
    board.hear_signal("a:a1", signal)
    board.flush(FIRST_MS, FIRST_MS, None)

    ((_, record),) = board.without_user("a:a1", "u9")
    ((*_, last, _),), *_ = read_value(record)
    assert last["user"] is None
    assert last["evidence"] == {"signal": "1", "users": ["u1"], "experiments": variants}


# ---- what comes of it


def test_who_is_exposed_as_assigned_is_judged_against_who_was_left_alone():
    """Of those who are left alone a quarter pay more, of the others two and three quarters."""
    changed = {
        "milestones": {"distinct_users": [1]},
        "kpis": {"only": ["account_user_milestones", "playbook_uplift"]},
        "experiments": {"grow": {"signal": MILESTONE, "variants": SHARES}},
        "events": [
            *PLAN["events"],
            {
                "event": "Playbook Done",
                "is": "exposure",
                "name": {"property": "playbook"},
                "attributes": {"kind": "playbook", "variant": {"property": "variant"}},
            },
        ],
    }
    engine = Engine(plan(**changed))
    users = (event("Opened", FIRST_MS + n, userId=f"u{n}", account=f"a{n}") for n in range(400))
    engine.feed(list(users))
    engine.settle()

    of: dict[str, list[str]] = {}
    for signal in said(engine):
        of.setdefault(signal["evidence"]["experiments"]["grow"], []).append(signal["account"])
    for accounts in of.values():
        del accounts[len(accounts) // 4 * 4 :]  # so that the shares below are whole
    assert of.keys() == SHARES.keys()
    at_ms = FIRST_MS + HOUR_MS
    for variant, accounts in of.items():
        pays = len(accounts) // 4 * {"holdout": 1, "call": 2, "mail": 3}[variant]
        for number, account in enumerate(accounts):
            done = {"account": account, "properties": {"playbook": "grow", "variant": variant}}
            engine.feed([event("Playbook Done", at_ms, messageId=f"e{account}", **done)])
            if number < pays:
                paid = {"account": account, "properties": {"mrr": 9}, "messageId": f"p{account}"}
                engine.feed([event("Paid", at_ms + HOUR_MS, **paid)])
    engine.advance(FIRST_MS + 60 * DAY_MS)
    engine.settle()

    uplift = {
        key.variant: record["value"]
        for key, record in result_of(engine.outputs).kpis.items()
        if key.kpi == "playbook_uplift" and key.start_ms == parse_iso("2026-03-01T00:00:00Z")
    }
    assert uplift.pop("playbook=grow/holdout", 0) == 0
    assert uplift == {"playbook=grow/call": 1, "playbook=grow/mail": 2}


# ---- what a plan cannot mean


@pytest.mark.parametrize(
    ("signal", "problem"),
    [
        (
            "activatd",
            "unknown signal `activatd` at experiments.a.signal; did you mean `activated`?",
        ),
        ("nothing.of.it", "unknown signal `nothing.of.it` at experiments.a.signal; known are"),
        ("account_user_milestones.leave", "did you mean `account_user_milestones.enter`?"),
        (
            "pql_accounts.enter",
            "`pql_accounts` does not run: runs only if listed in kpis.also at experiments.a.signal",
        ),
        (
            "activated",
            "nobody is `activated` at experiments.a.signal; say under `activation` who is",
        ),
    ],
)
def test_an_experiment_about_no_signal_is_refused(signal: str, problem: str):
    other = {"signal": "wrong", "variants": SHARES}
    experiments = {"a": {"signal": signal, "variants": SHARES}, "b": other}
    written = {name: each for name, each in PLAN.items() if name not in ("activation", "kpis")}
    asked = load_plan(plan_text(written | {"experiments": experiments}))

    found = [str(each) for each in plan_problems(asked)]
    assert len(found) == 2
    assert problem in found[0]


def test_an_experiment_on_each_signal_that_is_given_is_good():
    assert plan_problems(plan()) == []
