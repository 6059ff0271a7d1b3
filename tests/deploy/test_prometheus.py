"""What is in deploy/prometheus, judged by Prometheus itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.delivery.metrics import DeliveryMetrics
from agents.metrics import KPI_CLOSED_VALUE, PREFIX, Metrics
from deploy.kafka.local_broker import free_ports
from deploy.prometheus.local_prometheus import VARIABLE, running
from schemas.times import SECOND_MS, parse_iso
from tests.local_prometheus import ask, programs, promtool
from tests.replays import headwater, write_lines

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
ALERTING = FOLDER / "alerting.rules.yml"
TESTS = FOLDER / "alerting.test.yml"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}


def rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules(ALERTING)}


def shown_metrics() -> set[str]:
    return {
        family.name + suffix
        for metrics in (Metrics, DeliveryMetrics)
        for family in metrics(CollectorRegistry()).registry.collect()
        for suffix in SUFFIXES.get(family.type, ("",))
    }


def test_promtool_finds_configuration_and_rules_good():
    promtool("check", "config", "prometheus.yml", folder=FOLDER)
    checked = promtool("check", "rules", *sorted(FOLDER.glob("*.rules.yml")), folder=FOLDER)
    assert "duplicate" not in checked


def test_every_alert_fires_when_it_should_and_only_then():
    promtool("test", "rules", TESTS.name, folder=FOLDER)
    tried: dict[str, list[bool]] = {}
    for each in yaml.safe_load(TESTS.read_text())["tests"]:
        for one in each.get("alert_rule_test", ()):
            tried.setdefault(one["alertname"], []).append(bool(one.get("exp_alerts")))
    assert tried.keys() == ALERTS.keys()
    assert [name for name, fires in tried.items() if set(fires) != {True, False}] == []


def test_rules_read_metrics_that_there_are():
    recorded = {rule["record"] for rule in rules(FOLDER / "recording.rules.yml")}
    for file in FOLDER.glob("*.rules.yml"):
        for rule in rules(file):
            read = set(re.findall(rf"[\w:]*\b{PREFIX}[\w:]+|\w+:{PREFIX}[\w:]+", rule["expr"]))
            assert read - recorded <= shown_metrics(), rule


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: str):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("page", "ticket")
    page, _, section = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert section in {heading.lower().replace(" ", "-") for heading in headings}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}


EVENTS = [
    b'{"messageId":"1","type":"track","event":"A","userId":"u1","timestamp":"2026-03-01T10:00:00Z"}',
    b'{"messageId":"2","type":"track","event":"A","userId":"u2","timestamp":"2026-03-01T10:00:00Z"}',
    b'{"messageId":"3","type":"track","event":"B","userId":"u1","timestamp":"2026-03-02T11:00:00Z"}',
]
PLAN = "product: History\nactivity: all\nactivation: B\n"


def test_the_history_of_a_replay_can_be_asked_of_prometheus(tmp_path: Path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    events = write_lines(tmp_path / "events.jsonl", EVENTS)
    headwater("replay", events, "--plan", tmp_path / "plan.yaml", "--out", tmp_path / "numbers")
    headwater("export", tmp_path / "numbers", "--openmetrics", tmp_path / "history.txt")
    data = tmp_path / "data"
    promtool("tsdb", "create-blocks-from", "openmetrics", tmp_path / "history.txt", data)

    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_configs: []\n")
    dau = f'{PREFIX}{KPI_CLOSED_VALUE.name}{{kpi="dau",period="day",segment="all"}}'
    start, end = (parse_iso(day) // SECOND_MS for day in ("2026-03-02", "2026-03-03"))
    with running(programs(), config, data, free_ports(1)[0]) as url:
        (series,) = ask(url, "query_range", query=dau, start=start, end=end, step=86400)["result"]
    assert series["values"] == [[start, "2"], [end, "1"]]


def test_a_folder_without_prometheus_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    told = f"has no prometheus and no promtool: correct {VARIABLE}"
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match=told):
        programs()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=told):
        programs()


def test_operators_find_every_alert_in_their_page():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(Headwater\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert sorted(told) == sorted((name, r["labels"]["severity"]) for name, r in ALERTS.items())
