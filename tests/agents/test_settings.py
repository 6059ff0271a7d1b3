"""Settings: options before variables, the same security for both clients, every mistake at once."""

import pytest

from agents.settings import Settings, SettingsInvalid, read_settings

NOTHING: dict[str, str] = {}


def problems_of(servers: str | None, *kafka: str, slot: str | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsInvalid) as raised:
        read_settings(servers, kafka, slot, NOTHING)
    return raised.value.problems


def test_options_win_over_variables() -> None:
    environment = {
        "HEADWATER_BOOTSTRAP_SERVERS": "other:9092",
        "HEADWATER_SLOT": "other",
        "HEADWATER_KAFKA_SOCKET_TIMEOUT_MS": "1000",
        "HEADWATER_KAFKA_CLIENT_RACK": "east",
        "HEADWATER_PORT": "tcp://10.0.0.1:80",  # as Kubernetes sets it for a service of that name
    }
    assert read_settings("a:1, b:2", ["socket.timeout.ms=2000"], "w1", environment) == Settings(
        bootstrap_servers="a:1,b:2",
        slot="w1",
        kafka={"socket.timeout.ms": "2000", "client.rack": "east"},
    )
    assert read_settings(None, (), None, environment).bootstrap_servers == "other:9092"
    assert read_settings(None, (), None, environment).slot == "other"


def test_where_to_listen_is_nowhere_unless_said() -> None:
    environment = {"HEADWATER_HTTP": "0.0.0.0:9464"}
    assert read_settings("a:1", (), "w1", NOTHING).http is None
    assert read_settings("a:1", (), "w1", environment).http == ("0.0.0.0", 9464)
    assert read_settings("a:1", (), "w1", environment, http="[::1]:80").http == ("[::1]", 80)
    with pytest.raises(SettingsInvalid, match="http: '9464' is no address, write HOST:PORT"):
        read_settings("a:1", (), "w1", NOTHING, http="9464")


def test_a_worker_without_a_slot_has_the_name_of_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "worker 1")
    assert read_settings("a:1", environment=NOTHING).slot == "worker-1"


def test_a_worker_is_known_by_group_and_slot() -> None:
    worker = read_settings("a:1", ["client.rack=east"], "w1", NOTHING).of_worker("headwater")
    assert worker.transactional_id == "headwater/w1"
    consumer = worker.consumer()
    assert consumer["group.id"] == "headwater"
    assert consumer["client.rack"] == "east"


def test_kafka_python_gets_the_same_security() -> None:
    kafka = (
        "security.protocol=sasl_ssl",
        "sasl.mechanism=SCRAM-SHA-256",
        "sasl.username=u",
        "sasl.password=p=q",
        "ssl.endpoint.identification.algorithm=none",
        "client.rack=east",
    )
    assert read_settings("a:1", kafka, "w1", NOTHING).security() == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p=q",
        "ssl_check_hostname": False,
    }


def test_every_mistake_is_told_at_once() -> None:
    problems = problems_of(
        "kafka,[::1]:9092,b:99999",
        "nonsense",
        "no.such.setting=1",
        "socket.timeout.ms=soon",
        "group.id=mine",
        "bootstrap.servers=x:1",
        slot="a/b",
    )
    for said in (
        "'kafka' is no address",
        "'b:99999' is no address",
        "slot 'a/b'",
        "--kafka nonsense: write KEY=VALUE",
        'No such configuration property: "no.such.setting"',
        'Invalid value for configuration property "socket.timeout.ms"',
        "group.id: leave it out",
        "bootstrap.servers: give it as --bootstrap-servers",
    ):
        assert sum(said in problem for problem in problems) == 1, said
    assert len(problems) == 8


def test_settings_that_do_not_fit_together_are_told() -> None:
    (problem,) = problems_of("a:1", "security.protocol=ssl", "ssl.ca.location=/not/there")
    assert "ssl.ca.location" in problem
    (problem,) = problems_of("a:1", "sasl.mechanism=OAUTHBEARER")
    assert "supported are PLAIN" in problem


def test_a_broker_has_to_be_named() -> None:
    (problem,) = problems_of(None)
    assert "--bootstrap-servers" in problem
    assert "HEADWATER_BOOTSTRAP_SERVERS" in problem
