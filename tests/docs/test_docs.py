"""README.md and docs/ say what is so: links, commands, plans, the KPI pages, the schemas."""

import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import click
import jsonschema
import orjson
import pytest
import yaml

from agents.topics import RECEIPTS_TOPIC, TOPICS
from docs import generate_kpis
from schemas.events import DEAD_LETTER_CODES
from schemas.experiments import variant_of
from schemas.outputs import (
    ALERTS,
    DEAD_LETTERS,
    KPIS,
    LISTS,
    RECEIPTS,
    REFUSED,
    SIGNALS,
    UNDELIVERED,
    UNDELIVERED_CODES,
    Undelivered,
    undelivered_record,
)
from schemas.plan.check import load_plan
from schemas.terms import Period
from schemas.times import iso, parse_iso
from streams.catalogue import catalogue_ids, catalogue_of
from streams.engine import Engine
from tests.replays import read_replay
from tests.sample_replay import SampleReplay

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
SCHEMAS = {
    KPIS: DOCS / "schemas" / "kpi.schema.json",
    LISTS: DOCS / "schemas" / "list.schema.json",
    SIGNALS: DOCS / "schemas" / "signal.schema.json",
    ALERTS: DOCS / "schemas" / "alert.schema.json",
    DEAD_LETTERS: DOCS / "schemas" / "dead_letter.schema.json",
    UNDELIVERED: DOCS / "schemas" / "undelivered_alert.schema.json",
    RECEIPTS: DOCS / "schemas" / "receipt.schema.json",
}

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT)).removesuffix(".md")
)


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2])


def prose(page: Path) -> str:
    """A page without its fenced blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


# ---- links


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: its headings as GitHub spells them, and its own anchors."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain)
    return {*kept, *re.findall(r'<a id="([^"]+)">', text)}


def links(page: Path) -> Iterator[str]:
    text = prose(page)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'(?:src|srcset|href)="([^"]+)"', text)


@every_page
def test_every_relative_link_leads_somewhere(page: Path):
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        lost = not target.exists()
        if lost or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_the_documentation_can_be_reached_from_its_index():
    reached, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = ((page.parent / link.partition("#")[0]).resolve() for link in links(page))
        waiting += [target for target in targets if target.is_file()]
    assert {page for page in PAGES if page.is_relative_to(DOCS)} - reached == set()


# ---- commands


def command_lines(page: Path) -> Iterator[str]:
    """Whatever calls `headwater`, in blocks and in inline code."""
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`(headwater [^`]+)`", text)
    in_blocks = (
        line.strip().removeprefix("$ ")
        for block in blocks(page)
        if block.language in ("", "sh", "bash", "console")
        for line in block.text.replace("\\\n", " ").splitlines()
    )
    called = (line for line in in_blocks if re.match(r"(\S*/)?headwater ", line))
    yield from (line.partition("  #")[0] for line in [*inline, *called])


def headwater() -> click.Command:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["headwater"].split(":")
    return getattr(importlib.import_module(module), name)


def unknown_in(line: str, command: click.Command) -> list[str]:
    """The words of a command line that `headwater` does not know."""
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return [words[0]]
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


@every_page
def test_every_command_of_a_page_exists_with_its_options(page: Path):
    command = headwater()
    assert {line: u for line in command_lines(page) if (u := unknown_in(line, command))} == {}


def test_a_command_that_does_not_exist_would_be_noticed():
    assert unknown_in("headwater fly --high", headwater()) == ["fly"]
    assert unknown_in("headwater plan check plan.yaml --loudly", headwater()) == ["--loudly"]


# ---- plans


def plan_snippets(page: Path) -> Iterator[str]:
    """YAML blocks that are plans, whole or in part; those of plan.md have a test of their own."""
    for block in blocks(page) if page != DOCS / "plan.md" else ():
        if block.language in ("yaml", "yml"):
            data = yaml.safe_load(block.text)
            if isinstance(data, dict) and not data.keys() & {"asyncapi", "services", "sinks"}:
                yield block.text


@every_page
def test_every_plan_of_a_page_has_no_mistake(page: Path):
    for text in plan_snippets(page):
        whole = text if "product" in yaml.safe_load(text) else f"product: Example\n{text}"
        load_plan(whole, known_kpis=catalogue_ids())


def test_the_plan_of_the_readme_is_the_example_that_comes_with_the_project():
    plans = [text for text in plan_snippets(ROOT / "README.md") if "product:" in text]
    example = (ROOT / "plans" / "example.yaml").read_text(encoding="utf-8")
    assert plans == [example]


# ---- records


def sample_records(page: Path) -> Iterator[dict[str, Any]]:
    """The JSON blocks of a page that are records of an output."""
    for block in blocks(page):
        if block.language == "json" and isinstance(record := json.loads(block.text), dict):
            yield record


def role_of(record: Mapping[str, Any]) -> str:
    keys = {
        "top": LISTS,
        "kpi": KPIS,
        "signal": SIGNALS,
        "specversion": ALERTS,
        "sink": UNDELIVERED,
        "request": RECEIPTS,
    }
    return next((role for key, role in keys.items() if key in record), DEAD_LETTERS)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "outputs.md"], ids=lambda p: p.stem)
def test_a_record_that_is_shown_is_as_its_schema_says(page: Path):
    records = list(sample_records(page))
    assert records
    for record in records:
        validator(role_of(record)).validate(record)


def test_the_records_of_the_readme_are_those_of_the_demo(sample: SampleReplay):
    demo = read_replay(sample.folder)
    when_written = ("revision", "updated_at", "time")

    def said(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in r.items() if k not in when_written} for r in records]

    alerts = map(orjson.loads, (demo.folder / "alerts.jsonl").read_bytes().splitlines())
    written = said([*demo.kpis.values(), *demo.signals.values(), *alerts])
    shown = said(sample_records(ROOT / "README.md"))
    assert len(shown) == 3
    strange = [record for record in shown if record not in written]
    assert strange == [], "the demo has changed: run the commands of README and copy such lines"


# ---- pages that are generated


def test_the_pages_of_the_kpis_are_those_of_the_catalogue():
    written = {path.name: path.read_text("utf-8") for path in generate_kpis.FOLDER.glob("*.md")}
    assert written == generate_kpis.pages(), "run `python -m docs.generate_kpis`"


def test_every_code_of_a_dead_letter_is_documented_in_its_words():
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", page, re.MULTILINE))
    told = {code: rows.get(code) for code in DEAD_LETTER_CODES}
    assert told == DEAD_LETTER_CODES


def test_every_topic_is_documented_as_it_is_made():
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `<prefix>\.([\w.-]+)` \|.*\| (\d+) \| (.+?) \|$", page, re.MULTILINE)
    made = [
        (topic.role, str(topic.partitions), f"{topic.retention_days} days")
        if topic.retention_days is not None
        else (topic.role, str(topic.partitions), "compact")
        for topic in (*TOPICS, RECEIPTS_TOPIC)
    ]
    assert sorted(told) == sorted(made)


# ---- experiments


def test_the_documented_function_gives_the_variants_of_the_product():
    page = (DOCS / "conventions.md").read_text(encoding="utf-8").split("\n## Experiments\n")[1]
    code = re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert code is not None
    scope: dict[str, Any] = {}
    exec(code[1], scope)
    shares = {"call": 45, "mail": 45, "holdout": 10}
    for id in ("acct-001", "anon:x", "\u00fc", *map(str, range(1000))):
        assert scope["variant"]("welcome_call", id, shares) == variant_of(
            "welcome_call", id, shares
        )


def test_the_variants_that_are_shown_are_so():
    page = (DOCS / "conventions.md").read_text(encoding="utf-8")
    shares = {"call": 45, "mail": 45, "holdout": 10}
    rows = re.findall(r"^\| `(\S+)` \| (\d+) \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) >= 4
    assert [variant for *_, variant in rows] == [
        variant_of("welcome_call", id, shares) for id, *_ in rows
    ]


# ---- schemas


def validator(role: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMAS[role].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


PLAN = """
product: Schemas
activity: all
first_action: Signed Up
activation: Activated
key_tasks: {buy: Bought}
sessions: Session Started
exclude: {users: [{trait: internal, equals: true}]}
segments: {country: {property: country}}
milestones: {distinct_users: [1, 3], activated_users: [1, 3]}
features: {report: Reported, share: Shared}
kpis:
  also: [inactive_users]
  levels: {account: [dau, wau, core_actions, action_to_activation_lag]}
  settings: {inactive_days: 9}
  own:
  - id: silent_accounts
    name: Silent accounts
    group: retention
    operator: membership
    subject: account
    when: {silent: {kind: activity}, days: 9}
    unit: accounts
    periods: [day]
    definition: Accounts without activity for nine days.
    example: a1 last active ten days ago -> 1.
erasure: {users: Forget Me}
experiments:
  welcome: {signal: activated, variants: {call: 1, mail: 1}}
  back: {signal: silent_accounts.enter, variants: {call: 1, mail: 1}}
  grow: {signal: account_activated_user_milestones.enter, variants: {call: 1, mail: 1}}
alerts:
  late_after: 9999d
  link: "https://example.com/{account}"
  rules:
  - {id: quiet, kpi: dau, period: day, below: 2}
  - {id: quiet-account, level: account, kpi: dau, period: day, drop: 0.1, against: previous}
  - {id: grows, signal: account_user_milestones.enter, variant: users=3, text: "See {link}"}
  - {id: activated, signal: activated}
  - {id: busy, kpi: dau, period: day, above: 3}
"""


def call(number: int, when: str, name: str, who: Mapping[str, str], **more: Any) -> bytes:
    moment = iso(parse_iso(f"2026-03-{when}"))
    record = {"messageId": f"m{number}", "type": "track", "event": name, "timestamp": moment}
    return orjson.dumps({**record, **who, **more})


def events() -> Iterator[bytes]:
    """Everything that gives outputs of another shape."""
    group = {"context": {"groupId": "a1"}}
    for number, user in enumerate(["u1", "u2", "u3", "u4"]):
        at = f"01T0{number}:00:00Z"
        properties = {"properties": {"country": "s=e\n"}} if number % 2 else {}
        yield call(10 + number, at, "Signed Up", {"userId": user}, **group, **properties)
        yield call(20 + number, at, "Activated", {"userId": user}, **group)
        yield call(30 + number, at, "Bought", {"userId": user}, **group)
    yield call(37, "20T04:00:00Z", "Bought", {"userId": "u1"}, **group)
    yield call(39, "01T04:00:00Z", "Reported", {"userId": "u1"}, **group)
    yield call(40, "01T05:00:00Z", "Activated", {"anonymousId": "x"})
    yield call(41, "01T06:00:00Z", "Session Started", {"userId": "nobody's"})
    yield b""
    yield b"\xff{"
    yield b'{"type": "track", "event": "Opened"}'
    yield call(42, "31T00:00:00Z", "Opened", {"userId": "u1"}, timestamp="2999-01-01T00:00:00Z")


def late_events() -> Iterator[bytes]:
    """What amends values and takes signals back."""
    group = {"context": {"groupId": "a1"}}
    yield call(50, "01T00:00:00Z", "Activated", {"userId": "u0"}, **group)
    traits = {"internal": True}
    yield call(52, "02T00:00:00Z", "Forget Me", {"userId": "u4"})
    yield call(51, "02T00:00:00Z", "", {"userId": "u2"}, type="identify", traits=traits)


@pytest.fixture(scope="module")
def outputs() -> Mapping[str, list[bytes]]:
    engine = Engine(load_plan(PLAN), key=bytes(32))
    engine.feed(list(events()), now_ms=parse_iso("2026-03-31T12:00:00Z"))
    engine.advance(parse_iso("2026-03-02T12:00:00Z"))
    engine.settle()
    engine.advance(parse_iso("2026-04-30T00:00:00Z"))
    engine.settle(now_ms=1 << 43)
    engine.feed(list(late_events()), now_ms=parse_iso("2026-03-31T13:00:00Z"))
    engine.settle(now_ms=1 << 44)
    said = Undelivered("crm", REFUSED, "HTTP 404: gone", 1)
    _, aside = undelivered_record(said, engine.outputs[ALERTS][0], "t", 0, 0, now_ms=1 << 40)
    return {**engine.outputs, UNDELIVERED: [aside]}


def values(records: Iterable[bytes], field: str) -> set[Any]:
    return {orjson.loads(record)[field] for record in records}


@pytest.mark.parametrize("role", SCHEMAS)
def test_every_output_is_as_its_schema_says(role: str, outputs: Mapping[str, list[bytes]]):
    checked = validator(role)
    assert outputs[role]
    for record in outputs[role]:
        checked.validate(orjson.loads(record))


@pytest.mark.parametrize("role", [KPIS, LISTS])
def test_the_schema_of_values_has_every_period(role: str):
    schema = json.loads(SCHEMAS[role].read_text(encoding="utf-8"))
    assert schema["properties"]["period"]["enum"] == list(get_args(Period))


def test_those_outputs_are_of_every_shape(outputs: Mapping[str, list[bytes]]):
    running = catalogue_of(load_plan(PLAN)).rows.values()
    assert values(outputs[KPIS], "kpi") == {row.id for row in running if row.published}
    assert values(outputs[KPIS], "level") == {"company", "account"}
    assert values(outputs[KPIS], "status") == {"provisional", "final", "amended"}
    assert values(outputs[SIGNALS], "retracted") == {False, True}
    assert values(outputs[SIGNALS], "account") == {"a1", None}
    assert values(outputs[SIGNALS], "signal") == {
        "activated",
        "account_user_milestones.enter",
        "account_activated_user_milestones.enter",
        "inactive_users.enter",
        "inactive_users.leave",
        "silent_accounts.enter",
        "silent_accounts.leave",
    }
    evidence = [orjson.loads(record)["evidence"] for record in outputs[SIGNALS]]
    assert {"experiments" in each for each in evidence} == {True, False}
    assert len(values(outputs[ALERTS], "type")) == 3
    assert len(values(outputs[DEAD_LETTERS], "code")) == 4


@pytest.mark.parametrize("role", SCHEMAS)
def test_a_record_with_another_field_is_no_output(role: str, outputs: Mapping[str, list[bytes]]):
    record = orjson.loads(outputs[role][0])
    with pytest.raises(jsonschema.ValidationError):
        validator(role).validate(record | {"extra": 1})


def test_the_schema_of_dead_letters_has_every_code():
    schema = json.loads(SCHEMAS[DEAD_LETTERS].read_text(encoding="utf-8"))
    assert schema["properties"]["code"]["enum"] == list(DEAD_LETTER_CODES)


def test_every_code_of_an_undelivered_alert_is_documented_in_its_words():
    page = (DOCS / "outputs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", page, re.MULTILINE))
    assert {code: rows.get(code) for code in UNDELIVERED_CODES} == UNDELIVERED_CODES
    schema = json.loads(SCHEMAS[UNDELIVERED].read_text(encoding="utf-8"))
    assert schema["properties"]["code"]["enum"] == list(UNDELIVERED_CODES)


def test_asyncapi_describes_the_topics_that_are_written_and_points_to_their_schemas():
    described = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    topics = {topic.role: topic for topic in (*TOPICS, RECEIPTS_TOPIC)}

    assert set(described["channels"]) == set(SCHEMAS)
    for role, channel in described["channels"].items():
        kafka = channel["bindings"]["kafka"]
        settings = topics[role].settings()
        assert channel["address"] == topics[role].name("{prefix}")
        assert kafka["partitions"] == topics[role].partitions
        assert kafka["topicConfiguration"]["cleanup.policy"] == [settings["cleanup.policy"]]
        retention = kafka["topicConfiguration"].get("retention.ms")
        assert retention is None or str(retention) == settings["retention.ms"]
        (message,) = channel["messages"]
        schema = described["components"]["messages"][message]["payload"]["schema"]["$ref"]
        assert DOCS / schema == SCHEMAS[role]
