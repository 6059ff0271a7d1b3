"""`headwater assign`: the variants that signals carry, asked for beforehand."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main

PLAN = """
product: Assign
activation: Done
experiments:
  welcome: {signal: activated, variants: {call: 45, mail: 45, holdout: 10}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    return file


def asked(plan: Path, *arguments: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["assign", *arguments, "--plan", str(plan)], input=input)


def test_each_id_is_told_with_its_variant(plan: Path) -> None:
    ran = asked(plan, "welcome", "a1", "anon:x", "a4")
    assert (ran.exit_code, ran.stdout) == (0, "a1\tcall\nanon:x\tmail\na4\tholdout\n")


def test_ids_come_one_a_line_where_none_is_given(plan: Path) -> None:
    ran = asked(plan, "welcome", input="a1\r\n\nanon:x\nü".encode())
    assert (ran.exit_code, ran.stdout) == (0, "a1\tcall\nanon:x\tmail\nü\tcall\n")


def test_an_unknown_experiment_is_bad_usage(plan: Path) -> None:
    ran = asked(plan, "welcom", "a1")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "unknown experiment `welcom`; did you mean `welcome`?" in ran.stderr
    assert "known are welcome" in asked(plan, "other", "a1").stderr


def test_a_plan_without_experiments_says_so(plan: Path) -> None:
    plan.write_text("product: None\n")
    assert "unknown experiment `welcome`; the plan has none" in asked(plan, "welcome", "a1").stderr


def test_what_is_no_text_is_no_id(plan: Path) -> None:
    ran = asked(plan, "welcome", input=b"a1\n\xff\n")
    assert ran.exit_code == 2
    assert "an id is not UTF-8 text" in ran.stderr
