"""`headwater` itself: its help teaches, quickly, and every command can be reached."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from agents.cli import COMMANDS, main

HEAVY = {"faust", "confluent_kafka", "kafka", "pydantic", "msgspec", "rich", "yaml"}


def test_help_shows_the_way_from_a_file_to_numbers() -> None:
    ran = CliRunner().invoke(main, ["--help"])
    assert ran.exit_code == 0
    steps = ["plan infer", "plan check", "replay", "topics create", "run"]
    places = [ran.output.index(f"headwater {step}") for step in steps]
    assert places == sorted(places)
    assert "Exit codes" in ran.output


def test_help_imports_nothing_that_takes_time() -> None:
    script = (
        "import sys; from agents.cli import main; main(['--help'], standalone_mode=False); "
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_an_example(name: str) -> None:
    command = main.commands[name]  # type: ignore[attr-defined]
    assert command.name == name
    of = [command, *command.commands.values()] if isinstance(command, click.Group) else [command]
    assert any("headwater " + name in (each.help or "") for each in of)
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_the_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"headwater": "1.2.3"}.__getitem__)
    assert CliRunner().invoke(main, ["--version"]).output == "headwater, version 1.2.3\n"


def test_an_unknown_command_is_bad_usage() -> None:
    ran = CliRunner().invoke(main, ["reply"])
    assert ran.exit_code == 2
    assert "No such command 'reply'" in ran.output
