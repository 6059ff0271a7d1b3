"""What several commands take: a plan, a moment, the address of a broker; and how they speak."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from agents.settings import Settings
    from agents.web import Address
    from schemas.plan.check import PlanInvalid
    from schemas.plan.models import Plan
    from streams.ingest.pseudonyms import Pseudonyms

EXIT_BAD_USAGE = 2
EARLIEST = "earliest"


class Moment(click.ParamType):
    """An ISO-8601 time, in UTC unless it says otherwise; UTC milliseconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time: write a date such as 2026-03-01 or a time such as "
                "2026-03-01T09:30:00Z",
                param,
                ctx,
            )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)


class Beginning(Moment):
    """A moment, or the word for all there is (None)."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        return None if value == EARLIEST else super().convert(value, param, ctx)


class Listening(click.ParamType):
    """HOST:PORT to listen on."""

    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Address":
        from agents.settings import read_address

        problems: list[str] = []
        address = read_address(value, problems)
        if address is None:
            self.fail("\n".join(problems), param, ctx)
        return address


plan_option = click.option(
    "--plan",
    "plan_file",
    metavar="PLAN",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The YAML file that says what the events mean.",
)


service_http_option = click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve /metrics, /healthz and /readyz there, or HEADWATER_HTTP. By default nowhere.",
)
http_option = click.option(
    "--http",
    metavar="HOST:PORT",
    type=Listening(),
    help="Serve /metrics, /healthz and /readyz there while it runs. By default nowhere.",
)


def plan_in(file: Path) -> "Plan":
    """The plan in a file; on mistakes in it all are reported and the command ends."""
    from schemas.plan.check import PlanInvalid, load_plan
    from streams.catalogue import catalogue_ids
    from streams.catalogue.checks import plan_problems

    try:
        plan = load_plan(file, known_kpis=catalogue_ids())
        problems = plan_problems(plan)
        if problems:
            raise PlanInvalid(problems)
        return plan
    except PlanInvalid as invalid:
        report_problems(invalid, file)
        raise click.exceptions.Exit(EXIT_BAD_USAGE) from None
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None


def check_key(plan: "Plan") -> None:
    """Ends the command if the plan needs a key for hashes of ids that there is not."""
    key_in(plan)


def key_in(plan: "Plan") -> bytes | None:
    """The key for hashes of ids, None where the plan needs none; without it the command ends."""
    from agents.privacy_key import KeyInvalid, privacy_key

    try:
        return privacy_key(plan)
    except KeyInvalid as error:
        raise click.UsageError(str(error)) from None


def pseudonyms_in(plan: "Plan") -> "Pseudonyms | None":
    """What stands for ids under a plan; None where they stand for themselves."""
    from streams.compiled_plan import CompiledPlan

    return CompiledPlan(plan, key=key_in(plan)).pseudonyms


def report_problems(invalid: "PlanInvalid", file: Path) -> None:
    """Writes every problem of a plan to standard error, one a line, in the order of the file."""
    from rich.markup import escape

    console = notes()
    for problem in invalid.problems:
        place = f"{file}:{problem.line}" if problem.line else str(file)
        console.print(f"[bold]{escape(place)}[/]: {escape(str(problem))}")
    count = len(invalid.problems)
    console.print(f"[red]{count} mistake{'' if count == 1 else 's'}[/] in {escape(str(file))}")


def notes() -> "Console":
    """What is no result goes to standard error, unwrapped, so that lines stay lines."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


def clean(value: object) -> str:
    """Ids come from events, and so from anybody: they may not talk to the terminal."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else "?" for c in str(value)))


def kafka_options(command: Callable[..., None]) -> Callable[..., None]:
    """The address of a broker, and how to talk to it."""
    for option in (
        click.option(
            "--kafka",
            metavar="KEY=VALUE",
            multiple=True,
            help="A setting of librdkafka, such as security.protocol=SSL; may be repeated. Or set "
            "HEADWATER_KAFKA_SECURITY_PROTOCOL and so on, better for passwords.",
        ),
        click.option(
            "--bootstrap-servers",
            metavar="HOST:PORT,...",
            help="Where Kafka is, or HEADWATER_BOOTSTRAP_SERVERS.",
        ),
    ):
        command = option(command)
    return command


def settings_in(
    bootstrap_servers: str | None,
    kafka: Iterable[str],
    slot: str | None = None,
    http: str | None = None,
) -> "Settings":
    """The settings; on mistakes in them all are reported and the command ends."""
    from agents.settings import SettingsInvalid, read_settings

    try:
        return read_settings(bootstrap_servers, kafka, slot, http=http)
    except SettingsInvalid as invalid:
        raise click.UsageError("\n".join(invalid.problems)) from None
