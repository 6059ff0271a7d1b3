"""Settings of a worker and its broker, from options and `HEADWATER_*` environment variables.

What reaches a broker is named as librdkafka names it: `--kafka security.protocol=SSL`, or
`HEADWATER_KAFKA_SECURITY_PROTOCOL=SSL`, which keeps passwords off the command line. An option wins
over a variable.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import confluent_kafka as ck
from pydantic import BaseModel, ConfigDict

from agents.transport.kafka import KafkaSettings
from agents.web import Address

BOOTSTRAP_VARIABLE = "HEADWATER_BOOTSTRAP_SERVERS"
SLOT_VARIABLE = "HEADWATER_SLOT"
HTTP_VARIABLE = "HEADWATER_HTTP"
KAFKA_VARIABLES = "HEADWATER_KAFKA_"

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/\[\]]+):(?P<port>\d{1,5})")
_SLOT = re.compile(r"[A-Za-z0-9._-]{1,100}")

EXACTLY_ONCE = frozenset(
    {
        "auto.offset.reset",
        "client.id",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "partition.assignment.strategy",
        "partitioner",
        "transactional.id",
    }
)
"""What a worker's exactness hangs on, and so is not for others to set."""

_OF_KAFKA_PYTHON = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "ssl.crl.location": "ssl_crlfile",
}
_ONLY_ALONE = "Failed to create producer"
"""How librdkafka begins to say that other settings are missing."""
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class SettingsInvalid(Exception):
    """Settings cannot be used; `problems` has a sentence for every mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Settings(BaseModel):
    """How to reach the broker, and which place among its like a worker has."""

    model_config = ConfigDict(frozen=True, strict=True)

    bootstrap_servers: str
    slot: str
    kafka: dict[str, str]
    """Settings of librdkafka, by its names."""
    http: Address | None = None
    """Where to serve metrics and health; None: nowhere."""

    def of_worker(self, group: str) -> KafkaSettings:
        """The settings of a worker in a consumer group."""
        return KafkaSettings(
            self.bootstrap_servers,
            group,
            self.slot,
            options=self.kafka,
            security=self.security(),
        )

    def security(self) -> dict[str, Any]:
        """The settings that make a connection secure, as kafka-python names them."""
        security: dict[str, Any] = {
            _OF_KAFKA_PYTHON[name]: value
            for name, value in self.kafka.items()
            if name in _OF_KAFKA_PYTHON
        }
        if "security_protocol" in security:
            security["security_protocol"] = security["security_protocol"].upper()
        if self.kafka.get("ssl.endpoint.identification.algorithm") == "none":
            security["ssl_check_hostname"] = False
        return security


def read_settings(
    bootstrap_servers: str | None,
    kafka: Iterable[str] = (),
    slot: str | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    http: str | None = None,
) -> Settings:
    """Settings from options (`kafka`: each KEY=VALUE) and, where there is none, the environment.

    Raises SettingsInvalid with every mistake.
    """
    problems: list[str] = []
    servers = bootstrap_servers or environment.get(BOOTSTRAP_VARIABLE) or ""
    problems += _about_servers(servers)
    slot = slot or environment.get(SLOT_VARIABLE) or re.sub(r"[^\w.-]", "-", socket.gethostname())
    if not _SLOT.fullmatch(slot):
        problems.append(
            f"slot {slot!r}: use up to 100 letters, digits, dots, dashes and underscores"
        )
    address = read_address(http or environment.get(HTTP_VARIABLE) or "", problems)
    options = _of_variables(environment) | _of_options(kafka, problems)
    problems += _about_options(options)
    if problems:
        raise SettingsInvalid(problems)
    return Settings(
        bootstrap_servers=_without_blanks(servers), slot=slot, kafka=options, http=address
    )


def read_address(http: str, problems: list[str]) -> Address | None:
    """Where to listen, from HOST:PORT; None for nothing, or for a mistake, told in `problems`."""
    if not http:
        return None
    address = _ADDRESS.fullmatch(http)
    if address is None or not 0 < int(address["port"]) < 65536:
        problems.append(f"http: {http!r} is no address, write HOST:PORT, such as 127.0.0.1:9464")
        return None
    return Address(address[1], int(address["port"]))


def _without_blanks(servers: str) -> str:
    return ",".join(each.strip() for each in servers.split(","))


def _about_servers(servers: str) -> Iterator[str]:
    if not servers:
        yield (
            f"no broker is named: add --bootstrap-servers HOST:PORT, or set {BOOTSTRAP_VARIABLE}"
        )
        return
    for each in servers.split(","):
        address = _ADDRESS.fullmatch(each.strip())
        if address is None or not 0 < int(address["port"]) < 65536:
            yield f"bootstrap servers: {each.strip()!r} is no address, write HOST:PORT"


def _of_variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        variable.removeprefix(KAFKA_VARIABLES).lower().replace("_", "."): value
        for variable, value in environment.items()
        if variable.startswith(KAFKA_VARIABLES)
    }


def _of_options(kafka: Iterable[str], problems: list[str]) -> dict[str, str]:
    found = {}
    for each in kafka:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            problems.append(f"--kafka {each}: write KEY=VALUE, such as security.protocol=SSL")
        else:
            found[name.strip()] = value.strip()
    return found


def _about_options(options: Mapping[str, str]) -> list[str]:
    """One by one first, so that all of them are told; then together."""
    problems = []
    for name, value in options.items():
        if name == "bootstrap.servers":
            problems.append(f"{name}: give it as --bootstrap-servers")
        elif name in EXACTLY_ONCE:
            problems.append(f"{name}: leave it out, exact numbers depend on Headwater's setting")
        elif (refused := _refusal({name: value})) and not refused.startswith(_ONLY_ALONE):
            problems.append(f"{refused} (see librdkafka's CONFIGURATION.md)")
    mechanism = options.get("sasl.mechanism", options.get("sasl.mechanisms", "PLAIN"))
    if mechanism not in _MECHANISMS:
        problems.append(f"sasl.mechanism {mechanism}: supported are {', '.join(_MECHANISMS)}")
    if not problems and (refused := _refusal(options)):
        problems.append(refused)
    return problems


def _refusal(options: Mapping[str, str]) -> str | None:
    """What librdkafka has against settings; it connects to nothing."""
    silent = logging.Logger("unheard", logging.CRITICAL)
    try:
        ck.Producer(dict(options), logger=silent)
    except ck.KafkaException as error:
        return str(error.args[0].str())
    return None
