"""The oracle gives the catalogue's own worked examples, one test a row."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.oracle import Happening, Oracle, Row, Settings, Standing, Value

MEANING = {
    "Used": ["activity", "first_action"],
    "Signed Up": ["first_action"],
    "Activated": ["activation"],
    "Task": ["key_task:one"],
    "Task 2": ["key_task:two"],
    "Task 3": ["key_task:three"],
    "Session": ["session"],
}


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def log(*lines: str) -> list[Happening]:
    """Lines of `time | event | user | account`, the last two optional."""
    happenings = []
    for number, line in enumerate(lines):
        time, name, *rest = [cell.strip() for cell in line.split("|")]
        user, account = (*rest, "", "")[:2]
        happenings.append(
            Happening(ms(time), f"m{number:03}", name, user or None, account=account or None)
        )
    return happenings


def oracle(lines: Sequence[str], until: str, **settings: Any) -> Oracle:
    return Oracle(log(*lines), Settings(MEANING, **settings), ms(until))


def row(of: Oracle, kpi: str, period: str, day: str, **key: Any) -> Row:
    """The value of the period that starts on `day`; of a trailing period, that ends with it."""
    side = "end_ms" if period.startswith("trailing") else "start_ms"
    wanted: dict[str, Any] = {"variant": None, "segment": "all", "subject": None} | key
    at = ms(day) + (86_400_000 if side == "end_ms" else 0)
    found = [
        value
        for k, value in of.values.items()
        if (k.kpi, k.period, getattr(k, side)) == (kpi, period, at)
        and all(getattr(k, name) == want for name, want in wanted.items())
    ]
    assert len(found) == 1, f"{kpi} {period} {day}: {len(found)} rows"
    return found[0]


def value(of: Oracle, kpi: str, period: str, day: str, **key: Any) -> Value:
    return row(of, kpi, period, day, **key).value


def test_dau_counts_a_user_once_and_leaves_midnight_to_the_next_day() -> None:
    o = oracle(
        [
            "2026-03-01 09:00 | Used | u1 | a1",
            "2026-03-01 10:00 | Used | u1 | a2",
            "2026-03-01 23:59:59.999 | Used | u2",
            "2026-03-02 00:00 | Used | u3",
        ],
        "2026-03-03",
    )
    assert value(o, "dau", "day", "2026-03-01") == 2
    assert value(o, "dau", "day", "2026-03-02") == 1


def test_wau_is_seven_days_back() -> None:
    o = oracle(
        ["2026-03-01 | Used | u1", "2026-03-07 | Used | u1", "2026-03-02 | Used | u2"],
        "2026-03-10",
    )
    days = ("2026-03-07", "2026-03-08", "2026-03-09")
    assert [value(o, "wau", "trailing_7d", d) for d in days] == [2, 2, 1]


def test_mau_trails_thirty_days_and_has_calendar_months() -> None:
    o = oracle(["2026-03-01 | Used | u1", "2026-03-30 | Used | u2"], "2026-04-01")
    assert value(o, "mau", "trailing_30d", "2026-03-30") == 2
    assert value(o, "mau", "trailing_30d", "2026-03-31") == 1
    assert value(o, "mau", "month", "2026-03-01") == 2


def test_active_accounts() -> None:
    o = oracle(
        [
            "2026-03-01 | Used | u1 | a1",
            "2026-03-01 | Used | u2 | a1",
            "2026-03-01 | Used | u1 | a2",
            "2026-03-01 | Used | u4",
        ],
        "2026-03-02",
    )
    assert value(o, "active_accounts", "day", "2026-03-01") == 2


def test_active_accounts_count_facts_without_a_user() -> None:
    o = oracle(["2026-03-01 | Used | | a1"], "2026-03-02")
    assert value(o, "active_accounts", "day", "2026-03-01") == 1
    assert value(o, "dau", "day", "2026-03-01") == 0


def test_active_users_growth() -> None:
    february = [f"2026-02-10 | Used | u{n}" for n in range(40)]
    march = [f"2026-03-10 | Used | u{n}" for n in range(50)]
    o = oracle(february + march, "2026-04-01")
    assert value(o, "active_users_growth", "month", "2026-03-01") == 0.25
    assert value(o, "active_users_growth", "month", "2026-02-01") is None


def test_stickiness_is_dau_over_mau() -> None:
    o = oracle(
        ["2026-03-01 | Used | u1", "2026-03-02 | Used | u2", "2026-03-30 | Used | u2"],
        "2026-04-01",
    )
    assert value(o, "stickiness", "day", "2026-03-30") == 0.5
    assert value(o, "stickiness", "day", "2026-03-31") == 0


def test_average_stickiness() -> None:
    o = oracle(
        [f"2026-03-{d:02} | Used | u1" for d in range(1, 31)]
        + [f"2026-03-{d:02} | Used | u2" for d in range(1, 16)],
        "2026-03-31",
    )
    assert value(o, "average_stickiness", "trailing_30d", "2026-03-30") == 0.75


def test_active_days_per_user() -> None:
    o = oracle(
        [
            "2026-03-02 | Used | u1",
            "2026-03-03 | Used | u1",
            "2026-03-02 08:00 | Used | u2",
            "2026-03-02 09:00 | Used | u2",
        ],
        "2026-03-09",
    )
    assert value(o, "active_days_per_user", "week", "2026-03-02") == 1.5


def test_lifecycle() -> None:
    o = oracle([f"2026-03-0{d} | Used | u1" for d in (1, 2, 4)], "2026-03-08")

    def days(kpi: str) -> list[Value]:
        return [value(o, kpi, "day", f"2026-03-0{d}") for d in range(1, 7)]

    assert days("lifecycle_new") == [1, 0, 0, 0, 0, 0]
    assert days("lifecycle_returning") == [0, 1, 0, 0, 0, 0]
    assert days("lifecycle_resurrecting") == [0, 0, 0, 1, 0, 0]
    assert days("lifecycle_dormant") == [0, 0, 1, 0, 1, 0]


def test_lifecycle_quick_ratio() -> None:
    lines = [f"2026-03-02 | Used | gone{n}" for n in range(4)]
    lines += [f"2026-03-01 | Used | back{n}" for n in range(2)]
    lines += [f"2026-03-03 | Used | back{n}" for n in range(2)]
    lines += [f"2026-03-03 | Used | new{n}" for n in range(6)]
    o = oracle(lines, "2026-03-05")
    assert value(o, "lifecycle_quick_ratio", "day", "2026-03-03") == 2


def test_user_retention_and_churn_rate() -> None:
    lines = [f"2026-02-10 | Used | u{n}" for n in range(10)]
    lines += [f"2026-03-10 | Used | u{n}" for n in range(3, 15)]
    o = oracle(lines, "2026-04-01")
    kept = row(o, "user_retention_rate", "month", "2026-03-01")
    assert kept.value == 0.7
    assert kept.parts == {"numerator": 7, "denominator": 10}
    assert value(o, "user_churn_rate", "month", "2026-03-01") == 0.3
    assert value(o, "user_retention_rate", "month", "2026-02-01") is None


def test_cohort_retention() -> None:
    lines = [
        "2026-03-01 | Signed Up | u1",
        "2026-03-01 | Signed Up | u2",
        "2026-03-02 | Used | u1",
        "2026-03-03 | Used | u2",
    ]
    assert value(oracle(lines, "2026-03-03"), "cohort_retention", "day", "2026-03-01",
                 variant="n=1") == 0.5  # fmt: skip
    young = oracle(lines, "2026-03-02 23:59")
    assert value(young, "cohort_retention", "day", "2026-03-01", variant="n=1") is None


def test_new_signups() -> None:
    lines = ["2026-03-01 | Signed Up | u1", "2026-03-05 | Signed Up | u1"]
    o = oracle([*lines, "2026-03-05 | Signed Up | u2"], "2026-03-06")
    assert value(o, "new_signups", "day", "2026-03-01") == 1
    assert value(o, "new_signups", "day", "2026-03-05") == 1


def test_activated_users_and_their_growth() -> None:
    lines = ["2026-03-01 | Activated | u1", "2026-03-02 | Activated | u1"]
    o = oracle([*lines, "2026-03-02 | Activated | u2"], "2026-03-06")
    assert value(o, "activated_users", "day", "2026-03-01") == 1
    assert value(o, "activated_users", "day", "2026-03-02") == 1

    lines = [f"2026-03-03 | Activated | u{n}" for n in range(20)]
    lines += [f"2026-03-10 | Activated | u{n}" for n in range(20, 35)]
    o = oracle(lines, "2026-03-16")
    assert value(o, "activated_users_growth", "week", "2026-03-09") == -0.25


def test_activation_rate_leaves_out_the_end_of_its_horizon() -> None:
    lines = [f"2026-03-01 10:00 | Signed Up | u{n}" for n in range(4)]
    lines += ["2026-03-03 10:00 | Activated | u0", "2026-03-14 10:00 | Activated | u1"]
    lines += ["2026-03-15 10:00 | Activated | u2"]
    o = oracle(lines, "2026-03-16")
    assert value(o, "activation_rate", "day", "2026-03-01") == 0.5
    young = oracle(lines, "2026-03-15 09:59:59.999")
    assert value(young, "activation_rate", "day", "2026-03-01") is None


def test_action_to_activation_lag() -> None:
    lines = ["2026-03-01 10:00 | Signed Up | u1", "2026-03-01 10:30 | Activated | u1"]
    lines += ["2026-03-01 11:00 | Signed Up | u2", "2026-03-01 12:30 | Activated | u2"]
    o = oracle(lines, "2026-03-02")
    lag = row(o, "action_to_activation_lag", "day", "2026-03-01")
    assert lag.value == 3600
    assert lag.parts == {"n": 2, "median": 3600, "mean": 3600, "p90": 5040, "km_median": 1800}


def test_the_kaplan_meier_median_counts_those_not_activated_yet() -> None:
    lines = [f"2026-03-01 10:00 | Signed Up | u{n}" for n in range(3)]
    lines += ["2026-03-01 11:00 | Activated | u0", "2026-03-01 14:00 | Activated | u1"]
    parts = row(oracle(lines, "2026-03-02"), "action_to_activation_lag", "day", "2026-03-01").parts
    assert (parts["n"], parts["median"], parts["km_median"]) == (2, 9000, 14400)
    alone = oracle(["2026-03-01 10:00 | Signed Up | u1"], "2026-03-02")
    parts = row(alone, "action_to_activation_lag", "day", "2026-03-01").parts
    assert (parts["n"], parts["median"], parts["km_median"]) == (0, None, None)


def test_a_horizon_of_the_lag_takes_mature_users_that_ended_within_it() -> None:
    lines = ["2026-03-01 10:00 | Signed Up | u1", "2026-03-01 11:00 | Activated | u1"]
    lines += ["2026-03-01 10:00 | Signed Up | u2", "2026-03-03 10:00 | Activated | u2"]
    lines += ["2026-03-01 20:00 | Signed Up | u3", "2026-03-01 20:30 | Activated | u3"]
    o = oracle(lines, "2026-03-02 12:00", lag_days=1)
    parts = row(o, "action_to_activation_lag", "day", "2026-03-01").parts
    assert parts == {"n": 1, "median": 3600, "mean": 3600, "p90": 3600, "km_median": 3600}


def test_activations_before_the_first_action_are_no_end_of_a_lag() -> None:
    lines = ["2026-03-01 09:00 | Activated | u1", "2026-03-01 10:00 | Signed Up | u1"]
    o = oracle([*lines, "2026-03-01 10:05 | Activated | u1"], "2026-03-02")
    assert value(o, "action_to_activation_lag", "day", "2026-03-01") == 300


def test_key_activation_tasks_rate() -> None:
    lines = [f"2026-03-01 | Signed Up | u{n}" for n in range(5)]
    lines += [f"2026-03-02 | {name} | u0" for name in ("Task", "Task 2", "Task 3")]
    lines += ["2026-03-02 | Task | u1"]
    o = oracle(lines, "2026-03-20")
    assert value(o, "key_activation_tasks_rate", "day", "2026-03-01") == 0.4
    o = oracle(lines, "2026-03-20", activation_tasks_min=2)
    assert value(o, "key_activation_tasks_rate", "day", "2026-03-01") == 0.2


def test_accounts_with_three_activated_users() -> None:
    lines = ["2026-03-01 | Used | u1 | a1", "2026-03-01 | Used | u1 | a2"]
    lines += [f"2026-03-02 | Activated | u{n} | a1" for n in (1, 2, 3)]
    lines += [f"2026-03-02 | Activated | u{n} | a2" for n in (1, 2)]
    o = oracle(lines, "2026-03-03")
    assert value(o, "accounts_3plus_activated_rate", "day", "2026-03-02") == 0.5
    assert value(o, "accounts_3plus_activated_rate", "day", "2026-03-01") == 0


def test_accounts_with_three_active_users() -> None:
    lines = [f"2026-03-0{d} | Used | u{n} | a1" for n, d in ((1, 1), (2, 3), (3, 7))]
    lines += ["2026-03-01 | Used | u1 | a2", "2026-03-02 | Used | u2 | a2"]
    o = oracle(lines, "2026-03-09")
    assert value(o, "accounts_3plus_active", "trailing_7d", "2026-03-07") == 1
    assert value(o, "accounts_3plus_active", "trailing_7d", "2026-03-08") == 0


def test_account_user_milestones_name_the_user_who_reached_them() -> None:
    lines = ["2026-03-01 09:00 | Used | u1 | a1", "2026-03-01 09:05 | Used | u2 | a1"]
    o = oracle([*lines, "2026-03-01 10:00 | Used | u3 | a1"], "2026-03-02")
    assert value(o, "account_user_milestones", "day", "2026-03-01", variant="users=3") == 1
    assert value(o, "account_user_milestones", "day", "2026-03-01", variant="users=5") == 0
    enter = "account_user_milestones.enter"
    assert Standing(enter, "users=3", "a1", "u3", ms("2026-03-01 10:00"), None) in o.signals


def test_core_actions_count_every_fact() -> None:
    lines = ["2026-03-02 | Task | u1", "2026-03-03 | Task | u1", "2026-03-04 | Task | u2"]
    o = oracle([*lines, "2026-03-04 | Page Viewed | u2"], "2026-03-09")
    assert value(o, "core_actions", "week", "2026-03-02") == 3


def test_sessions_count_in_the_period_of_their_start() -> None:
    o = oracle(["2026-03-01 23:50 | Session | u1", "2026-03-02 08:00 | Session |"], "2026-03-03")
    assert value(o, "sessions", "day", "2026-03-01") == 1
    assert value(o, "sessions", "day", "2026-03-02") == 1
    assert value(o, "sessions", "hour", "2026-03-01 23:00") == 1


def test_the_activated_signal_carries_account_and_lag() -> None:
    lines = ["2026-03-01 10:00 | Used | u1 | a1", "2026-03-01 11:00 | Activated | u1 | a2"]
    o = oracle([*lines, "2026-03-02 | Activated | u1 | a1"], "2026-03-03")
    at = ms("2026-03-01 11:00")
    assert Standing("activated", None, "a2", "u1", at, 3600.0) in o.signals


# ---- conventions beside the rows


def test_a_repeated_message_id_is_one_event() -> None:
    once = log("2026-03-01 | Task | u1")
    o = Oracle([*once, *once], Settings(MEANING), ms("2026-03-02"))
    assert value(o, "core_actions", "day", "2026-03-01") == 1


def test_days_weeks_and_months_are_local() -> None:
    lines = ["2026-03-08 04:59 | Used | u1", "2026-03-09 03:59 | Used | u2"]
    o = oracle(lines, "2026-03-10", timezone="America/New_York", week_start="sunday")
    days = {(k.start_ms, k.end_ms): r.value for k, r in o.values.items() if k.kpi == "dau"}
    # 8 March 2026 has 23 hours in New York: clocks go forward at 2.
    assert days[ms("2026-03-07 05:00"), ms("2026-03-08 05:00")] == 1
    assert days[ms("2026-03-08 05:00"), ms("2026-03-09 04:00")] == 1
    weeks = {
        k.start_ms: r.value for k, r in o.values.items() if (k.kpi, k.period) == ("wau", "week")
    }
    assert weeks[ms("2026-03-01 05:00")] == 1


def test_segments_look_at_their_own_facts_alone() -> None:
    facts = [
        Happening(ms("2026-03-01"), "m1", "Used", "u1", properties={"country": "se"}),
        Happening(ms("2026-03-02"), "m2", "Used", "u1", properties={"country": "fr"}),
    ]
    o = Oracle(facts, Settings(MEANING, dimensions=["country"]), ms("2026-03-04"))
    assert value(o, "lifecycle_new", "day", "2026-03-02") == 0
    assert value(o, "lifecycle_new", "day", "2026-03-02", segment="country=fr") == 1
    assert value(o, "new_signups", "day", "2026-03-01", segment="country=se") == 1
    assert value(o, "new_signups", "day", "2026-03-02", segment="country=fr") == 0
    # The cohort is split by its first action, what it does later counts in any segment.
    kept = row(o, "cohort_retention", "day", "2026-03-01", segment="country=se", variant="n=1")
    assert kept.value == 1


def identified(time: str, user: str, anonymous: str, id: str = "i1") -> Happening:
    return Happening(ms(time), id, user=user, anonymous=anonymous, type="identify")


def alias(time: str, previous: str, user: str, id: str = "i1") -> Happening:
    return Happening(ms(time), id, user=user, previous=previous, type="alias")


def active(who: str, time: str = "2026-03-01 10:00") -> Happening:
    known, unknown = (None, who[5:]) if who.startswith("anon:") else (who, None)
    return Happening(ms(time), f"{who} {time}", "Used", known, unknown, "a1")


def users(*events: Happening) -> set[str | None]:
    """Users behind the milestones of account a1."""
    o = Oracle(events, Settings(MEANING, milestones=(1, 2, 3)), ms("2026-03-02"))
    return {s.user for s in o.signals if s.account == "a1" and s.variant}


def test_an_anonymous_user_is_a_user_until_identified() -> None:
    assert users(active("anon:x"), active("y")) == {"anon:x", "y"}
    assert users(active("anon:x"), active("y"), identified("2026-03-01", "y", "x")) == {"y"}


def test_aliases_chain_and_the_latest_wins() -> None:
    chain = [alias("2026-03-01 01:00", "x", "y", "i1"), alias("2026-03-01 02:00", "y", "z", "i2")]
    assert users(active("anon:x"), active("x"), active("y"), *chain) == {"z"}
    pointed_anew = [alias("2026-03-01 02:00", "x", "y"), alias("2026-03-01 01:00", "x", "z", "i2")]
    assert users(active("x"), *pointed_anew) == {"y"}
    tie = [alias("2026-03-01", "x", "y", "i2"), alias("2026-03-01", "x", "z", "i1")]
    assert users(active("x"), *tie) == {"y"}


def test_the_smallest_leaf_of_a_cycle_is_the_person() -> None:
    cycle = [alias("2026-03-01", "x", "y", "i1"), alias("2026-03-01", "y", "x", "i2")]
    assert users(active("y"), active("x"), active("anon:x"), *cycle) == {"x"}
    assert users(active("x"), alias("2026-03-01", "x", "x")) == {"x"}


@pytest.mark.parametrize("learnt", ["2026-02-01", "2026-03-01 20:00"])
def test_an_excluded_person_is_left_out_entirely(learnt: str) -> None:
    internal = Happening(ms(learnt), "i", user="u1", type="identify", traits={"internal": "true"})
    settings = Settings(MEANING, excluded_trait=("internal", "true"))
    events = [active("u1"), active("u2"), internal]
    o = Oracle(events, settings, ms("2026-03-02"))
    assert value(o, "dau", "day", "2026-03-01") == 1
    assert {s.user for s in o.signals} == {"u2"}
    merged = Oracle([*events, alias("2026-03-01", "u2", "u1", "i2")], settings, ms("2026-03-02"))
    assert merged.values == {}


def test_a_value_is_final_once_the_watermark_passes_end_and_horizon() -> None:
    lines = ["2026-03-01 | Used | u1"]
    assert row(oracle(lines, "2026-03-02"), "dau", "day", "2026-03-01").final
    assert not row(oracle(lines, "2026-03-01 23:59"), "dau", "day", "2026-03-01").final
    assert not row(oracle(lines, "2026-03-15"), "activation_rate", "day", "2026-03-01").final
    assert row(oracle(lines, "2026-03-16"), "activation_rate", "day", "2026-03-01").final
