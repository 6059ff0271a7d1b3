"""The things of a partition of accounts: facts into them, words of accounts to others, removal."""

from collections.abc import Iterator

from schemas.batches import Header
from schemas.batches import Values as FactValues
from streams.accounts.event_codes import Coded, EventCodes
from streams.accounts.thing_forgetting import ThingForgetting
from streams.accounts.things import Place, Things
from streams.compiled_plan import CompiledPlan
from streams.fact_batches import FactBatches
from streams.measures.kinds import Fact, Moment
from streams.measures.of_subjects import Values
from streams.roles import USER_STATE_ROLE
from streams.stage import Outgoing


class HeldThings:
    """Those of one partition."""

    def __init__(
        self,
        compiled: CompiledPlan,
        codes: EventCodes,
        horizon_days: int | None,
        account_partitions: int,
    ) -> None:
        """`horizon_days`: what was over before is removed; None: nothing is."""
        self._codes, self._calendar = codes, compiled.calendar
        self._told = compiled.member.things_told
        self._forgetting: ThingForgetting | None = None
        begin = None
        if horizon_days is not None:
            self._forgetting = ThingForgetting(compiled, horizon_days)
            begin = self._forgetting.looks.begin
        splits = compiled.plan.erasure is not None
        self.all = Things(compiled.things.measures, begin, splits=splits)
        self._words = FactBatches(USER_STATE_ROLE, account_partitions)

    @property
    def removed(self) -> int:
        """Things that were over for so long that they were removed."""
        return 0 if self._forgetting is None else self._forgetting.removed

    def take(
        self, place: Place, coded: Coded, number: int, moment: Moment, values: FactValues
    ) -> None:
        """Takes one fact of an event into a thing; `number`: which of them."""
        at_home = place[0] == place[1]
        step = (coded.thing_steps if at_home else coded.steps_in_account)[number]
        day = self._calendar.day(moment[0])
        value = values[number] if values else None
        kind, name, attributes, _ = step
        fact = Fact(kind, name, moment, day, coded.code.segments, attributes, value)
        self.all.take(place, fact, step)

    def tell(self, account: str, old: Values, new: Values) -> None:
        """Tells the things that an account names what it has had. `old`, `new`: its measures."""
        for thing, fact, ms, value in self._told.words(old, new):
            code = self._codes.of(((fact,), ())).code
            self._words.add_row(thing, ((thing, account), ms, code, "", (value,)))

    def take_words(self, header: Header) -> list[Outgoing]:
        """What was told since the last call."""
        return self._words.take_records(header, to_all=False) if self._told else []

    def forget(self, watermark_ms: int | None) -> Iterator[tuple[bytes, None]]:
        """Removes what is over for very long; the records that go. Nothing may be unsaved."""
        if self._forgetting is not None:
            yield from self._forgetting.flush(watermark_ms, self.all)

    def restored(self, watermark_ms: int | None) -> None:
        """Says that every record was taken back."""
        if self._forgetting is not None:
            self._forgetting.looks.resume(watermark_ms, self._calendar)
