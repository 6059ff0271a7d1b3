"""Writes deploy/grafana/dashboards/, which Grafana is given as it is.

    python -m deploy.grafana.build

The JSON is kept in the repository; tests/deploy/test_grafana.py fails when it is out of step.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.accounts import accounts
from deploy.grafana.growth import growth
from deploy.grafana.pipeline import pipeline

FOLDER = Path(__file__).resolve().parent / "dashboards"
MARKS = {"titleFormat": "{{rule}}", "textFormat": "{{severity}}", "step": "60s"}
"""What Grafana's Prometheus takes for an annotation and the SDK has no word for."""


def dashboards() -> dict[str, str]:
    """File name -> JSON."""
    return {
        f"{name}.json": _json(made().build())
        for name, made in (("growth", growth), ("accounts", accounts), ("pipeline", pipeline))
    }


def _json(dashboard: Any) -> str:
    plain = json.loads(JSONEncoder().encode(dashboard))
    for annotation in plain["annotations"].get("list", ()):
        annotation.update(MARKS)
    for number, panel in enumerate(plain["panels"], 1):
        panel["id"] = number
        for letter, target in zip(ascii_uppercase, panel.get("targets", ()), strict=False):
            target["refId"] = letter
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
