"""`headwater plan`: exit codes, what is written where, and files as people have them."""

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from agents.cli.plan import plan
from schemas.plan import load_plan, plan_hash

PLANS = Path(__file__).resolve().parents[3] / "plans"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(plan, [str(a) for a in arguments])


def call(n: int, name: str = "Report Created", **fields: Any) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": name,
            "userId": f"u{n}",
            "messageId": f"m{n}-{name}",
            "timestamp": f"2026-03-01T10:{n:02d}:00.000Z",
            "context": {"groupId": "a1"},
            **fields,
        }
    )


@pytest.mark.parametrize("file", sorted(PLANS.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_example_plan_is_good(file: Path) -> None:
    ran = run("check", file)
    assert ran.exit_code == 0, ran.output
    assert "is a good plan" in ran.stdout
    assert plan_hash(load_plan(file)) in ran.stdout


def test_idle_kpis_are_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("product: T\n", encoding="utf-8")
    ran = run("check", file)
    assert "idle       sessions: the plan maps no event to session" in ran.stdout


def test_rows_that_follow_a_condition_of_the_plan_are_named(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    condition = "{pql_accounts: {since: {kind: activity}}, hot_leads: {since: {kind: activity}}}"
    file.write_text(
        f"product: T\nkpis: {{also: [pql_accounts], conditions: {condition}}}\n", encoding="utf-8"
    )
    lines = run("check", file).stdout.splitlines()
    assert "conditions pql_accounts: as the plan says, not the catalogue" in lines
    assert "idle       hot_leads: runs only if listed in kpis.also" in lines


def test_every_mistake_is_on_a_line_of_its_own_and_the_exit_code_is_2(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "product: T\nactivty: all\nevents:\n- {event: A, is: [activity, activaton]}\n"
        "kpis: {only: [dao]}\n",
        encoding="utf-8",
    )
    ran = run("check", file)
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.splitlines() == [
        f"{file}:2: unknown key `activty`; did you mean `activity`?",
        f"{file}:4: unknown fact kind `activaton` at events.0; did you mean `activation`?",
        f"{file}:5: unknown KPI `dao` at kpis.only.0; did you mean `dau`?",
        f"3 mistakes in {file}",
    ]


def test_a_plan_that_is_not_there_is_bad_usage() -> None:
    assert run("check", "nowhere.yaml").exit_code == 2


def test_a_plan_is_proposed_from_several_files(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(b"\n".join(call(n, "Opened") for n in range(10)))
    packed.write_bytes(gzip.compress(b"\n".join(call(n) for n in range(5))))
    ran = run("infer", plain, packed)
    assert ran.exit_code == 0, ran.output
    assert "from 15 events" in ran.stdout
    proposed = load_plan(ran.stdout)
    assert proposed.names("key_task") == ("report created",)
    assert proposed.activation is not None


def test_what_cannot_be_read_is_reported_apart_from_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(call(1) + b"\nnonsense\n" + call(2, event=None) + b"\n")
    ran = run("infer", file)
    assert ran.exit_code == 0, ran.output
    assert "from 1 event " in ran.stdout
    assert "left out: 1 with malformed_json" in ran.stderr
    assert "left out: 1 with missing_name" in ran.stderr
    load_plan(ran.stdout)


def test_files_without_any_event_fail(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"nonsense\n")
    ran = run("infer", file)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert "no event could be read" in ran.stderr


def test_a_sample_may_be_cut(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join(call(n) for n in range(10)))
    ran = run("infer", "--events", "4", file)
    assert "from 4 events" in ran.stdout
    assert "first 4 events only" in ran.stderr


def test_a_plan_says_how_the_files_are_written(tmp_path: Path) -> None:
    reader, file = tmp_path / "reader.yaml", tmp_path / "a.jsonl"
    reader.write_text(
        "product: T\ninputs: [{topic: t, format: mapping, time_unit: s,"
        " fields: {name: action, time: ts, user: actor.id}}]\n",
        encoding="utf-8",
    )
    file.write_bytes(
        b"\n".join(
            orjson.dumps({"action": "Sent", "ts": 1_770_000_000 + n, "actor": {"id": n}})
            for n in range(5)
        )
    )
    ran = run("infer", "--plan", reader, file)
    assert ran.exit_code == 0, ran.output
    assert "5 users" in ran.stdout
    assert load_plan(ran.stdout).inputs == load_plan(reader).inputs


def test_a_wrong_plan_to_read_by_is_a_bad_plan(tmp_path: Path) -> None:
    reader, file = tmp_path / "reader.yaml", tmp_path / "a.jsonl"
    reader.write_text("product: T\ninputs: []\n", encoding="utf-8")
    file.write_bytes(call(1))
    assert run("infer", "--plan", reader, file).exit_code == 2


def test_a_broken_file_fails_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(call(1) * 1000)[:40])
    ran = run("infer", file)
    assert ran.exit_code == 1
    assert "a.jsonl.gz" in ran.stderr


def test_the_schema_is_json() -> None:
    ran = run("schema")
    assert json.loads(ran.stdout)["title"] == "Headwater plan"
