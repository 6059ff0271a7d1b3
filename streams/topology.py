"""How the stages of a plan fit together: who reads whom, in how many partitions."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.formats import format_named
from schemas.plan.models import Input, Plan
from streams.accounts.duplicates import IDS_MAX
from streams.accounts.stage import Accounts
from streams.catalogue import Catalogue
from streams.company.stage import Company
from streams.compiled_plan import CompiledPlan
from streams.history import NEW, History
from streams.ingest.stage import Ingest
from streams.tallies.stage import Tallies
from streams.users.stage import Users
from streams.warmth import LEAVES_PART, WARM


class Partitions(NamedTuple):
    """Partitions of the stages. `headwater topics reshard` changes them under a prefix."""

    accounts: int = 4
    users: int = 4
    tallies: int = 2


class Topology:
    """Makes the stage partitions of a plan."""

    def __init__(
        self,
        plan: Plan,
        input_partitions: dict[str, int],
        *,
        partitions: Partitions = Partitions(),  # noqa: B008 - it is immutable
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
        finite: bool = False,
        keeps_state: bool = True,
        history: History = NEW,
        warm: int = WARM,
        key: bytes | None = None,
    ) -> None:
        """`input_partitions`: of every input topic. `bounded`, `until`, `finite`: see Ingest.

        `throttled` False: nothing is held back to spare readers (a replay). `keeps_state` False:
        nobody saves it, so that state of which there is much may be left out of what is flushed.
        `warm`: memberships that all partitions together keep unpacked, see warmth. `key`: of hashes
        of ids.
        """
        self.plan, self.partitions = plan, partitions
        self.compiled = CompiledPlan(plan, history, key)
        self._bounded, self._throttled, self._until = bounded, throttled, until
        self._finite, self._keeps_state = finite, keeps_state
        self._warm = warm
        read = [input for input in plan.inputs if input.topic in input_partitions]
        # Where nothing is read that would drive, what is there has to.
        driving = [input for input in read if input.drives_watermark] or read
        self._inputs = [
            f"{input.topic}:{partition}"
            for input in driving
            for partition in range(input_partitions[input.topic])
        ]

    @property
    def hash(self) -> str:
        """Of the plan."""
        return self.compiled.hash

    @property
    def history(self) -> History:
        """Of the prefix."""
        return self.compiled.history

    @property
    def catalogue(self) -> Catalogue:
        return self.compiled.catalogue

    def ingest(self, input: Input, partition: int) -> Ingest:
        return Ingest(
            self.compiled,
            format_named(
                input.format,
                format_options(input),
                subject_required=not self.plan.has_facts_of_nobody,
            ),
            source=f"{input.topic}:{partition}",
            partitions=self.partitions.accounts,
            input=input,
            bounded=self._bounded,
            throttled=self._throttled,
            until=self._until,
            finite=self._finite,
        )

    def accounts(self, partition: int) -> Accounts:
        return Accounts(
            self.compiled,
            partition=partition,
            sources=self._inputs,
            account_partitions=self.partitions.accounts,
            user_partitions=self.partitions.users,
            tally_partitions=self.partitions.tallies,
            bounded=self._bounded,
            throttled=self._throttled,
            until=self._until,
            keeps_state=self._keeps_state,
            warm=_share(self._warm, self.partitions.accounts),
            ids_max=_share(IDS_MAX, self.partitions.accounts),
        )

    def users(self, partition: int) -> Users:
        return Users(
            self.compiled,
            partition=partition,
            sources=_sources("accounts", self.partitions.accounts),
            user_partitions=self.partitions.users,
            account_partitions=self.partitions.accounts,
            tally_partitions=self.partitions.tallies,
            bounded=self._bounded,
            throttled=self._throttled,
            until=self._until,
            warm=_share(self._warm // LEAVES_PART, self.partitions.users),
        )

    def tallies(self, partition: int) -> Tallies:
        return Tallies(
            self.compiled,
            partition=partition,
            partitions=self.partitions.tallies,
            bounded=self._bounded,
            throttled=self._throttled,
            until=self._until,
            sources=[
                *_sources("accounts", self.partitions.accounts),
                *_sources("users", self.partitions.users),
            ],
        )

    def company(self) -> Company:
        return Company(
            self.compiled,
            sources=[
                *_sources("tallies", self.partitions.tallies),
                *(
                    _sources("accounts", self.partitions.accounts)
                    if self.compiled.member_lists
                    else ()
                ),
            ],
            accounts=_sources("accounts", self.partitions.accounts),
            bounded=self._bounded,
            throttled=self._throttled,
            until=self._until,
        )


def _share(bound: int, partitions: int) -> int:
    """What is left of a stage's bound to one of its partitions."""
    return max(bound // partitions, 1)


def _sources(stage: str, partitions: int) -> list[str]:
    return [f"{stage}:{partition}" for partition in range(partitions)]


def format_options(input: Input) -> dict[str, object]:
    """What the plan says of a format beside its name."""
    if input.fields is None:
        return {"clock": input.clock}
    options: dict[str, object] = {
        "fields": input.fields.model_dump(exclude_none=True),
        "time_unit": input.time_unit,
        "event_name": input.name,
    }
    if input.format == "csv":
        options |= {"columns": input.columns, "delimiter": input.delimiter}
    return options
