"""users: a person over all accounts counts once.

State is kept per leaf, the raw id of an event. An identification points a leaf to another one; a
person is the root that a chain of pointers ends at, and what the person did is what all its leaves
did. Leaves live in different partitions, so they talk: a leaf tells its parent that it points to
it, a parent tells its children how its own chain goes on, and a leaf sends its state to the
partition of its root. Each message replaces an earlier one, so a change of pointers corrects every
number by the difference of what a person said before and says now.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from schemas.batches import (
    VERSION,
    ErasureBatch,
    FactBatch,
    Merge,
    PeerBatch,
    Pointer,
    Rows,
    Traits,
    UserStateBatch,
    check_version,
    decode_facts,
    encode,
)
from schemas.keys import shown_account, shown_user
from schemas.outputs import EVIDENCE_IDS_MAX
from streams.account_merges import AccountMerges
from streams.by_account import Parts
from streams.compiled_plan import CompiledPlan
from streams.launches import EVERYBODY
from streams.measures.kinds import Fact, Moment
from streams.measures.of_subjects import Step, Values
from streams.roles import USER_FACTS_ROLE, USER_STATE_ROLE
from streams.settling import Rounds
from streams.stage import Flushed, Outgoing, RecordBatch
from streams.state_keys import (
    AGENDA,
    ALERTS,
    COPY,
    ERASURE,
    LAUNCHES,
    LEAF,
    MERGES,
    PARTITION,
    PERSON,
    SCORES,
    SETTLED,
    SUPPRESSED,
    read_key,
    read_value,
    state_key,
    state_value,
)
from streams.tallies.delta_batches import ToTallies
from streams.traits import tell
from streams.users.chains import LeafChains
from streams.users.erasure import UserErasure, erasure_of_users
from streams.users.held import HeldLeaves
from streams.users.scores import UserScores
from streams.users.settling import ACTIVATED, PersonSettling
from streams.users.state import Leaf
from streams.warmth import WARM
from streams.watermark import Announcements, Sources


class Users:
    """One partition of the users stage; reads `user-facts`."""

    members_changed = 0
    """It holds none."""

    def __init__(
        self,
        compiled: CompiledPlan,
        *,
        partition: int,
        sources: Iterable[str],
        user_partitions: int,
        account_partitions: int,
        tally_partitions: int,
        bounded: bool = True,
        throttled: bool = True,
        until: Callable[[], int | None] = lambda: None,
        warm: int = WARM,
    ) -> None:
        """`sources`: of the accounts stage. `warm`: leaves used lately that are kept unpacked.

        `bounded` False: values of any age are kept. `throttled` False: alerts are never late.
        `until`: where time stands in the end.
        """
        plan, self._plan_hash, self._calendar = compiled.plan, compiled.hash, compiled.calendar
        self._user_partitions, self._account_partitions = user_partitions, account_partitions
        horizon_days, place = plan.horizons.tally_days if bounded else None, f"users:{partition}"
        self._program = compiled.person
        self._sources = Sources(sources)
        self._announcements = Announcements(self._plan_hash, place, throttled=throttled)
        self._until = until
        self.board = compiled.board("user", live=throttled, bounded=bounded, show=shown_user)
        self.held = HeldLeaves(compiled, horizon_days, warm)
        self._launched = False
        """True: there are other launches than were saved."""
        self._excludes = bool(plan.exclude_users)
        self._splits = plan.erasure is not None or compiled.splits_users
        """True: what accounts told is kept apart, as each of them may be erased, or stands for
        itself.
        """
        self._to_tallies = ToTallies(self._program.groups, self._calendar, tally_partitions)
        self._scores = UserScores(self._program.scores, self._calendar, horizon_days, self.board)
        self._rounds: Rounds | None = None
        if compiled.predictions:
            peers = [f"users:{each}" for each in range(user_partitions)]
            self._rounds = Rounds(partition, peers, self._calendar, until)
        erasure = None
        if plan.hashes_ids:
            erasure = erasure_of_users(compiled, user_partitions, account_partitions)
        suppressed = None if erasure is None else erasure.suppressed
        self._chains = LeafChains(compiled, self.held, user_partitions, self._differ, suppressed)
        self._merges = AccountMerges()
        self._settling = PersonSettling(
            compiled,
            self.held,
            self._differ,
            self._scores,
            self.board,
            self._merges,
            account_partitions,
        )
        self._erasure: UserErasure | None = None
        if erasure is not None:
            self._erasure = UserErasure(
                compiled, erasure, place, self.held, self._chains, self.board
            )

    @property
    def watermark_ms(self) -> int | None:
        return self._sources.watermark_ms

    @property
    def signals(self) -> Iterable[str]:
        """The signals that may be given here."""
        return (ACTIVATED, *(s for each in self._program.memberships for s in each.signals))

    @property
    def leaves(self) -> int:
        """Raw ids held."""
        return len(self.held.leaves) + len(self.held.cold)

    @property
    def persons(self) -> int:
        """Raw ids held that stand for a person, their own or several together."""
        own = sum(leaf.root == leaf.key for leaf in self.held.leaves.values())
        return len(self.held.cold) + own

    @property
    def shortened(self) -> int:
        """Raw ids of which something was forgotten."""
        return self.held.shortened

    @property
    def signals_to_come(self) -> int:
        """Signals that wait for their time."""
        return len(self._settling.agenda)

    # ---- facts in

    def process(self, batch: RecordBatch) -> None:
        for value in batch.values:
            if value is None:
                continue
            message = decode_facts(value)
            if self._erasure is not None:
                message = self._erasure.without_erased(message)
            if isinstance(message, FactBatch):
                check_version(message.header.version)
                self._sources.hear(message.header)
                self._take_rows(message.rows)
                for pointer in message.pointers:
                    self._take_pointer(pointer)
                for traits in message.traits:
                    self._take_traits(traits)
                if message.merges:
                    self._take_merges(message.merges)
            elif isinstance(message, PeerBatch):
                check_version(message.version)
                self._chains.take(message)
                if message.settled is not None and self._rounds is not None:
                    self._rounds.hear(message.settled)
            elif isinstance(message, ErasureBatch) and self._erasure is not None:
                check_version(message.version)
                for order in message.orders:
                    self._settling.merge(partial(self._merges.erase, order.key))
                self._erasure.take(message)

    def _take_merges(self, words: Iterable[Merge]) -> None:
        """Takes which account belongs to which; signals name the latter."""

        def take() -> None:
            for word in words:
                self._merges.add(word)

        self._settling.merge(take)

    def _take_rows(self, rows: Rows) -> None:
        leaves = [None if leaf == EVERYBODY else self.held.leaf(leaf) for _, leaf in rows.members]
        for (account, _), leaf in zip(rows.members, leaves, strict=True):
            if leaf is not None:
                self._take_account(leaf, account)
        parts = self._parts_of(rows, leaves) if self._splits else None
        step = self._program.measures.step
        codes = [([step(fact) for fact in meaning], s) for meaning, s in rows.codes]
        day_of = self._calendar.day
        for number, time_ms, code, event_id, of_facts in zip(
            rows.member, rows.time_ms, rows.code, rows.event_id, rows.values, strict=True
        ):
            leaf, day = leaves[number], day_of(time_ms)
            moment = time_ms, event_id, rows.members[number][0]
            steps, segments = codes[code]
            if leaf is None:
                self._take_launch(steps, moment)
                continue
            whole, part = leaf.values, None if parts is None else parts[number]
            touched = False
            for place, (kind, name, attributes, measures) in enumerate(steps):
                value = of_facts[place] if of_facts else None
                fact = Fact(kind, name, moment, day, segments, attributes, value)
                for values in (whole,) if part is None else (whole, part):
                    for slot, measure in measures:
                        known = values[slot]
                        value = measure.add(known, fact)
                        if value is not known:
                            if not touched:
                                touched = True
                                self.held.touch(leaf)
                            values[slot] = value

    def _parts_of(self, rows: Rows, leaves: Sequence[Leaf | None]) -> list[list[Any] | None]:
        """What accounts told of leaves, where that is not all that is known of them."""
        told = [
            (leaf, self._parts(leaf).of(account, leaf.values, leaf.traits))
            for (account, _), leaf in zip(rows.members, leaves, strict=True)
            if leaf is not None
        ]
        found = iter([None if part.values is leaf.values else part.values for leaf, part in told])
        return [None if leaf is None else next(found) for leaf in leaves]

    def _parts(self, leaf: Leaf) -> Parts:
        if leaf.parts is None:
            leaf.parts = Parts()
        return leaf.parts

    def _take_launch(self, steps: Sequence[Step], moment: Moment) -> None:
        """Takes what concerns everybody: all that is known of users may count otherwise now."""
        held, day = self.held, self._calendar.day(moment[0])
        launches = held.launches
        for kind, name, attributes, _ in steps:
            launches = launches.with_fact(Fact(kind, name, moment, day, (), attributes))
        if launches is held.launches:
            return
        for _, values in held.unchanged():  # others are compared with what they were then anyway
            self._differ(values, launches.put(values))
        held.launches, self._launched = launches, True

    def _take_account(self, leaf: Leaf, account: str) -> None:
        if (account or self._excludes) and account not in leaf.accounts:
            self.held.touch(leaf)
            leaf.accounts = (*leaf.accounts, account)

    def _take_traits(self, told: Traits) -> None:
        leaf = self.held.leaf(told.leaf)
        self._take_account(leaf, told.account)
        day = self._calendar.day(told.time_ms)
        of_it = [leaf.traits]
        if self._splits:
            of_it.append(self._parts(leaf).of(told.account, leaf.values, leaf.traits).traits)
        for name, value in told.values.items():
            self.held.touch(leaf)
            for traits in of_it:
                tell(traits, name, day, (told.time_ms, told.event_id, value))

    def _take_pointer(self, pointer: Pointer) -> None:
        leaf = self.held.leaf(pointer.leaf)
        self._take_account(leaf, pointer.account)
        latest = pointer.time_ms, pointer.event_id, pointer.target
        if self._splits:
            part = self._parts(leaf).of(pointer.account, leaf.values, leaf.traits)
            if part.pointer is None or part.pointer < latest:
                self.held.touch(leaf)
                part.pointer = latest
        if leaf.pointer is None or leaf.pointer < latest:
            self.held.touch(leaf)
            self._chains.point(leaf, latest)

    # ---- changes out

    def flush(self, now_ms: int) -> Flushed:
        out, watermark_ms = Flushed([], []), self.watermark_ms
        self._settle(out)
        self._settling.tell_due(watermark_ms, out)
        if self._erasure is not None:
            if self._erasure.waits:
                with self._to_tallies.silent():
                    self._erasure.carry_out()
                    self._settle(out)
            self._erasure.drop_emptied()
        out.records.extend(self._scores.flush(watermark_ms, now_ms, self.held.values))
        for key in () if self._erasure is None else sorted(self._erasure.gone):
            out.records.extend(self._scores.erase(key, self.held.nobody))
        out.entities.extend(self._scores.take_unsaved())
        out.entities.extend(self._settling.take_unsaved())
        out.records.extend(self._settling.take_records())
        out.records.extend(self._chains.take_records())
        self._say_settled(out)
        out.entities.extend(self.held.take_unsaved())
        self._alert(now_ms, out)
        if self._erasure is not None:
            self._erasure.take_gone(out)
            self._erasure.flush(now_ms, out)
        header = self._announcements.header(watermark_ms, self._sources.first_fact_ms)
        to_all = self._announcements.due(header, now_ms)
        out.records.extend(self._to_tallies.take_records(header, to_all=to_all))
        if self._launched:
            launches = state_value(self.held.launches.packed())
            out.entities.append((state_key(LAUNCHES), launches))
            self._launched = False
        out.entities.extend(self._merges.take_unsaved())
        heard = self._sources.take_unsaved()
        if heard is not None:
            out.entities.append((state_key(PARTITION), state_value(heard)))
        out.entities.extend(self.held.forget(watermark_ms))
        self.held.cool()
        return out

    def _settle(self, out: Flushed) -> None:
        """Carries what changed in persons further on."""
        self._settling.settle(self.watermark_ms, out)
        self._chains.send_copies()
        self.held.settled()

    def _alert(self, now_ms: int, out: Flushed) -> None:
        board, watermark_ms, until_ms = self.board, self.watermark_ms, self._until()
        if board.watches_values:
            board.closes(watermark_ms)  # whose period that was, scores have told
            alerts = board.flush(
                watermark_ms,
                now_ms,
                until_ms,
                lambda root: self._scores.of_user(self.held.values(root)),
                self._accounts_of,
            )
        else:
            alerts = board.flush(watermark_ms, now_ms, until_ms)
        out.entities.extend(alerts.entities)
        out.records.extend(alerts.records)

    def _accounts_of(self, root: str) -> dict[str, Any]:
        """The accounts of a person, as evidence."""
        leaves = self.held.leaves_of(root).values()
        found = {self._merges.host(account) for leaf in leaves for account in leaf.accounts}
        accounts = sorted(each for each in map(shown_account, found) if each is not None)
        return {"accounts": accounts[:EVIDENCE_IDS_MAX], "count": len(accounts)}

    def _say_settled(self, out: Flushed) -> None:
        """How far it is settled who is whom, where something waits for that."""
        if self._rounds is None:
            return
        settled = self._rounds.news(self.watermark_ms)
        if settled is not None:
            to_peers = encode(PeerBatch(VERSION, self._plan_hash, [], [], [], settled))
            to_accounts = encode(UserStateBatch(VERSION, self._plan_hash, [], settled))
            for partition in range(self._user_partitions):
                out.records.append(Outgoing(USER_FACTS_ROLE, partition, None, to_peers))
            for partition in range(self._account_partitions):
                out.records.append(Outgoing(USER_STATE_ROLE, partition, None, to_accounts))
        for number, heard in self._rounds.take_unsaved():
            out.entities.append((state_key(SETTLED, number), state_value(heard)))

    def _differ(self, old: Values, new: Values) -> None:
        """Sends on what a person contributes now, minus what it did before."""
        self._program.difference(old, new, self._to_tallies.moves, self._to_tallies.deltas.cells)

    # ---- checkpoints

    def restore(self, key: bytes, value: bytes) -> None:
        what, place = read_key(key)
        content = read_value(value)
        if what == LEAF:
            self.held.load_leaf(place[0], content)
        elif what == COPY:
            self.held.load_copy(place[0], place[1], content)
        elif what == PERSON:
            self.held.load_person(place[0], content)
        elif what == AGENDA:
            self._settling.agenda.load(place[0], content)
        elif what == LAUNCHES:
            self.held.launches = self.held.launches.unpacked(content)
        elif what == MERGES:
            self._merges.load(place[0], content)
        elif what == SCORES:
            self._scores.load(place, content)
        elif what == SETTLED:
            if self._rounds is not None:
                self._rounds.load(place[0], content)
        elif what == ALERTS:
            self.board.load(place[0], content)
        elif what == PARTITION:
            self._sources.load(*content)
        elif what in (SUPPRESSED, ERASURE) and self._erasure is not None:
            self._erasure.load(what, place, content)

    def restored(self) -> None:
        self.held.restored(self.watermark_ms)
        self._settling.restored(self.watermark_ms)
        self._scores.resume(self.watermark_ms)
        if self._erasure is not None:
            self._erasure.restored()
