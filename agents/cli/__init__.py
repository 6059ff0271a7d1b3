"""`headwater`: the command line. A command's code is imported when that command is asked for."""

import atexit
import gc
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "demo": "A company's growth, live, with nothing to set up.",
    "replay": "Compute every number from files of events.",
    "export": "Write the numbers of a replay for Prometheus.",
    "run": "Work on Kafka: events in, numbers and signals out.",
    "account": "Show one account: who is in it, where it stands, what is firing.",
    "assign": "Say which variant of an experiment somebody gets.",
    "alerts": "Show the alerts of a running installation, or deliver them.",
    "erase": "Forget a user or an account: in state, numbers, signals and topics.",
    "topics": "Create the topics that `run` needs, or check them.",
    "simulate": "Generate the events of a believable company.",
    "plan": "Check a plan, or propose one from a sample of events.",
}
"""Each stands in the module of its name; in the order in which one meets them."""


class _OnDemand(dict[str, click.Command]):
    """The commands by name; one is imported when it is looked up."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COMMANDS, click.Command(None)))

    def __getitem__(self, name: str) -> click.Command:
        super().__getitem__(name)
        command: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
        return command

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


class _Headwater(click.Group):
    """Lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Headwater,
    commands=_OnDemand(),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`headwater COMMAND --help` has examples. Exit codes: 0 done, 1 failed, 2 bad usage or "
    "plan.",
)
@click.version_option(package_name="headwater", prog_name="headwater")
def main() -> None:
    """Product-led-growth numbers from a stream of product events: who is active, how long people
    take from first action to activation, which accounts grow.

    A plan says what your events mean. To begin with a file of them (Segment's calls, or your own
    JSON, one a line):

    \b
      headwater plan infer events.jsonl > plan.yaml
      headwater plan check plan.yaml
      headwater replay events.jsonl --plan plan.yaml --out numbers

    \b
    And the same on Kafka, kept true while events arrive:
      headwater topics create --plan plan.yaml --bootstrap-servers localhost:9092
      headwater run --plan plan.yaml --bootstrap-servers localhost:9092
    """
    # The process ends: to look for garbage in all that it held would take seconds.
    atexit.register(gc.freeze)
