"""`headwater demo` and `headwater simulate`: a company, its incidents, and what finds them."""

from pathlib import Path

import orjson
from click.testing import CliRunner, Result

from agents.cli import main
from agents.cli.findings import findings
from agents.company import DAYS, incidents, sample_lines


def headwater(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_every_planted_incident_is_found_and_nothing_else() -> None:
    ran = headwater("demo", "--seconds", "2")
    assert ran.exit_code == 0, ran.output
    assert "4 of 4 planted incidents found, 0 false alerts" in ran.output
    assert "acct-002 loses its users" in ran.output


def test_a_short_demo_has_the_incidents_of_its_days_only() -> None:
    ran = headwater("demo", "--seconds", "1", "--days", "14")
    assert ran.exit_code == 0, ran.output
    assert "0 of 1 planted incidents found, 0 false alerts" in ran.output


def test_an_alert_of_another_account_or_another_time_finds_nothing() -> None:
    alert = {"rule": "account-goes-quiet", "account": "acct-002", "at": "2025-11-12T00:00:00.000Z"}
    churn = [each for each in incidents() if each.kind == "churn"]
    assert findings(churn, [alert]).found == [(churn[0], alert)]
    for other in ({"account": "acct-003"}, {"at": "2025-10-01T00:00:00.000Z"}, {"rule": "else"}):
        result = findings(churn, [alert | other])
        assert result.found == [(churn[0], None)]
        assert result.false == [alert | other]


def test_an_alert_of_the_whole_company_may_find_what_one_account_did() -> None:
    churn = [each for each in incidents() if each.kind == "churn"]
    later = {"rule": "customers-leave", "account": None, "at": "2025-11-17T00:00:00.000Z"}
    quiet = {"rule": "account-goes-quiet", "account": "acct-002", "at": "2025-11-12T00:00:00.000Z"}
    assert findings(churn, [later, quiet]) == ([(churn[0], quiet)], [])
    at_once = later | {"at": quiet["at"]}
    assert findings(churn, [at_once, quiet]) == ([(churn[0], quiet)], []), "the better rule"
    assert findings(churn, [later]) == ([(churn[0], later)], [])


def test_simulate_writes_events_and_what_is_planted_in_them(tmp_path: Path) -> None:
    events, planted = tmp_path / "events.jsonl", tmp_path / "incidents.json"
    ran = headwater("simulate", "--out", str(events), "--incidents", str(planted))
    assert ran.exit_code == 0, ran.output
    assert events.read_bytes() == b"".join(sample_lines())
    kinds = [each["kind"] for each in orjson.loads(planted.read_bytes())]
    assert kinds == [each.kind for each in incidents(DAYS)]


def test_simulate_wants_to_know_where_the_events_go() -> None:
    ran = headwater("simulate")
    assert ran.exit_code == 2
    assert "--out or with --topic" in ran.output
    ran = headwater("simulate", "--plan", "plans/demo-systems.yaml", "--topic", "product-events")
    assert ran.exit_code == 2
    assert "leave out --topic" in ran.output


def test_simulate_says_which_input_nobody_writes_to(tmp_path: Path) -> None:
    ran = headwater("simulate", "--plan", "plans/several-inputs.yaml", "--out", str(tmp_path / "x"))
    assert ran.exit_code == 1
    assert "billing writes JSON: give the input `format: mapping`" in ran.output
