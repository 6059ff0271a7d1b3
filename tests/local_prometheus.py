"""The Prometheus that tests use: its programs, and what a running one answers."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from deploy.prometheus.local_prometheus import PrometheusError, folder_of_programs


def programs() -> Path:
    """The folder with prometheus and promtool. Without them a test is skipped, in CI it fails."""
    try:
        return folder_of_programs()
    except PrometheusError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def promtool(*arguments: str | Path, folder: Path | None = None) -> str:
    """What promtool says; AssertionError unless it finds everything good."""
    done = subprocess.run(
        [programs() / "promtool", *arguments],
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(url: str, path: str, **parameters: str | float) -> Any:
    """The data that Prometheus' HTTP API answers with."""
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{parameters}: {error.read().decode()}") from error
