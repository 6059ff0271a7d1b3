"""The dashboards are what their code makes, and Prometheus has an answer to all they ask."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from agents.company import START_MS, sample_lines
from agents.delivery.deliverer import ORDINARY, URGENT
from agents.delivery.metrics import DeliveryMetrics, LaneMeter
from agents.pace import Pace
from agents.running import run_embedded
from agents.stages import COMPANY, stages_of_topics
from agents.web import Address
from agents.worker import StageSpec
from deploy.grafana.build import FOLDER, dashboards
from deploy.grafana.queries import ROWS
from deploy.kafka.local_broker import free_ports
from deploy.prometheus.local_prometheus import running
from schemas.outputs import ALERTS
from schemas.plan.check import load_plan
from schemas.times import DAY_MS
from streams.catalogue import catalogue_ids
from streams.stage import Flushed, Outgoing, RecordBatch, StagePartition
from streams.topology import Partitions, Topology
from tests.local_prometheus import ask, programs

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
MADE = {name: json.loads(text) for name, text in dashboards().items()}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in MADE.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]


def test_the_dashboards_are_what_their_code_makes():
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert kept == dashboards(), "run python -m deploy.grafana.build"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]):
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"]
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert all(target["legendFormat"] or panel["type"] == "stat" for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_of_numbers_leads_to_their_definitions(panel: dict[str, Any]):
    asked = {
        kpi for target in panel["targets"] for kpi in re.findall('kpi="(.+?)"', target["expr"])
    }
    linked = {link["url"] for link in panel.get("links", ())}
    assert linked == {f"${{docs}}/kpis/{ROWS[kpi].group}.md#{kpi}" for kpi in asked}
    for url in linked:
        page, _, anchor = url.removeprefix("${docs}/").partition("#")
        assert f'<a id="{anchor}"></a>' in (ROOT / "docs" / page).read_text(encoding="utf-8")


# ---- a real Prometheus on a real worker

DAYS = 45
SCRAPE_S = 0.5
PATIENCE_S = 60.0


class Company:
    """The demo's plan on its generated events, in a thread; it waits after half of them."""

    def __init__(self, port: int) -> None:
        self.address = Address("127.0.0.1", port)
        self._go_on = threading.Event()
        self._end = threading.Event()
        self._lines = [*sample_lines(accounts=30, days=DAYS), b"{", b"[]"]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Company:
        self._thread.start()
        return self

    def go_on(self) -> None:
        """Has the second half of the events read."""
        self._go_on.set()

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._end.set()
        self._thread.join()

    async def _run(self) -> None:
        plan = load_plan(ROOT / "plans" / "demo.yaml", known_kpis=catalogue_ids())
        topic = plan.inputs[0].topic
        one = Partitions(accounts=1, users=1, tallies=1)
        topology = Topology(plan, {topic: 1}, partitions=one, bounded=False, throttled=False)
        stages = [_with_an_alert(stage) for stage in stages_of_topics(topology, {topic: 1})]
        await run_embedded(
            stages,
            self._feed(topic),
            lambda records: None,
            pace=Pace(busy_s=0.1),
            clock=lambda: START_MS + DAYS * DAY_MS,
            http=self.address,
        )

    async def _feed(self, topic: str) -> AsyncIterator[RecordBatch]:
        half = len(self._lines) // 2
        for part, wait in ((self._lines[:half], self._go_on), (self._lines[half:], self._end)):
            for start in range(0, len(part), 500):
                lines = part[start : start + 500]
                now = [START_MS + DAYS * DAY_MS] * len(lines)
                yield RecordBatch(topic, 0, range(len(lines)), now, lines, at_end=True)
            await asyncio.to_thread(wait.wait)


def _with_an_alert(stage: StageSpec) -> StageSpec:
    """The plan has no rule yet that is sure to fire: the company says so in its place."""
    said = {"type": "headwater.alert.firing", "data": {"rule": "r", "severity": "page"}}
    alert = Outgoing(ALERTS, None, None, orjson.dumps(said))

    def make(partition: int) -> StagePartition:
        made = stage.make(partition)
        flush = made.flush

        def alerting(now_ms: int) -> Flushed:
            entities, records = flush(now_ms)
            return Flushed(entities, [*records, alert] if records else records)

        made.flush = alerting  # type: ignore[method-assign]
        return made

    return replace(stage, make=make) if stage.name == COMPANY else stage


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that has scraped both halves of the company's events."""
    folder = tmp_path_factory.mktemp("prometheus")
    found = programs()
    port, company_port, deliverer_port = free_ports(3)
    often = {"scrape_interval": f"{SCRAPE_S * 1000:.0f}ms"}
    config = {
        "global": {**often, "evaluation_interval": "500ms"},
        "rule_files": [str(rules) for rules in RULES],
        "scrape_configs": [
            {
                "job_name": "headwater",
                "static_configs": [{"targets": [f"127.0.0.1:{company_port}"]}],
            },
            {
                "job_name": "headwater-delivery",
                "static_configs": [{"targets": [f"127.0.0.1:{deliverer_port}"]}],
            },
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (
        Company(company_port) as company,
        _deliverer(deliverer_port),
        running(found, folder / "prometheus.yml", folder / "data", port) as url,
    ):
        # The last stage, so that the others have come so far, too.
        alerts = 'headwater_alerts_total{job="headwater"}'
        half = _settled(url, alerts)
        company.go_on()
        assert _settled(url, f"{alerts} > {half}") > half
        yield url


@contextmanager
def _deliverer(port: int) -> Iterator[None]:
    """What a deliverer of one sink shows from its start on."""
    metrics = DeliveryMetrics(CollectorRegistry())
    for lane in (URGENT, ORDINARY):
        LaneMeter(metrics, "hook", lane).stands(behind=0, held=0)
    server, thread = start_http_server(port, "127.0.0.1", registry=metrics.registry)
    yield
    server.shutdown()
    thread.join()


def _settled(url: str, query: str) -> float:
    """The value of a query once it is there and two scrapes found the same."""
    seen: list[str] = []
    deadline = time.monotonic() + 60
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        assert time.monotonic() < deadline, query
        seen += [series["value"][1] for series in ask(url, "query", query=query)["result"]]
        time.sleep(SCRAPE_S)
    return float(seen[-1])


def _questions() -> Iterator[tuple[str, str]]:
    """Where each query stands, and the query."""
    for name, dashboard in MADE.items():
        for annotation in dashboard["annotations"].get("list", ()):
            yield f"{name}: {annotation['name']}", annotation["expr"]
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield f"{name}: {panel['title']}", target["expr"]
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                # As numbers 0 and 1: an alert that is not due would return nothing.
                asked = re.sub(r"(==|[<>]=?)", r"\1 bool", rule["expr"])
                yield f"{file.name}: {rule.get('record') or rule['alert']}", asked


VARIABLES = {"$__rate_interval": "30s", "$job": "headwater", "$segment": "all"}


def test_every_query_of_every_dashboard_and_rule_returns_data(prometheus: str):
    nothing = []
    for place, query in _questions():
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        assert "$" not in query, place
        nothing.append((place, query))
    until_s = time.monotonic() + PATIENCE_S
    while nothing and time.monotonic() < until_s:
        # Alerts are there before the last numbers of a busy worker.
        nothing = [
            each for each in nothing if not ask(prometheus, "query", query=each[1])["result"]
        ]
        time.sleep(SCRAPE_S if nothing else 0)
    assert [place for place, _ in nothing] == [], nothing


def test_rules_are_evaluated_without_a_mistake(prometheus: str):
    groups = ask(prometheus, "rules")["groups"]
    assert len(groups) == 6
    assert [rule for group in groups for rule in group["rules"] if rule.get("lastError")] == []


def test_the_variables_of_the_dashboards_find_their_values(prometheus: str):
    shown = ask(prometheus, "label/segment/values", **{"match[]": "headwater_kpi_value"})
    assert "all" in shown
    assert ask(prometheus, "label/job/values", **{"match[]": "headwater_ready"}) == ["headwater"]
