"""Where a peer's programs come from: environments apart from the product's, made on first use."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

HERE = Path(__file__).resolve().parent
MADE = HERE.parent.parent / "var" / "peers"
"""Everything downloaded and built. Delete the folder, and the next run makes it anew."""
INSTALL_TIMEOUT_S = 1800
SHOWN_CHARACTERS = 600


class NotInstalledError(RuntimeError):
    """A peer's programs could not be had on this machine; the message says why."""


class Environment(Protocol):
    def prepare(self) -> None:
        """Install what is missing. NotInstalledError if it cannot be had."""

    def command(self) -> list[str]:
        """What to call; the options follow."""

    def version(self) -> str:
        """Of the peer, once it is prepared."""


class ProductPython(NamedTuple):
    """A module in the product's own environment, which has Faust."""

    module: str
    package: str

    def prepare(self) -> None:
        """Installed already: this program runs in it."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module]

    def version(self) -> str:
        return version(self.package)


class PeersPython(NamedTuple):
    """A module in the peers' virtual environment, which is what requirements.lock says."""

    module: str
    package: str

    def prepare(self) -> None:
        lock = HERE / "requirements.lock"
        venv = MADE / "venv"
        if _is_made(venv, [lock]):
            return
        shutil.rmtree(venv, ignore_errors=True)
        _install([sys.executable, "-m", "venv", str(venv)])
        _install(
            [str(venv / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(lock)]
        )
        _note_made(venv, [lock])

    def command(self) -> list[str]:
        return [str(MADE / "venv" / "bin" / "python"), "-m", self.module]

    def version(self) -> str:
        pins = (HERE / "requirements.lock").read_text()
        (pin,) = re.findall(rf"^{self.package}==(\S+)", pins, re.MULTILINE)
        return str(pin)


class MavenProject(NamedTuple):
    """A Java program beside this file: `<folder>/pom.xml`, main class peers.SmallJob."""

    folder: str
    package: str
    """The jar whose version is the peer's."""
    java_options: tuple[str, ...] = ()

    def prepare(self) -> None:
        project, made = HERE / self.folder, MADE / self.folder
        sources = [project / "pom.xml", *sorted(project.rglob("*.java"))]
        if _is_made(made, sources):
            return
        if missing := [name for name in ("java", "mvn") if shutil.which(name) is None]:
            raise NotInstalledError(f"{' and '.join(missing)} not found")
        shutil.rmtree(made, ignore_errors=True)
        # pom.xml says where: in the folder that MADE is.
        maven = ["mvn", "--batch-mode", "--quiet", f"--file={project / 'pom.xml'}"]
        _install([*maven, "compile", "dependency:copy-dependencies"])
        _note_made(made, sources)

    def command(self) -> list[str]:
        made = MADE / self.folder
        classes = f"{made / 'classes'}:{made / 'dependency'}/*"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", quiet, *self.java_options, "-cp", classes, "peers.SmallJob"]

    def version(self) -> str:
        (jar,) = (MADE / self.folder / "dependency").glob(f"{self.package}-[0-9]*.jar")
        return jar.stem.removeprefix(f"{self.package}-")


def _install(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"{command[0]}: not done in {INSTALL_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise NotInstalledError(f"{command[0]}: {done.stdout.strip()[-SHOWN_CHARACTERS:]}")


def _is_made(folder: Path, sources: Iterable[Path]) -> bool:
    """Whether the folder was made, to the end, of these very sources."""
    stamp = folder / "made-of"
    return stamp.exists() and stamp.read_text() == _digest(sources)


def _note_made(folder: Path, sources: Iterable[Path]) -> None:
    (folder / "made-of").write_text(_digest(sources))


def _digest(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()
