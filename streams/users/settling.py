"""What follows from changes of persons: deltas, scores, signals, and what accounts have to know.

A change is told as the difference between what a person was at the last flush and what it is.
"""

from collections.abc import Callable, Iterator
from operator import is_not

from schemas.batches import VERSION, UserState, UserStateBatch, encode
from schemas.keys import partition_of, shown_account, shown_user
from schemas.outputs import SIGNALS, signal_record
from schemas.times import SECOND_MS, iso
from streams.account_merges import AccountMerges
from streams.agenda import Agenda
from streams.alerting.board import Board
from streams.compiled_plan import CompiledPlan
from streams.measures.of_subjects import Values
from streams.parts.passages import Passage, news
from streams.roles import USER_STATE_ROLE
from streams.signals import Revisions, Standing
from streams.stage import Flushed, Outgoing
from streams.state_keys import AGENDA, state_key, state_value
from streams.users.chains import in_parts
from streams.users.held import HeldLeaves
from streams.users.scores import UserScores
from streams.users.state import Copy, Leaf, Person

ACTIVATED = "activated"
"""The signal of a person's first activation."""
NOTHING_TOLD = (0, False, ())


class PersonSettling:
    """Of one partition; here is also what time alone will bring its persons."""

    def __init__(
        self,
        compiled: CompiledPlan,
        held: HeldLeaves,
        differ: Callable[[Values, Values], None],
        scores: UserScores,
        board: Board,
        merges: AccountMerges,
        account_partitions: int,
    ) -> None:
        """`differ`: tells what a person with the second measures contributes, minus one with the
        first. `board` hears of signals. `merges`: which account belongs to which.
        """
        self._program, self._plan_hash = compiled.person, compiled.hash
        self._measures, self._names = self._program.measures, compiled.names_of_person
        self._excludes = bool(compiled.plan.exclude_users)
        self._experiments = compiled.experiments
        self._held, self._differ, self._scores, self._board = held, differ, scores, board
        self._merges, self._account_partitions = merges, account_partitions
        self._restated: dict[str, Standing] = {}
        """Root -> the signal of its activation, which may be of another account now."""
        self._states: dict[int, list[UserState]] = {}
        """By partition of accounts."""
        self.agenda = Agenda()
        self._told_until_ms: int | None = None
        """The watermark at the last flush."""

    def merge(self, change: Callable[[], None]) -> None:
        """Lets accounts belong to others. `change`: makes the merges other ones."""
        merges = self._merges
        before = {key: merges.host(key) for key in merges.told_of}
        change()
        known = before.keys() | set(merges.told_of)
        moved = {key for key in known if before.get(key, key) != merges.host(key)}
        if not moved or self._program.activation is None:
            return
        for root in sorted(set(self._held.met_in(moved))):
            values = self._held.before.get(root) or self._held.values(root)
            stood = self._activated(root, values, lambda key: before.get(key, key))
            if stood is not None:
                self._restated.setdefault(root, stood)

    def settle(self, watermark_ms: int | None, out: Flushed) -> None:
        """Carries what changed in persons further on."""
        for root, before in self._held.before.items():
            values = self._held.values(root)
            self._settle(root, before, values, watermark_ms, out)
            self._tell_accounts(root, values, out)
        for root, stood in self._restated.items():
            self._tell(root, stood, self._activated(root, self._held.values(root)), out)
        self._restated.clear()

    def tell_due(self, watermark_ms: int | None, out: Flushed) -> None:
        """Gives the signals whose time has come."""
        for root, coming in self.agenda.take_due(watermark_ms):
            self._tell(root, None, coming.standing, out)
        self._told_until_ms = watermark_ms

    def _settle(
        self, root: str, before: Values, values: Values, watermark_ms: int | None, out: Flushed
    ) -> None:
        """Carries what changed in a person further on."""
        own = self._held.known(root)
        handed_over = own is not None and self._held.counts_alone(own)
        counted = values
        if own is not None and handed_over:
            counted = self._held.values_of([own], everybody=False)
        self._differ(before, counted)
        if not any(map(is_not, before, values)):
            return
        self._pass(root, before, values, watermark_ms, out)
        self._scores.change(root, before, values)
        if root in self._restated or all(
            before[slot] is values[slot] for slot in self._program.activation or ()
        ):
            return
        was, now = self._activated(root, before), self._activated(root, values)
        self._tell(root, was, now, out)

    def _pass(
        self, root: str, before: Values, values: Values, watermark_ms: int | None, out: Flushed
    ) -> None:
        """Tells of memberships that a person has entered or left, and notes what is to come."""
        memberships, user = self._program.memberships, shown_user(root)
        touched = self._program.touched(before, values)
        if not touched:
            return

        def stands(passage: Passage) -> Standing:
            signal, variant, at_ms, _, evidence = passage
            return Standing(signal, variant or None, user, None, user, at_ms, evidence)

        awaited, told_until_ms = self.agenda.of(root), self._told_until_ms
        was, now, coming = news(
            memberships, touched, before, values, told_until_ms, watermark_ms, stands, awaited
        )
        self.agenda.replace(root, coming)
        for place in sorted(was.keys() | now.keys()):
            self._tell(root, was.get(place), now.get(place), out)

    def _tell(
        self,
        root: str,
        was: Standing | None,
        now: Standing | None,
        out: Flushed,
    ) -> None:
        """The records that lead from what stood of a person to what stands."""
        if was == now:
            return
        person = self._held.persons.get(root) or Person()
        revisions = Revisions(person.revised, self._experiments)
        for signal in revisions.changes(was, now):
            out.records.append(Outgoing(SIGNALS, None, *signal_record(signal)))
            self._board.hear_signal(root, signal)
        person.revised = revisions.revised
        if person.revised:
            self._held.persons[root] = person
            out.entities.append(self._held.record_of_person(root, person))

    def _tell_accounts(
        self,
        root: str,
        values: Values,
        out: Flushed,
    ) -> None:
        """Tells the accounts of a person's leaves whose they are, where that is not the default."""
        own = self._held.alone(root)
        names = self._names.of(values) if self._names else ()
        if own is not None and not own.version and not self._excludes and not names:
            return  # nothing was ever told, and there is nothing to tell
        leaves = self._held.leaves_of(root)
        excluded = self._held.excluded(leaves.values())
        changed = False
        for key, leaf in leaves.items():
            assert isinstance(leaf, Leaf | Copy)
            for account in sorted(leaf.accounts):
                person = self._held.persons.get(root)
                known = person.told.get((account, key), NOTHING_TOLD) if person else NOTHING_TOLD
                news = leaf.version, excluded, names
                if news != known:
                    self._held.person(root).told[account, key] = news
                    changed = True
                    partition = partition_of(account or key, self._account_partitions)
                    state = UserState(account, key, root, *news)
                    self._states.setdefault(partition, []).append(state)
        if changed:
            out.entities.append(self._held.record_of_person(root, self._held.person(root)))

    def _activated(
        self, root: str, values: Values, host: Callable[[str], str] | None = None
    ) -> Standing | None:
        """`host`: the account that one belongs to, by default as it is now."""
        if self._program.activation is None:
            return None
        first_slot, anchor_slot, reached_slot = self._program.activation
        first = self._measures.reaching_at(first_slot)
        moment = first.first(values[first_slot])
        if moment is None:
            return None
        time_ms, event_id, account = moment
        anchor, end = values[anchor_slot], None
        if anchor is not None:
            reaching = self._measures.reaching_at(reached_slot)
            end = reaching.reached(values[reached_slot], anchor[0])
        evidence = {
            "lag_seconds": None if end is None else (end[0] - anchor[0]) / SECOND_MS,
            "first_action_at": None if anchor is None else iso(anchor[0]),
            "event": event_id,
        }
        user, shown = shown_user(root), shown_account((host or self._merges.host)(account))
        return Standing(ACTIVATED, None, user, shown, user, time_ms, evidence)

    def take_unsaved(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The records of what is to come."""
        for key, coming in self.agenda.take_unsaved():
            yield state_key(AGENDA, key), None if coming is None else state_value(coming)

    def take_records(self) -> Iterator[Outgoing]:
        """What accounts have to know."""
        for partition, told in sorted(self._states.items()):
            for part in in_parts(told):
                batch = UserStateBatch(VERSION, self._plan_hash, part)
                yield Outgoing(USER_STATE_ROLE, partition, None, encode(batch))
        self._states = {}

    def restored(self, watermark_ms: int | None) -> None:
        self._told_until_ms = watermark_ms
