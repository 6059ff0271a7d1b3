"""docs/existing-kafka.md, run as it stands: a new user's way to the first signal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from kafka import KafkaAdminClient, KafkaProducer

from agents.clock import wall_ms
from agents.company import START_MS, sample_lines
from deploy.kafka.local_broker import HERE, fetch_jars, free_ports
from schemas.times import DAY_MS, iso
from tests.soak.secure_broker import ADMIN, PASSWORD, SecureBroker

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "existing-kafka.md"
TOOLS = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
DAYS = 20


def commands() -> list[str]:
    """The fenced blocks of the page, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def script(broker: SecureBroker, port: int) -> str:
    """The commands with this broker's address; the worker in the background until the end."""
    filled = {
        "HEADWATER_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "HEADWATER_KAFKA_SSL_CA_LOCATION": str(broker.ca),
        "HEADWATER_KAFKA_SASL_PASSWORD": f'"{PASSWORD}"',
    }
    text = "\n".join(commands()).replace(":9464", f":{port}")
    for name, value in filled.items():
        text, number = re.subn(rf"^export {name}=.*$", f"export {name}={value}", text, flags=re.M)
        assert number == 1
    text, number = re.subn(r"^(headwater run .*)$", r"\1 2>worker.log &", text, flags=re.M)
    assert number == 1
    return f"set -euo pipefail\ntrap 'kill %1; wait %1' EXIT\n{text}"


def recent_events() -> list[bytes]:
    """The sample as if it had ended now."""
    shift_ms = wall_ms() - DAY_MS - (START_MS + DAYS * DAY_MS)

    def moved(call: dict[str, object]) -> dict[str, object]:
        times = {k: v for k, v in call.items() if k in ("timestamp", "sentAt", "originalTimestamp")}
        for name, at in times.items():
            ms = round(datetime.fromisoformat(str(at)).timestamp() * 1000)
            times[name] = iso(ms + shift_ms)
        return call | times

    return [orjson.dumps(moved(orjson.loads(line))) for line in sample_lines(days=DAYS)]


def fill(broker: SecureBroker, events: list[bytes]) -> None:
    secure = broker.security(ADMIN)
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers, **secure)
    admin.create_topics({"product-events": {"num_partitions": 2}}, wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, **secure)
    for number, event in enumerate(events):
        producer.send("product-events", event, partition=number % 2)
    producer.flush()
    producer.close()


def tools(folder: Path) -> str:
    """A folder with Kafka's tools, as a PATH has it."""
    for name, main in TOOLS.items():
        path = folder / name
        log = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        java = f"java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m {log}"
        path.write_text(f'#!/bin/sh\nexec {java} -cp "{fetch_jars()}/*" {main} "$@"\n')
        path.chmod(0o755)
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


def complaints(seed: int = 0, seconds: float = 0) -> list[str]:
    """What went wrong on the way; it takes as long as it takes, a minute."""
    with TemporaryDirectory(prefix="headwater-existing-kafka-") as folder:
        return _complaints_in(Path(folder))


def _complaints_in(folder: Path) -> list[str]:
    port, controller_port, http = free_ports(3)
    desk, bin = folder / "desk", folder / "bin"
    desk.mkdir()
    bin.mkdir()
    with SecureBroker(folder / "broker", port=port, controller_port=controller_port) as broker:
        fill(broker, recent_events())
        (desk / "admin.properties").write_text(broker.client_properties(ADMIN))
        done = subprocess.run(
            ["bash", "-c", script(broker, http)],
            cwd=desk,
            env=os.environ | {"PATH": tools(bin)},
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        worker = desk / "worker.log"
        return [done.stdout + done.stderr + (worker.read_text() if worker.exists() else "")]
    signals = [line for line in done.stdout.splitlines() if line.startswith('{"id":')]
    if [orjson.loads(signal)["revision"] for signal in signals] != [1]:
        return [f"not the first signal: {signals}"]
    counted = re.search(r"^headwater_signals_total\{", done.stdout, re.MULTILINE)
    return [] if counted else [f"no count of signals: {done.stdout}"]
