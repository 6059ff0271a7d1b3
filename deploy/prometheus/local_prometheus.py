"""Prometheus and promtool on this machine, without a container engine.

`HEADWATER_PROMETHEUS` names the folder that has them; without it they are looked for on the PATH,
and then fetched once as a package of Debian or Ubuntu (20 MB) into `var/prometheus/` of this
repository, without installing it and without root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "HEADWATER_PROMETHEUS"
CACHE = Path(__file__).resolve().parents[2] / "var" / "prometheus"
PROGRAMS = ("prometheus", "promtool")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class PrometheusError(RuntimeError):
    """Prometheus is not to be had, or did not start; the message says what to do."""


def folder_of_programs(cache: Path = CACHE) -> Path:
    """The folder that has `prometheus` and `promtool`. Several processes may ask at once."""
    if named := os.environ.get(VARIABLE):
        return _with_programs(Path(named))
    on_path = shutil.which(PROGRAMS[0])
    if on_path and shutil.which(PROGRAMS[1]):
        return Path(on_path).parent
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = cache / "package"
        if not package.is_dir():
            _fetch(cache, package)
        return _with_programs(package / "usr" / "bin")


def _with_programs(folder: Path) -> Path:
    if missing := [name for name in PROGRAMS if not (folder / name).is_file()]:
        raise PrometheusError(f"{folder} has no {' and no '.join(missing)}: correct {VARIABLE}")
    return folder


def _fetch(cache: Path, package: Path) -> None:
    if missing := [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]:
        raise PrometheusError(
            f"prometheus and promtool are not on the PATH, and without {' and '.join(missing)} "
            f"they cannot be fetched: install Prometheus, or set {VARIABLE} to the folder with it"
        )
    lists, unfinished = cache / "lists", cache / "package.part"
    for folder in (lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    # Lists of its own: those of the machine may be missing, and only root may fetch them.
    options = [
        f"-oDir::State::Lists={lists}",
        f"-oDir::Cache={cache}",
        "-oAPT::Sandbox::User=",
        "-oDebug::NoLocking=true",
    ]
    _run(["apt-get", "--quiet", *options, "update"], cache)
    _run(["apt-get", "--quiet", *options, "download", "prometheus"], cache)
    (deb,) = cache.glob("prometheus_*.deb")
    shutil.rmtree(unfinished, ignore_errors=True)
    _run(["dpkg-deb", "--extract", str(deb), str(unfinished)], cache)
    deb.unlink()
    shutil.rmtree(lists)
    unfinished.rename(package)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise PrometheusError(
            f"{command[0]} could not fetch Prometheus:\n{said}\n"
            f"Install Prometheus, or set {VARIABLE} to the folder that has it"
        )


@contextmanager
def running(programs: Path, config: Path, data: Path, port: int) -> Iterator[str]:
    """A Prometheus on 127.0.0.1 while it is open; gives its URL."""
    command = [
        str(programs / "prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    url = f"http://127.0.0.1:{port}"
    log_file = data.with_suffix(".log")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_ready(url, process, log_file)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log_file.read_text(errors="replace").strip()
                raise PrometheusError(f"Prometheus did not start:\n{said}") from None
            time.sleep(0.05)
