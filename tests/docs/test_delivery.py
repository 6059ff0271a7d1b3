"""docs/delivery.md: its sinks, its ten lines of Python, and its configurations of Kafka Connect."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
import yaml

from agents.delivery.event import read_event
from agents.delivery.webhook import CONTENT_TYPE, signed
from agents.topics import TOPICS
from schemas.plan.models import DEFAULT_PREFIX
from schemas.sinks import load_sinks, signing_key
from tests.agents.delivery.alerts import alert
from tests.docs.test_docs import DOCS, blocks

PAGE = DOCS / "delivery.md"
CONNECT = "org.apache.kafka.connect"
OF_KAFKA = {
    f"{CONNECT}.storage.StringConverter",
    f"{CONNECT}.converters.ByteArrayConverter",
    f"{CONNECT}.transforms.HoistField$Value",
    f"{CONNECT}.transforms.predicates.RecordIsTombstone",
}
"""What every worker of Connect has, by the names of Apache Kafka 4.1."""
CONNECTORS = [orjson.loads(block.text) for block in blocks(PAGE) if block.language == "json"]


def test_the_file_of_sinks_has_no_mistake() -> None:
    (text,) = (b.text for b in blocks(PAGE) if b.language == "yaml")
    secret = {"CRM_WEBHOOK_SECRET": "x", "GROWTH_CHAT_URL": "https://chat.example.com/x"}
    text = text.replace("{file: /run/secrets/smtp-password}", "{env: CRM_WEBHOOK_SECRET}")
    assert list(load_sinks(text, secret)) == list(yaml.safe_load(text)["sinks"])


@pytest.mark.parametrize("secret", ["plain", "whsec_c2VjcmV0"])
def test_the_ten_lines_know_what_is_ours(secret: str) -> None:
    (text,) = (b.text for b in blocks(PAGE) if b.language == "python")
    names: dict[str, Any] = {}
    exec(text, names)
    event = read_event(alert())
    assert event is not None
    headers = signed(event, signing_key(secret), int(time.time()))
    assert names["is_ours"](headers, event.value, secret)
    assert not names["is_ours"](headers, event.value + b" ", secret)
    assert not names["is_ours"](headers, event.value, "another")
    assert not names["is_ours"](headers | {"webhook-id": "x"}, event.value, secret)
    old = signed(event, signing_key(secret), int(time.time()) - 3600)
    assert not names["is_ours"](old, event.value, secret)


def test_there_is_an_example_for_http_for_a_database_and_for_files() -> None:
    classes = [connector["config"]["connector.class"] for connector in CONNECTORS]
    assert [name.rpartition(".")[2] for name in classes] == [
        "HttpSinkConnector",
        "JdbcSinkConnector",
        "S3SinkConnector",
    ]


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda connector: connector["name"])
def test_a_connector_reads_committed_records_of_topics_that_there_are(
    connector: dict[str, Any],
) -> None:
    assert set(connector) == {"name", "config"}
    config = connector["config"]
    assert all(isinstance(value, str) for value in config.values())
    made = {topic.name(DEFAULT_PREFIX) for topic in TOPICS}
    assert set(config["topics"].split(",")) <= made
    assert config["consumer.override.isolation.level"] == "read_committed"
    named = {value for value in config.values() if value.startswith(CONNECT)}
    assert {"key.converter", "value.converter"} <= config.keys()
    assert named <= OF_KAFKA
    for kind in ("transforms", "predicates"):
        for name in filter(None, config.get(kind, "").split(",")):
            assert f"{kind}.{name}.type" in config
    assert config.get("transforms.column.predicate") == config.get("predicates")
    assert config.get("http.headers.content.type", CONTENT_TYPE) == CONTENT_TYPE
    for secret in ("connection.password", "http.headers.authorization"):
        assert config.get(secret, "${").startswith("${")
