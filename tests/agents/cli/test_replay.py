"""`headwater replay`: what it writes, what it refuses, and what it says at the end."""

import base64
import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from tests.replays import read_replay

PLAN = """\
product: Incident desk
activity: all
activation: Incident Completed
key_tasks: {complete: Incident Completed}
milestones: {distinct_users: [1, 2]}
limits: {event_bytes: 2000}
"""
RESULTS = {
    "kpis.jsonl",
    "lists.jsonl",
    "signals.jsonl",
    "alerts.jsonl",
    "dead_letters.jsonl",
    "receipts.jsonl",
    "summary.json",
}


def call(time: str, user: str, name: str = "Incident Accepted", **fields: Any) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": name,
            "userId": user,
            "messageId": f"{time}-{user}-{name}",
            "timestamp": time,
            "context": {"groupId": "a1"},
            **fields,
        }
    )


EVENTS = [
    call("2026-03-01T10:00:00Z", "u1"),
    call("2026-03-01T11:30:00Z", "u1", "Incident Completed"),
    call("2026-03-02T09:00:00Z", "u2"),
    call("2026-03-02T09:10:00Z", "u2", "Incident Completed"),
]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def file_of(path: Path, lines: list[bytes]) -> Path:
    content = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def replay(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def test_results_and_summary_are_written(tmp_path: Path, plan: Path) -> None:
    out = tmp_path / "deep" / "out"
    ran = replay(file_of(tmp_path / "e.jsonl", EVENTS), "--plan", plan, "--out", out)

    assert ran.exit_code == 0, ran.output
    assert {path.name for path in out.iterdir()} == RESULTS
    summary = read_replay(out).summary
    assert summary.pop("seconds") > 0
    assert summary.pop("events_per_s") > 0
    assert summary == {
        "events": 4,
        "facts": 12,
        "dead_letters": 0,
        "signals": 4,
        "alerts": 0,
        "watermark": "2026-03-03T00:00:00.000Z",
        "activation_lag_seconds": {"n": 2, "median": 3000.0, "p90": 4920.0},
    }


def test_what_state_costs_is_told_where_it_is_asked_for(tmp_path: Path, plan: Path) -> None:
    out, state = tmp_path / "out", tmp_path / "state"
    file = file_of(tmp_path / "e.jsonl", EVENTS)
    ran = replay(file, "--plan", plan, "--out", out, "--costs")
    in_memory = read_replay(out).summary["state"]
    durable = replay(file, "--plan", plan, "--out", out, "--costs", "--state", state)

    assert (ran.exit_code, durable.exit_code) == (0, 0)
    assert "2 memberships" in ran.output
    assert {each["operator"] for each in in_memory["operators"]} >= {"distinct", "lag"}
    assert read_replay(out).summary["state"] == in_memory


def test_every_value_of_the_last_day_is_final(tmp_path: Path, plan: Path) -> None:
    out = tmp_path / "out"
    replay(file_of(tmp_path / "e.jsonl", EVENTS), "--plan", plan, "--out", out)
    assert final_days(out) == {"2026-03-01": 1, "2026-03-02": 1}


def final_days(out: Path) -> dict[str, int]:
    """Daily active users of the days that are over."""
    return {
        record["start"][:10]: record["value"]
        for key, record in read_replay(out).kpis.items()
        if key.kpi == "dau" and record["status"] == "final"
    }


def test_until_moves_the_end_of_time(tmp_path: Path, plan: Path) -> None:
    out = tmp_path / "out"
    file = file_of(tmp_path / "e.jsonl", EVENTS)
    replay(file, "--plan", plan, "--out", out, "--until", "2026-03-05")
    assert read_replay(out).summary["watermark"] == "2026-03-05T00:00:00.000Z"
    assert list(final_days(out).values()) == [1, 1, 0, 0]


def test_several_files_give_what_one_gives(tmp_path: Path, plan: Path) -> None:
    whole = file_of(tmp_path / "whole.jsonl", EVENTS)
    parts = [file_of(tmp_path / f"part{n}.jsonl.gz", EVENTS[n::2]) for n in range(2)]
    replay(whole, "--plan", plan, "--out", tmp_path / "one")
    replay(*parts, "--plan", plan, "--out", tmp_path / "two")

    one, two = read_replay(tmp_path / "one"), read_replay(tmp_path / "two")
    assert {k: (r["value"], r["status"]) for k, r in one.kpis.items()} == {
        k: (r["value"], r["status"]) for k, r in two.kpis.items()
    }
    assert one.signals.keys() == two.signals.keys()


def test_what_cannot_be_read_names_file_and_line(tmp_path: Path, plan: Path) -> None:
    long = call("2026-03-01T12:00:00Z", "u3", properties={"text": "x" * 5000})
    first = file_of(tmp_path / "first.jsonl", EVENTS)
    second = file_of(tmp_path / "second.jsonl", [*EVENTS[:2], b"{oops", long])
    ran = replay(first, second, "--plan", plan, "--out", tmp_path / "out")

    letters = read_replay(tmp_path / "out").dead_letters
    assert [(each["code"], each["offset"]) for each in letters] == [
        ("malformed_json", 3),
        ("too_large", 4),
    ]
    assert {(each["topic"], each["partition"]) for each in letters} == {(str(second), 0)}
    assert base64.b64decode(letters[0]["original"]) == b"{oops"
    assert long.startswith(base64.b64decode(letters[1]["original"]))
    assert "1 malformed_json" in ran.stdout
    assert "1 too_large" in ran.stdout


def test_no_events_are_no_error(tmp_path: Path, plan: Path) -> None:
    ran = replay(file_of(tmp_path / "e.jsonl", []), "--plan", plan, "--out", tmp_path / "out")
    assert ran.exit_code == 0, ran.output
    summary = read_replay(tmp_path / "out").summary
    assert (summary["events"], summary["watermark"]) == (0, None)
    assert summary["activation_lag_seconds"] == {"n": 0, "median": None, "p90": None}


def test_a_file_that_breaks_leaves_the_earlier_results(tmp_path: Path, plan: Path) -> None:
    out = tmp_path / "out"
    good = file_of(tmp_path / "good.jsonl", EVENTS)
    replay(good, "--plan", plan, "--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b"\n".join(EVENTS))[:-20])

    ran = replay(good, broken, "--plan", plan, "--out", out)

    assert ran.exit_code == 1
    assert "broken.jsonl.gz" in ran.stderr
    assert "Traceback" not in ran.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_earlier_results_are_replaced(tmp_path: Path, plan: Path) -> None:
    out = tmp_path / "out"
    for lines in (EVENTS, EVENTS[:1]):
        file = file_of(tmp_path / "e.jsonl", lines)
        assert replay(file, "--plan", plan, "--out", out).exit_code == 0
    assert read_replay(out).summary["events"] == 1
    assert {path.name for path in out.iterdir()} == RESULTS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jsonl", "--plan", "plan.yaml", "--out", "out"], "does not exist"),
        (["e.jsonl", "--plan", "plan.yaml", "--out", "e.jsonl"], "is a file"),
        (["e.jsonl", "--plan", "bad.yaml", "--out", "out"], "bad.yaml:2"),
        (["e.jsonl", "--plan", "plan.yaml", "--out", "out", "--until", "soon"], "is no time"),
        (["e.jsonl", "--plan", "plan.yaml", "--out", "out", "--input", "x"], "no input x"),
        (["e.jsonl", "--plan", "two.yaml", "--out", "out"], "--input"),
        (["--plan", "plan.yaml", "--out", "out"], "Missing argument"),
    ],
)
def test_bad_usage_and_bad_plans_end_with_2(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    plan: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file_of(Path("e.jsonl"), EVENTS)
    Path("bad.yaml").write_text("product: x\nactivty: all\n")
    Path("two.yaml").write_text(f"{PLAN}inputs: [{{topic: one}}, {{topic: two}}]\n")

    ran = replay(*arguments)

    assert ran.exit_code == 2
    assert said in ran.stderr
    assert not Path("out").exists()


def test_with_several_inputs_one_is_named(tmp_path: Path, plan: Path) -> None:
    file = file_of(
        tmp_path / "e.jsonl", [b'{"name": "Page Viewed", "at": 1772359200, "who": "u1"}']
    )
    plan.write_text(
        f"{PLAN}inputs:\n  - {{topic: one}}\n"
        "  - topic: own\n    format: mapping\n"
        "    fields: {name: name, time: at, user: who}\n    time_unit: s\n"
    )
    for topic, letters in (("one", 1), ("own", 0)):
        out = tmp_path / topic
        ran = replay(file, "--plan", plan, "--out", out, "--input", topic)
        assert ran.exit_code == 0, ran.output
        assert read_replay(out).summary["dead_letters"] == letters


TWO_INPUTS = """inputs:
- {topic: product-events}
- name: billing
  topic: billing-export
  format: csv
  columns: [invoice, org, paid_at, total]
  fields: {account: org, time: paid_at, message_id: invoice}
  drives_watermark: false
  events: [{event: billing, is: payment, value: {property: total, scale: 100}}]
"""
PAYMENTS = [b"1,a1,2026-03-01,12.50", b"2,a1,2026-03-02,0.50", b"2,a1,2026-03-02,0.50", b"3,a1"]


def values_of(folder: Path) -> dict[Any, Any]:
    return {key: record["value"] for key, record in read_replay(folder).kpis.items()}


def revenue_of(folder: Path) -> list[Any]:
    kpis = read_replay(folder).kpis
    months = [key for key in kpis if (key.kpi, key.period) == ("revenue", "month")]
    return [kpis[key]["value"] for key in months if key.segment == "all"]


def test_files_of_several_inputs_are_replayed_together(
    tmp_path: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan.write_text(PLAN + TWO_INPUTS)
    for name, lines in (("e", EVENTS), ("e1", EVENTS[:2]), ("e2", EVENTS[2:])):
        file_of(Path(f"{name}.jsonl"), lines)
    header = b"invoice,org,paid_at,total"
    for name, lines in (("p", PAYMENTS), ("p-1", PAYMENTS[:1]), ("p-2", PAYMENTS[1:])):
        file_of(Path(f"{name}.csv"), [header, *lines])

    runs = {
        "one": ["product-events=e.jsonl", "billing=p.csv"],
        "split": ["billing=p-*.csv", "product-events=e2.jsonl", "product-events=e1.jsonl"],
        "read apart": ["billing-export=p.csv", "product-events=e.jsonl", "--processes", "3"],
        "kept": ["billing=p.csv", "e.jsonl", "--input", "product-events", "--state", "state"],
    }
    for out, arguments in runs.items():
        ran = replay(*arguments, "--plan", plan, "--out", out, "--until", "2026-04-01")
        assert ran.exit_code == 0, ran.output
        assert revenue_of(Path(out)) == [1300], out
        assert values_of(Path(out)) == values_of(Path("one")), out
    (letter,) = (each for each in read_replay(Path("one")).dead_letters if "input" in each
                 and each["input"] == "billing")  # fmt: skip
    assert (letter["topic"], letter["offset"], letter["code"]) == ("p.csv", 5, "malformed_csv")


def test_a_file_of_no_input_is_refused(tmp_path: Path, plan: Path) -> None:
    plan.write_text(PLAN + TWO_INPUTS)
    file = file_of(tmp_path / "e.jsonl", EVENTS)
    out = tmp_path / "out"
    for argument, said in (
        (f"biling={file}", "the plan has no input biling, only product-events, billing"),
        (f"billing={tmp_path}/none.csv", "does not exist"),
        (str(file), f"say of which {file} is, such as product-events={file}"),
    ):
        ran = replay(argument, "--plan", plan, "--out", out)
        assert ran.exit_code == 2
        assert said in " ".join(ran.stderr.replace("\u2502", " ").split()), ran.stderr


def test_a_file_may_have_an_equals_sign_in_its_name(tmp_path: Path, plan: Path) -> None:
    file = file_of(tmp_path / "day=1.jsonl", EVENTS)
    assert replay(file, "--plan", plan, "--out", tmp_path / "out").exit_code == 0


def test_the_last_words_are_plain_where_there_is_no_terminal(tmp_path: Path, plan: Path) -> None:
    file = file_of(tmp_path / "e.jsonl", EVENTS)
    said = replay(file, "--plan", plan, "--out", tmp_path / "out").stdout

    assert "\x1b" not in said
    assert max(map(len, said.splitlines()[:-1])) <= 100
    assert "Incident desk" in said
    assert "1 Mar 2026 to 2 Mar 2026" in said
    assert "u2 activated after 10 min" in said
    assert "a1 reached 2 users" in said
    assert "the plan maps no event to session, feature" in said
