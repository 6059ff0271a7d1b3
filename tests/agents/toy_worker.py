"""A worker process on the toy stages: python -m tests.agents.toy_worker SETTINGS (JSON)."""

import asyncio
import importlib
import json
import sys

from agents.checkpoints import StopWorker
from agents.log_lines import log_to_standard_error
from agents.pace import Pace
from agents.running import run_worker
from agents.transport.kafka import KafkaSettings
from agents.web import Address
from tests.agents.toy import stages
from tests.agents.toy_faults import install


def main(settings: dict) -> int:
    for name, value in settings.get("constants", {}).items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    install(settings)
    log_to_standard_error(verbose=True)
    prefix = settings["prefix"]
    both = stages(
        prefix,
        settings.get("inputs", [f"{prefix}.events"]),
        delay_s=settings.get("delay_s", 0.0),
    )
    worker = run_worker(
        [stage for stage in both if stage.agent_name == settings.get("only", stage.agent_name)],
        KafkaSettings(settings["bootstrap"], prefix, settings["slot"], **settings.get("kafka", {})),
        prefix=prefix,
        accept_loss=settings.get("accept_loss", False),
        pace=Pace(quiet_s=0.1, busy_s=0.3),
        http=Address("127.0.0.1", settings["port"]) if "port" in settings else None,
    )
    try:
        asyncio.run(worker)
    except StopWorker as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
