"""One account as its partition knows it now, for people who look at it."""

from bisect import bisect_right
from collections.abc import Iterator
from heapq import nlargest
from typing import Any

from schemas.keys import GONE, shown_account, shown_user
from schemas.selectors import FactSelector
from schemas.times import iso
from streams.accounts.stage import Accounts
from streams.accounts.state import Account, Member
from streams.compiled_plan import MemberPrograms
from streams.courses import AT_INSTANT
from streams.measures.account_traits import AccountTrait, held_from_ms, value_of
from streams.measures.by_days import Days
from streams.measures.kinds import ALL, First, Timeline
from streams.measures.of_subjects import Values

MEMBERS_MAX = 100
"""Those who were active last."""
DAYS = 30
ACTIVITY = FactSelector(kind="activity")


def view_of(accounts: Accounts, key: str) -> dict[str, Any] | None:
    """What is known of an account, as plain data; None: nobody has heard of it.

    `account`; `as_of`, the watermark; `belongs_to`, the account where all of this counts, if it is
    another one, and else `joined`, those that belong to it; `users`, how many count, and `members`,
    the hundred who were active last; `states`, its latest facts of each kind that a KPI follows;
    `milestones` that it has reached; `memberships` that it is in and why; `alerts` that are firing;
    `values`, the newest final ones of its KPIs. Where the plan keeps them (`account_view`),
    `first_uses` of features and key tasks in their order, and `recent_events`, the newest first.
    """
    account = accounts.seen(key)
    if account is None:
        return None
    watermark_ms = accounts.watermark_ms
    members = [m for m in account.members.values() if m.root and not m.excluded]
    return {
        "account": shown_account(key),
        "as_of": None if watermark_ms is None else iso(watermark_ms),
        **_merged(accounts, account),
        "users": len({member.root for member in members}),
        "members": _members(accounts, members),
        "states": dict(_states(accounts.programs, account, watermark_ms)),
        "milestones": list(_milestones(accounts, account)),
        "memberships": dict(_memberships(accounts.programs, account, watermark_ms)),
        "alerts": accounts.board.firing(key),
        "values": [] if account.book is None else list(_values(accounts, account)),
        **_history(accounts.programs, account),
    }


def _merged(accounts: Accounts, account: Account) -> dict[str, Any]:
    """What an account belongs to, or which ones do to it."""
    if account.host is not None:
        return {"belongs_to": shown_account(account.host)}
    joined = accounts.hosting.merges.joined(account.key)
    return {"joined": [shown_account(each) for each in joined]} if joined else {}


def _members(accounts: Accounts, members: list[Member]) -> list[dict[str, Any]]:
    """The people, the last active ones first."""
    measures, calendar = accounts.programs.measures, accounts.calendar
    persons: dict[str, list[Member]] = {}
    for member in members:
        persons.setdefault(member.root, []).append(member)
    days = next(
        (
            slot
            for slot, measure in enumerate(measures.all)
            if isinstance(measure, Days) and measure.selectors == (ACTIVITY,)
        ),
        None,
    )
    firsts = {
        measure.selectors[0].kind: slot
        for slot, measure in enumerate(measures.all)
        if type(measure) is First and _is_plain(measure.selectors[0])
    }
    today = None if accounts.watermark_ms is None else calendar.day(accounts.watermark_ms)
    found = []
    for root, leaves in persons.items():
        values = measures.merged([leaf.values for leaf in leaves])
        active = None if days is None or values[days] is None else values[days][ALL]
        last = -1 if active is None else active.base + active.days.bit_length() - 1
        shown: dict[str, Any] = {"user": shown_user(root)}
        if active is not None:
            shown["last_active_day"] = calendar.date(last).isoformat()
            if today is not None:
                recent = range(today - DAYS + 1, today + 1)
                shown["active_days_of_30"] = sum(map(active.has, recent))
        role = _role(accounts.programs, values)
        if role is not None:
            shown["role"] = role
        shown["first"] = {
            str(kind): iso(values[slot][0])
            for kind, slot in sorted(firsts.items(), key=str)
            if values[slot] is not None
        }
        found.append((last, shown["user"], shown))
    return [shown for *_, shown in nlargest(MEMBERS_MAX, found, key=lambda each: each[:2])]


def _role(programs: MemberPrograms, values: Values) -> str | None:
    """The name of the latest role that events of the account told of a person."""
    roles = None if programs.view is None else values[programs.view.roles]
    told = [(*changes[-1][:2], str(name)) for name, changes in (roles or {}).items()]
    return max(told)[-1] if told else None


def _milestones(accounts: Accounts, account: Account) -> Iterator[dict[str, Any]]:
    """The numbers of users that were reached, in the order of the rows."""
    program = accounts.programs.account
    reached = program.standings(account.totals).first
    for row, order in program.memberships:
        for n in map(int, row.reach):
            if n <= len(reached[order]):
                time_ms, *_ = reached[order][n - 1]
                yield {"kpi": row.id, "users": n, "at": iso(time_ms)}


def _history(programs: MemberPrograms, account: Account) -> dict[str, Any]:
    """What users of an account, and its events without a user, did first, and last."""
    if programs.view is None:
        return {}
    members = [
        m for m in account.members.values() if not m.excluded and not m.leaf.startswith(GONE)
    ]
    uses: dict[str, int] = {}
    events = []
    for member in members:
        for name, (time_ms, *_) in (member.values[programs.view.first_uses] or {}).items():
            uses[name] = min(time_ms, uses.get(name, time_ms))
        for time_ms, id, meaning in member.values[programs.view.recent] or ():
            events.append((time_ms, id, meaning, shown_user(member.root) or None))
    newest = nlargest(programs.view.events, events, key=lambda each: each[:2])
    return {
        "first_uses": [
            {"name": name, "at": iso(ms)}
            for name, ms in sorted(uses.items(), key=lambda use: (use[1], use[0]))
        ],
        "recent_events": [
            {
                "at": iso(time_ms),
                "user": user,
                "event": id,
                "facts": [kind if name is None else f"{kind} {name}" for kind, name in meaning],
            }
            for time_ms, id, meaning, user in newest
        ],
    }


def _is_plain(facts: FactSelector) -> bool:
    """Whether a selector takes every fact of one kind."""
    return facts == FactSelector(kind=facts.kind) and isinstance(facts.kind, str)


def _states(
    programs: MemberPrograms, account: Account, watermark_ms: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    for slot in sorted(programs.together_slots):
        measure = programs.measures.all[slot]
        of_trait = isinstance(measure, AccountTrait)
        if not of_trait and not (isinstance(measure, Timeline) and _is_plain(measure.selectors[0])):
            continue
        changes = [
            change
            for change in account.together[slot] or ()
            if watermark_ms is None or change[0] <= watermark_ms
        ]
        if changes:
            time_ms, _, value, attributes = changes[-1]
            facts, state = measure.selectors[0], {"since": iso(time_ms), **dict(attributes)}
            if isinstance(measure, AccountTrait):
                state = {"since": iso(held_from_ms(changes)), "value": value_of(changes[-1])}
            elif value is not None:
                state["value"] = value
            yield str(facts.kind) if facts.name is None else f"{facts.kind} {facts.name}", state


def _memberships(
    programs: MemberPrograms, account: Account, watermark_ms: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    if watermark_ms is None or not account.together:
        return
    for membership in programs.together.memberships:
        stand = membership.stand(account.together)
        course = stand.course
        at = bisect_right(course, (watermark_ms, AT_INSTANT))
        if at % 2:
            edge = course[at - 1]
            because = membership.because(edge, stand)
            yield membership.row.id, {"since": iso(edge[0]), "because": because}


def _values(accounts: Accounts, account: Account) -> Iterator[dict[str, Any]]:
    assert account.book is not None
    for timeline in account.book.timelines:
        kpi, variant, segment, period = timeline.series
        end_ms = timeline.closed_end_ms
        if kpi in accounts.shown and segment == ALL and end_ms is not None:
            yield {
                "kpi": kpi,
                "variant": variant or None,
                "period": period,
                "end": iso(end_ms),
                "value": timeline.newest_closed,
            }
