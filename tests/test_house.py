"""The rules of the house that no linter knows: who may import whom, and files that must agree."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("schemas", "streams", "agents")
"""Each may import itself and those before it."""

OUTSIDE = {"tests", "benchmarks", "deploy"}
"""Code about the product, which the product itself never imports."""

ONLY_IN_AGENTS = {"aiokafka", "confluent_kafka", "faust", "kafka", "logging", "mode", "time"}
CLOCK_READERS = {"now", "today", "utcnow"}
VAGUE_NAMES = {"utils", "util", "common", "base", "manager", "helpers", "misc"}


class Reach(NamedTuple):
    """Something a file reaches for: the module it imports, or the name it calls."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.name}"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def layer_files() -> Iterator[tuple[str, Path, ast.Module]]:
    for layer in LAYERS:
        for path in python_files(layer):
            yield layer, path, parsed(path)


def imports(path: Path, tree: ast.Module) -> Iterator[Reach]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            names = [node.module or ""]
        else:
            continue
        for name in names:
            yield Reach(str(path.relative_to(ROOT)), node.lineno, name)


def package(reach: Reach) -> str:
    return reach.name.split(".")[0]


def test_imports_go_one_way():
    wrong = [
        str(reach)
        for layer, path, tree in layer_files()
        for reach in imports(path, tree)
        if package(reach) in OUTSIDE.union(LAYERS[LAYERS.index(layer) + 1 :])
    ]
    assert wrong == []


def test_schemas_and_streams_know_no_clock_no_log_and_no_kafka():
    wrong = [
        str(reach)
        for layer, path, tree in layer_files()
        if layer != "agents"
        for reach in imports(path, tree)
        if package(reach) in ONLY_IN_AGENTS
    ]
    assert wrong == []


def test_schemas_and_streams_never_ask_what_time_it_is():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for layer, path, tree in layer_files()
        if layer != "agents"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READERS
    ]
    assert wrong == []


def test_every_file_says_first_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*LAYERS, *OUTSIDE)
        if not ast.get_docstring(parsed(path))
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing():
    names = {path.stem for path in python_files(*LAYERS, *OUTSIDE)}
    folders = {path.parent.name for path in python_files(*LAYERS, *OUTSIDE)}
    assert (names | folders) & VAGUE_NAMES == set()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_pins_by_hash_and_names_no_index(name: str):
    text = (ROOT / name).read_text()
    pinned = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]

    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("extra", [None, "dev"])
def test_the_lock_files_hold_what_the_project_declares(extra: str | None):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    lock = ROOT / ("requirements-dev.lock" if extra else "requirements.lock")
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE))

    names = {re.match(r"[A-Za-z0-9._-]+", each).group().lower() for each in declared}
    assert names - locked == set()


def headwater_commands() -> Iterator[list[str]]:
    """The arguments of `headwater` wherever the house calls it: the first words and its options."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in compose["services"].values():
        if service["image"].startswith("headwater:") and "entrypoint" not in service:
            yield service["command"]
    for path in sorted((ROOT / "deploy" / "kubernetes").rglob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            if found["kind"] in ("StatefulSet", "Job", "Deployment"):
                yield found["spec"]["template"]["spec"]["containers"][0]["args"]
    for line in (ROOT / "Makefile").read_text().splitlines():
        if line.startswith("\t$(BIN)/headwater "):
            yield shlex.split(line)[1:]
    yield ["run", "--plan", "p", "--bootstrap-servers", "b", "--until", "t"]  # benchmarks/run.py
    yield ["replay", "file", "--plan", "p", "--out", "o"]


@pytest.mark.parametrize("arguments", headwater_commands(), ids=" ".join)
def test_the_command_line_knows_what_the_house_calls(arguments: list[str]):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["headwater"].split(":")
    command = getattr(importlib.import_module(module), name)
    words = iter(arguments)
    while isinstance(command, click.Group):
        command = command.commands[next(words)]

    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
