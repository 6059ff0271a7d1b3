"""The peers' own environments, which must not be the product's."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.peers import environments, options
from benchmarks.peers.environments import MavenProject, NotInstalledError, PeersPython

LOCK = environments.HERE / "requirements.lock"


def test_the_lock_pins_with_hashes_and_names_no_host():
    text = LOCK.read_text()
    pinned = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_lock_holds_what_the_peers_declare():
    declared = (environments.HERE / "requirements.in").read_text()
    names = set(re.findall(r"^([a-z-]+)", declared, re.MULTILINE))
    assert names <= set(re.findall(r"^([a-z0-9.-]+)==", LOCK.read_text(), re.MULTILINE))


def test_the_version_of_a_peer_is_the_pinned_one():
    assert re.fullmatch(r"[0-9.]+", PeersPython("module", "bytewax").version())


def test_a_peer_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environments, "MADE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="java and mvn not found"):
        MavenProject("kafka_streams", "kafka-streams").prepare()


def test_an_installation_that_fails_is_told_with_its_reason():
    with pytest.raises(NotInstalledError, match="no such version"):
        environments._install([sys.executable, "-c", "import sys; sys.exit('no such version')"])


def test_what_was_made_of_other_sources_is_made_anew(tmp_path: Path):
    source = tmp_path / "pom.xml"
    source.write_text("1")
    environments._note_made(tmp_path, [source])
    assert environments._is_made(tmp_path, [source])

    source.write_text("2")
    assert not environments._is_made(tmp_path, [source])


def test_a_peer_is_told_everything_on_its_command_line(tmp_path: Path):
    told = options.Options("h:1", "in", 5, "activations", "active", "group", tmp_path, 2)
    words = [
        word
        for name, value in told._asdict().items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert options.read(words) == told
