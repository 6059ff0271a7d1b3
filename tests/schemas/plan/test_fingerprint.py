"""A plan's hash follows its meaning, not its spelling."""

import re

import pytest

from schemas.plan import load_plan, plan_hash

PLAN = """
product: Test
activity: all
activation: Report Created
kpis: {only: [dau, wau]}
"""


def test_a_hash_is_32_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", plan_hash(load_plan(PLAN)))


@pytest.mark.parametrize(
    "same",
    [
        PLAN + "# a remark\n",
        "kpis: {only: [wau, dau]}\nactivation: {event: Report Created}\nproduct: Test\n",
        PLAN + "timezone: UTC\nhorizon: {entity_days: 400}\nwatermark: {disorder: 1m}\n",
    ],
)
def test_spelling_makes_no_difference(same: str) -> None:
    assert plan_hash(load_plan(same)) == plan_hash(load_plan(PLAN))


@pytest.mark.parametrize(
    "other",
    [
        PLAN + "timezone: Europe/Berlin\n",
        PLAN + "horizon: all\n",
        PLAN.replace("Report Created", '{event: Report Created, where: {x: "1"}}'),
        PLAN.replace("Report Created", "{event: Report Created, where: {x: 1}}"),
        PLAN.replace("Report Created", "{event: Report Created, where: {x: true}}"),
        PLAN.replace("Report Created", "{page: Report Created}"),
    ],
)
def test_meaning_makes_a_difference(other: str) -> None:
    assert plan_hash(load_plan(other)) != plan_hash(load_plan(PLAN))
    assert plan_hash(load_plan(other)) == plan_hash(load_plan(other))
