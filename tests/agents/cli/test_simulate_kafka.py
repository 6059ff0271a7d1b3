"""`headwater simulate` on a real broker: what each system says is in the topic of its input."""

from pathlib import Path

import yaml

from agents.company import SYSTEMS, arrivals
from agents.company.streams import split
from schemas.plan import load_plan
from tests.kafka_runs import committed_records, create_input
from tests.replays import headwater

PLAN = Path(__file__).resolve().parents[3] / "plans" / "demo-systems.yaml"
DAYS, ACCOUNTS = 10, 5


def test_every_input_has_its_own_topic(kafka: str, prefix: str, tmp_path: Path) -> None:
    said = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    for input in said["inputs"]:
        input["topic"] = f"{prefix}-{input['topic']}"
        create_input(kafka, input["topic"], 1)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    company = ["--days", str(DAYS), "--accounts", str(ACCOUNTS), "--rate", "100000"]
    told = headwater("simulate", "--plan", path, "--bootstrap-servers", kafka, *company)

    plan = load_plan(path)
    sent = list(split(arrivals(accounts=ACCOUNTS, days=DAYS), plan, SYSTEMS))
    for input in plan.inputs:
        lines = [each.line for each in sent if each.input == input]
        assert committed_records(kafka, input.topic) == lines
        assert f"{len(lines)} events sent to {input.topic}" in told.replace(",", "")
