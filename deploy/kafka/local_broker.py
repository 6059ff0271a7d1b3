"""A real Apache Kafka broker on this machine, without a container engine.

Needs a Java runtime (17 or later) and Maven, which fetches the broker's jars once (about 120 MB)
into `var/kafka/` of this repository. Run it as a program for a broker to work with::

    python deploy/kafka/local_broker.py --port 9092

or use `LocalBroker` from a test or a benchmark, with a data folder and ports of its own.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from types import TracebackType

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / "var" / "kafka"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class BrokerError(RuntimeError):
    """The broker could not be fetched, started or stopped; the message says what to do."""


def missing_programs() -> list[str]:
    """The programs a local broker needs and this machine lacks."""
    return [name for name in ("java", "mvn") if shutil.which(name) is None]


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports that nobody listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def fetch_jars(cache: Path = CACHE) -> Path:
    """The folder with the broker's jars, fetched by Maven when pom.xml has not been seen before.

    Several processes may call this at once: one fetches, the others wait for it.
    """
    pom = HERE / "pom.xml"
    jars = cache / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "jars.lock"):
        if jars.is_dir():
            return jars
        if missing := missing_programs():
            raise BrokerError(f"{' and '.join(missing)} not found: install a JDK and Maven")
        unfinished = jars.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        copy = ["mvn", "--batch-mode", "--quiet", f"--file={pom}", "dependency:copy-dependencies"]
        done = subprocess.run(
            [*copy, f"-DoutputDirectory={unfinished}"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise BrokerError(f"Maven could not fetch the broker's jars:\n{done.stdout.strip()}")
        unfinished.rename(jars)
    return jars


class LocalBroker:
    """One Kafka broker process. It listens on 127.0.0.1 only.

    `data_dir` holds everything the broker keeps and its log file; started again on the same folder
    it has the same topics, offsets and transactions. As a context manager it starts and stops.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        port: int,
        controller_port: int,
        heap: str = "768m",
        java_options: Sequence[str] = (),
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self.port = port
        self.controller_port = controller_port
        self.heap = heap
        self.java_options = java_options
        self.log_file = self.data_dir / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalBroker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id of the broker, None while it does not run."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process and running else None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the broker and return when it takes requests. BrokerError if it does not."""
        if self.pid is not None:
            raise BrokerError(f"the broker on port {self.port} already runs")
        for port in (self.port, self.controller_port):
            if _listens(port):
                raise BrokerError(
                    f"port {port} is taken: stop what listens there, or choose another"
                )
        properties = self._write_properties()
        self._format(properties)
        with self.log_file.open("ab") as log:
            # A process group of its own: Ctrl-C in a terminal reaches the caller, who stops it.
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_ready(time.monotonic() + timeout_s)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the broker in good order (its data stays); no error when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def wait(self) -> int:
        """Wait until the broker ends by itself; its exit code."""
        if self._process is None:
            raise BrokerError("the broker does not run")
        return self._process.wait()

    def kill(self) -> None:
        """End the broker as a crash would (SIGKILL), even one that was frozen with SIGSTOP.

        The start after it takes about 10 s: the controller waits until the dead broker's session
        has run out.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop it and start it again on the same data and ports."""
        self.stop()
        self.start()

    def _write_properties(self) -> Path:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        template = Template((HERE / "server.properties").read_text())
        properties = self.data_dir / "server.properties"
        properties.write_text(
            template.substitute(
                port=self.port,
                controller_port=self.controller_port,
                log_dir=self.data_dir / "log",
            )
        )
        return properties

    def _format(self, properties: Path) -> None:
        """Give an empty data folder its cluster id; one that has it is left as it is."""
        if (self.data_dir / "log" / "meta.properties").exists():
            return
        # The same as the tool's random-uuid, without its second; behind = it may begin with a dash.
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        options = [f"--cluster-id={cluster_id}", f"--config={properties}"]
        _output(self._java("kafka.tools.StorageTool", "format", *options))

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            "java",
            f"-Xmx{self.heap}",
            *self.java_options,
            f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
            "-cp",
            f"{fetch_jars()}/*",
            main_class,
            *arguments,
        ]

    def _wait_ready(self, deadline: float) -> None:
        while not (_listens(self.port) and self._answers()):
            if self.pid is None:
                raise BrokerError(f"the broker ended while starting:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"the broker did not get ready in time:\n{self._log_tail()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Whether the controller lets the broker serve, groups too: an open port comes earlier."""
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        except KafkaError:
            return False
        try:
            # The first question about a group makes the topic of offsets, which takes a moment.
            admin.list_group_offsets({"nobody": None})
            return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()

    def _log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise BrokerError(f"{command[-1]}: exit code {done.returncode}\n{said}")
    return done.stdout


def main(arguments: list[str] | None = None) -> int:
    """Run one broker in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=9092, help="port for clients (9092)")
    parser.add_argument(
        "--controller-port",
        type=int,
        default=9093,
        help="port of its controller (9093)",
    )
    parser.add_argument(
        "--data", type=Path, default=CACHE / "data", help="data folder (var/kafka/data)"
    )
    parser.add_argument("--heap", default="768m", help="the most memory for Java's heap (768m)")
    options = parser.parse_args(arguments)

    broker = LocalBroker(
        options.data,
        port=options.port,
        controller_port=options.controller_port,
        heap=options.heap,
    )
    # Both ways of being told to stop end in the same place, at whatever moment they come.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("Starting Kafka; the first time its jars are fetched, which takes a minute.", flush=True)
    try:
        broker.start()
        print(
            f"Kafka is ready on {broker.bootstrap_servers} (process {broker.pid}).\n"
            f"Data: {broker.data_dir} (kept between runs; delete the folder for an empty broker)\n"
            f"Log:  {broker.log_file}\n"
            "It creates no topics by itself: headwater topics create\n"
            "Stop it with Ctrl-C.",
            flush=True,
        )
        exit_code = broker.wait()
        print(f"Kafka ended by itself (exit code {exit_code}), see its log.", file=sys.stderr)
        return 1
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopping Kafka ...", flush=True)
        broker.stop()
        print("Stopped.", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
