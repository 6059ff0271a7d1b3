"""docs/plan.md says what is true: its examples are good plans, and it leaves out no key."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from schemas.conditions import EachHolds, Holds
from schemas.fact_kinds import FACT_KINDS
from schemas.plan.check import load_plan
from schemas.plan.models import OPERATORS
from schemas.plan.written import WrittenPlan, WrittenSettings
from schemas.plan.written_form import Written
from schemas.terms import Period

REFERENCE = (Path(__file__).resolve().parents[3] / "docs" / "plan.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
TASKS = "key_tasks: {create: A, share: B, complete: C}\n"


def examples() -> list[str]:
    """The YAML blocks, each as a plan; of the block with all activations one plan a line."""
    found = []
    for block in BLOCKS:
        if block.startswith("where:"):
            found.append("activity:\n  event: A\n" + re.sub(r"^", "  ", block, flags=re.MULTILINE))
        elif block.startswith("activation:"):
            found += block.splitlines()
        else:
            found.append(block)
    return found


@pytest.mark.parametrize("example", examples())
def test_an_example_is_a_good_plan(example: str) -> None:
    load_plan("product: T\n" + ("" if "key_tasks:" in example else TASKS) + example)


def written_keys(model: type[Written]) -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        keys.add(field.alias or name)
        keys |= _keys_in(field.annotation)
    return keys


def _keys_in(annotation: Any) -> set[str]:
    if isinstance(annotation, type) and issubclass(annotation, Written):
        return written_keys(annotation)
    return set().union(*(_keys_in(each) for each in get_args(annotation)))


def test_every_key_is_explained() -> None:
    explained = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`[^`\n]+`", REFERENCE))))
    explained |= set(re.findall(r"^### (\w+)$", REFERENCE, re.MULTILINE))
    everything = {*written_keys(WrittenPlan), *FACT_KINDS, *OPERATORS, *get_args(Period)}
    assert everything - explained == set()


def test_every_top_level_key_has_its_section_and_link() -> None:
    headings = re.findall(r"^### (\w+)$", REFERENCE, re.MULTILINE)
    assert sorted(headings) == sorted(WrittenPlan.model_fields)
    assert all(f"[{key}](#{key})" in REFERENCE for key in headings)


def test_every_condition_of_memberships_has_its_line() -> None:
    section = REFERENCE.partition("#### Conditions of memberships")[2].partition("\n### ")[0]
    lines = re.findall(r"^\| `\{.*", section, re.MULTILINE)
    told = {key for line in lines for key in re.findall(r"`\{(\w+): ", line.split(" | ")[0])}
    forms = {
        next(field.alias or name for name, field in form.model_fields.items())
        for form in get_args(Holds)
        if form is not EachHolds  # which only settings of the catalogue's rows need
    }
    assert told == forms


@pytest.mark.parametrize(
    ("section", "written"),
    [
        (name, default)
        for name in ("milestones", "horizon", "watermark", "duplicates", "limits", "account_view")
        for default in [
            dict(
                re.findall(
                    r"^\| `(\w+)` \| `([^`]+)` \|",
                    REFERENCE.split(f"\n### {name}\n")[1].split("\n### ")[0],
                    re.MULTILINE,
                )
            )
        ]
    ],
)
def test_a_default_is_the_one_stated(section: str, written: dict[str, str]) -> None:
    stated = {key: yaml.safe_load(value) for key, value in written.items()}
    assert stated
    plan = load_plan("product: T\n" + yaml.safe_dump({section: stated}))
    assert plan == load_plan("product: T\n")


def test_the_stated_settings_are_the_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", REFERENCE.split("| setting |")[1], re.M)
    stated = {key: yaml.safe_load(value) for key, value in rows}
    settings = {key: stated[key] for key in WrittenSettings.model_fields}
    plan = load_plan("product: T\n" + yaml.safe_dump({"kpis": {"settings": settings}}))
    assert plan == load_plan("product: T\n")
