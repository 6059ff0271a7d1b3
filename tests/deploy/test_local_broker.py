"""The local broker, apart from the one that the other tests share."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from deploy.kafka.local_broker import BrokerError, LocalBroker, free_ports, missing_programs
from tests import kafka_broker
from tests.kafka_broker import QUICK_TO_START


def topic_names(broker: LocalBroker) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        return admin.list_topics()
    finally:
        admin.close()


@pytest.mark.usefixtures("kafka")  # which settles whether a broker can run here at all
@pytest.mark.skipif(bool(missing_programs()), reason="a broker of its own needs java and mvn")
def test_a_broker_started_again_on_its_data_has_its_topics(tmp_path: Path):
    port, controller_port = free_ports(2)
    with LocalBroker(
        tmp_path, port=port, controller_port=controller_port, java_options=QUICK_TO_START
    ) as broker:
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        admin.create_topics({"kept": {"num_partitions": 2}}, wait_for_metadata=True)
        admin.close()

        broker.restart()

        assert "kept" in topic_names(broker)
    assert broker.pid is None


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        broker = LocalBroker(tmp_path, port=taken, controller_port=free_ports(1)[0])
        with pytest.raises(BrokerError, match=f"port {taken} is taken"):
            broker.start()


def test_without_java_a_test_of_kafka_is_skipped_here_and_fails_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setattr(kafka_broker, "missing_programs", lambda: ["java"])

    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="needs java"):
        kafka_broker.bootstrap_servers(tmp_path).__enter__()

    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs java"):
        kafka_broker.bootstrap_servers(tmp_path).__enter__()


def test_a_broker_that_is_named_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    with kafka_broker.bootstrap_servers(tmp_path / "unused") as servers:
        assert servers == "kafka.example:9092"
    assert not (tmp_path / "unused").exists()
