"""What state costs, by measure and by operator: so that a company sees what a KPI costs it.

State belongs to measures, which rows share. So the cost of an operator is told twice: what its rows
read, and what they alone read, that is, what would go if they went.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas.rows import Row
from streams.compiled_plan import CompiledPlan
from streams.measures.of_subjects import Measures
from streams.program import SubjectProgram
from streams.state_keys import COPY, LEAF, MEMBER, THING, read_key, read_value

ACCOUNTS, USERS = "accounts", "users"
STAGES = (ACCOUNTS, USERS)
"""Those whose state belongs to measures."""
SIGNALS = "signals"
"""Stands among operators for what says that a user is activated."""

_encode = msgspec.msgpack.Encoder().encode

_MEASURES_OF: Mapping[str, Callable[[Any], list[Any]]] = {
    MEMBER: lambda content: content[3],
    LEAF: lambda content: read_value(content[0])[0],
    COPY: lambda content: read_value(content[0])[0],
    THING: lambda content: content,
}
"""Where the measures stand in the content of a record."""


class MeasureCost(NamedTuple):
    """A measure, as it is packed in checkpoints."""

    stage: str
    of: str
    """member, leaf, copy or thing."""
    measure: str
    """What it is, and the facts that it reads (JSON)."""
    kpis: tuple[str, ...]
    """Those that read it."""
    operators: tuple[str, ...]
    subjects: int
    """Those that have something of it."""
    bytes: int


class OperatorCost(NamedTuple):
    operator: str
    kpis: int
    bytes: int
    """Of the measures that its rows read."""
    bytes_alone: int
    """Of those that no row of another operator reads."""


class Costs(NamedTuple):
    """What the state of a plan came to. Bytes are those of checkpoints, without keys."""

    memberships: int
    measures: list[MeasureCost]
    """The dearest first."""
    operators: list[OperatorCost]
    """The dearest first."""
    records: dict[str, tuple[int, int]]
    """Of each kind of record, `<stage> <kind>`: how many, and their bytes with keys."""

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.records.values())


def costs(compiled: CompiledPlan, states: Iterable[tuple[str, Mapping[bytes, bytes]]]) -> Costs:
    """`states`: of stage partitions, with the name of their stage."""
    found: Counter[tuple[str, str, int]] = Counter()
    subjects: Counter[tuple[str, str, int]] = Counter()
    records: dict[str, tuple[int, int]] = {}
    for stage, state in states:
        for key, value in state.items():
            kind, _ = read_key(key)
            n, size = records.get(f"{stage} {kind}", (0, 0))
            records[f"{stage} {kind}"] = n + 1, size + len(key) + len(value)
            if stage in STAGES and kind in _MEASURES_OF:
                for slot, packed in enumerate(_MEASURES_OF[kind](read_value(value))):
                    found[stage, kind, slot] += len(_encode(packed))
                    subjects[stage, kind, slot] += packed is not None
    known = {(stage, kind): readers_of(compiled, stage, kind) for stage, kind, _ in found}
    rows = compiled.catalogue.rows
    measures = []
    for (stage, kind, slot), size in found.items():
        if n := subjects[stage, kind, slot]:
            of, readers = known[stage, kind]
            kpis = tuple(sorted(readers.get(slot, ())))
            operators = tuple(sorted({_operator(kpi, rows) for kpi in kpis}))
            measures.append(MeasureCost(stage, kind, of.ids[slot], kpis, operators, n, size))
    measures.sort(key=lambda each: (-each.bytes, each.stage, each.measure))
    memberships = records.get(f"{ACCOUNTS} {MEMBER}", (0, 0))[0]
    return Costs(memberships, measures, _by_operator(measures, rows), records)


def _operator(kpi: str, rows: Mapping[str, Row]) -> str:
    return rows[kpi].operator if kpi in rows else SIGNALS


def _by_operator(measures: Iterable[MeasureCost], rows: Mapping[str, Row]) -> list[OperatorCost]:
    read: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    kpis = defaultdict[str, set[str]](set)
    for each in measures:
        for operator in each.operators:
            read[operator] += each.bytes
            alone[operator] += each.bytes if len(each.operators) == 1 else 0
        for kpi in each.kpis:
            kpis[_operator(kpi, rows)].add(kpi)
    found = [OperatorCost(name, len(kpis[name]), read[name], alone[name]) for name in read]
    return sorted(found, key=lambda each: (-each.bytes, each.operator))


Readers = Mapping[int, frozenset[str]]
"""Place of a measure -> the KPIs that read it."""


def readers_of(compiled: CompiledPlan, stage: str, kind: str) -> tuple[Measures, Readers]:
    """The measures of one kind of record of a stage, and which KPIs read them."""
    if kind == THING:
        things = compiled.things
        return things.measures, _readers([things.company, things.account])
    if stage == USERS:
        people = dict(_readers([compiled.person]))
        for kpi, slots in compiled.names_of_person.slots_of.items():
            people.update((slot, people.get(slot, frozenset()) | {kpi}) for slot in slots)
        return compiled.person.measures, people
    member = compiled.member
    programs = [member.everywhere, member.person, member.together, member.standing]
    found = {slot: set(kpis) for slot, kpis in _readers(programs).items()}
    for others in (
        member.account,
        member.entitlements,
        member.stands_told,
        member.things_told,
        member.latest_names,
    ):
        for kpi, slots in others.slots_of.items():
            for slot in slots:
                found.setdefault(slot, set()).add(kpi)
    for prediction in member.predictions:
        for slot in prediction.slots:
            found.setdefault(slot, set()).add(prediction.row.id)
    for measure, place in member.crowds.gathered():
        found.setdefault(measure, set()).update(found.get(place, ()))
    return member.measures, {slot: frozenset(kpis) for slot, kpis in found.items()}


def _readers(programs: Iterable[SubjectProgram]) -> Readers:
    found = defaultdict[int, set[str]](set)
    for program in programs:
        for slot, kpi in _reads(program):
            found[slot].add(kpi)
    return {slot: frozenset(kpis) for slot, kpis in found.items()}


def _reads(program: SubjectProgram) -> Iterator[tuple[int, str]]:
    for kpi, slots in program.slots_of.items():
        yield from ((slot, kpi) for slot in slots)
    yield from ((slot, SIGNALS) for slot in program.activation or ())


def record_of(found: Costs) -> dict[str, Any]:
    """As plain data, for summary.json."""
    return {
        "memberships": found.memberships,
        "bytes": found.bytes,
        "operators": [each._asdict() for each in found.operators],
        "measures": [each._asdict() for each in found.measures],
        "records": {kind: {"n": n, "bytes": size} for kind, (n, size) in found.records.items()},
    }
