"""The key for hashes of ids comes from the environment, and only where a plan needs one."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.privacy_key import KEY_VARIABLE, KeyInvalid, privacy_key
from schemas.plan.check import load_plan

PLAN = "product: Keys\nactivity: all\n"
ERASING = PLAN + "erasure: {users: Forget Me}\n"


def test_a_plan_that_hashes_no_ids_needs_no_key() -> None:
    assert privacy_key(load_plan(PLAN), {}) is None
    with pytest.raises(KeyInvalid):
        privacy_key(load_plan(PLAN + "privacy: {pseudonyms: [users]}\n"), {})


def test_a_key_is_what_the_variable_says() -> None:
    key = "0123456789abcdef"
    assert privacy_key(load_plan(ERASING), {KEY_VARIABLE: f"{key}\n"}) == key.encode()


@pytest.mark.parametrize(("key", "found"), [(None, "is not set"), ("short", "has 5 bytes")])
def test_a_key_that_is_missing_or_short_is_refused_with_what_to_do(
    key: str | None, found: str
) -> None:
    with pytest.raises(KeyInvalid, match=f"{KEY_VARIABLE} {found}.*openssl rand"):
        privacy_key(load_plan(ERASING), {} if key is None else {KEY_VARIABLE: key})


@pytest.mark.parametrize("command", ["replay", "run", "erase"])
def test_no_command_begins_without_a_key(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    plan, events = tmp_path / "plan.yaml", tmp_path / "events.jsonl"
    plan.write_text(ERASING)
    events.write_text("")
    broker = ["--bootstrap-servers", "127.0.0.1:1"]
    more = {"replay": [str(events), "--out", str(tmp_path)], "run": broker, "erase": broker}
    arguments = [command, *more[command], "--plan", str(plan)]
    ran = CliRunner().invoke(main, [*arguments, *(["--user", "u1"] if command == "erase" else [])])
    assert ran.exit_code == 2
    assert KEY_VARIABLE in ran.output
