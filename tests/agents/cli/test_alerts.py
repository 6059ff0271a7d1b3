"""`headwater alerts`: what tail shows of a real broker, and what deliver is given."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from agents.cli import main
from agents.cli.alerts import filtering, line_of
from agents.topics import create, topic_name
from schemas.outputs import ALERTS

DATA = {
    "rule": "quiet",
    "severity": "critical",
    "account": "a1",
    "state": "firing",
    "at": "2026-03-01T10:20:30.000Z",
    "title": "a1 is quiet\x1b[2J",
    "held_back": False,
}


def test_a_line_says_what_and_when_and_ids_do_not_talk_to_the_terminal() -> None:
    plain = "firing     2026-03-01 10:20  critical  quiet: a1 is quiet?[2J"
    assert plain in line_of(DATA).replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "")
    assert line_of(DATA | {"held_back": True}).endswith("(held back)")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (((), (), (), ()), True),
        ((("quiet", "other"), ("critical",), ("a1",), ("firing",)), True),
        ((("other",), (), (), ()), False),
        (((), ("info",), (), ()), False),
        (((), (), ("a2",), ()), False),
        (((), (), (), ("resolved",)), False),
    ],
)
def test_all_that_is_asked_for_has_to_fit(asked: tuple[tuple[str, ...], ...], shown: bool) -> None:
    assert filtering(*asked)(DATA) is shown


def test_tail_shows_what_the_topic_has(kafka: str, prefix: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"product: Tail\nprefix: {prefix}\n")
    options = ["alerts", "tail", "--plan", str(plan), "--bootstrap-servers", kafka, "--no-follow"]
    missing = CliRunner().invoke(main, [*options, "--all"])
    assert missing.exit_code == 1
    assert "There is no topic" in missing.output

    create(kafka, prefix)
    producer = KafkaProducer(bootstrap_servers=kafka)
    for account in ("a1", "a2"):
        event = {"type": "headwater.alert.firing", "data": DATA | {"account": account}}
        producer.send(topic_name(prefix, ALERTS), orjson.dumps(event))
    producer.close()

    told = CliRunner().invoke(main, [*options, "--all", "--account", "a2", "--json"])
    assert told.exit_code == 0, told.output
    assert [orjson.loads(line)["data"]["account"] for line in told.output.splitlines()] == ["a2"]
    now_on = CliRunner().invoke(main, options)
    assert now_on.output == ""


def test_all_mistakes_in_a_file_of_sinks_are_told_before_anything_is_connected_to(
    tmp_path: Path,
) -> None:
    plan, sinks = tmp_path / "plan.yaml", tmp_path / "sinks.yaml"
    plan.write_text("product: Sinks\n")
    sinks.write_text("sinks:\n  chat:\n    slack: {url: {env: NOT_SET}}\n    only: {rules: [x]}\n")
    options = ["--plan", str(plan), "--bootstrap-servers", "127.0.0.1:1"]
    told = CliRunner().invoke(main, ["alerts", "deliver", str(sinks), *options])
    assert told.exit_code == 2
    assert f"{sinks}:3: the variable `NOT_SET` is not set at sinks.chat.slack.url" in told.output
    assert f"{sinks}:4: the plan has no rule `x` at sinks.chat.only.rules" in told.output
    assert "2 mistakes" in told.output
