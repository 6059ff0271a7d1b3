"""The pages for operators say what the code does."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.delivery.metrics import DeliveryMetrics
from agents.metrics import PREFIX, Metrics
from agents.settings import HTTP_VARIABLE, read_settings
from agents.web import Address, found, serving

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
SUFFIX = {"counter": "_total", "info": "_info"}


def metric_names() -> set[str]:
    """The names of our own metrics, as a scrape shows them."""
    return {
        family.name + SUFFIX.get(family.type, "")
        for metrics in (Metrics, DeliveryMetrics)
        for family in metrics(CollectorRegistry()).registry.collect()
        if family.name.startswith(PREFIX)
    }


def test_every_metric_is_documented_and_no_other():
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(rf"^\| `({PREFIX}\w+)` \|", text, re.MULTILINE)) == metric_names()
    assert set(re.findall(rf"`({PREFIX}\w+)", text)) == metric_names()


def test_names_and_units_are_as_prometheus_asks():
    units = ("seconds", "records", "ratio", "total", "info")
    counted = {"headwater_ready", "headwater_partitions", "headwater_ids_remembered"}
    counted |= {"headwater_state_entities", "headwater_kpi_series_left_out"}
    counted |= {"headwater_alerts_held_back"}  # subjects
    counted |= {"headwater_segment_values"}
    counted |= {"headwater_alerts_held_in_quiet_hours", "headwater_predictions_judged"}
    counted |= {"headwater_kpi_value", "headwater_kpi_closed_value"}  # each KPI has its own
    for family in Metrics(CollectorRegistry()).registry.collect():
        assert family.documentation.endswith(".") or not family.name.startswith(PREFIX)
    strange = {n for n in metric_names() - counted if n.rpartition("_")[2] not in units}
    assert strange == set()


def test_metrics_are_made_in_one_file():
    makers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agents").rglob("*.py")
        if path.name != "metrics.py"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and "prometheus_client" in (getattr(node, "module", None) or node.names[0].name)
        and [alias.name for alias in node.names] != ["CollectorRegistry"]
    ]
    assert makers == []


def test_the_image_listens_where_it_says_and_compose_shows_it():
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (listens,) = re.findall(rf"^ENV {HTTP_VARIABLE}=(\S+)$", image, re.MULTILINE)
    address = read_settings("a:1", (), "w", {}, http=listens).http
    assert address is not None
    assert re.findall(r"^EXPOSE (\d+)$", image, re.MULTILINE) == [str(address.port)]
    assert HTTP_VARIABLE in re.findall(r"^HEALTHCHECK .*$", image, re.MULTILINE)[0]

    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    shown = [services[name]["ports"] for name in services if name.startswith("worker-")]
    assert len(shown) == 2
    assert all(ports[0].endswith(f":{address.port}") for ports in shown)


@pytest.mark.parametrize("well", [True, False])
def test_the_health_check_of_the_image_fails_when_healthz_does(well: bool):
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (words,) = re.findall(r"^HEALTHCHECK .* CMD (\[.+\])$", image, re.MULTILINE)
    program, *arguments = json.loads(words)
    assert program == "python"
    page = {"/healthz": lambda _: found("", well=well)}
    with serving(Address("127.0.0.1", 0), page) as port:
        environment = os.environ | {HTTP_VARIABLE: f"0.0.0.0:{port}"}
        checked = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True)
    assert (checked.returncode == 0) is well
