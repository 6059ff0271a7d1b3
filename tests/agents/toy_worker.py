"""A worker process on the toy stages: python -m tests.agents.toy_worker SETTINGS (JSON)."""

import asyncio
import json
import logging
import sys

from agents.checkpoints import StopWorker
from agents.running import run_worker
from agents.transport.kafka import KafkaSettings
from agents.worker import Pace
from tests.agents.toy import stages


def main(settings: dict) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("faust").setLevel(logging.WARNING)
    prefix = settings["prefix"]
    worker = run_worker(
        stages(
            prefix,
            settings.get("inputs", [f"{prefix}.events"]),
            delay_s=settings.get("delay_s", 0.0),
        ),
        KafkaSettings(settings["bootstrap"], prefix, settings["slot"]),
        prefix=prefix,
        accept_loss=settings.get("accept_loss", False),
        pace=Pace(quiet_s=0.1, busy_s=0.3),
    )
    try:
        asyncio.run(worker)
    except StopWorker as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
