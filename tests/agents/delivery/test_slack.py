"""What a chat shows of an alert."""

import orjson

from agents.delivery.event import Delivered, Event, Refused, read_event
from agents.delivery.slack import message, slack_sender
from schemas.sinks import load_sinks
from tests.agents.delivery.alerts import alert
from tests.agents.delivery.receiver import Answer, receiving


def event(**data: object) -> Event:
    found = read_event(alert(**data))
    assert found is not None
    return found


def test_a_message_says_what_happened_what_to_do_and_where_to_look() -> None:
    told = event(text="Call them.", link="https://crm.example.com/acme?a=1&b=2")
    assert message(told) == (
        "*[warning] acme is quiet*\n"
        "Call them.\n"
        "Rule: quiet · Account: acme · Owner: success · Since: 2026-02-25 06:13 UTC\n"
        "https://crm.example.com/acme?a=1&amp;b=2"
    )


def test_the_headline_says_what_became_of_the_alert() -> None:
    assert message(event(kind="resolved", revision=2)).startswith("*[resolved] acme")
    amended = {"kind": "amended", "revision": 2}
    assert message(event(**amended, state="disproved")).startswith("*[taken back] acme")
    assert message(event(**amended, state="firing")).startswith("*[warning, corrected] acme")


def test_ids_of_events_neither_format_nor_call_everybody() -> None:
    told = message(event(title="<!channel> a@b.com @here @Channel\x1b[2J\nx"))
    first = told.splitlines()[0]
    assert "<" not in first
    assert "&lt;!channel&gt; a@b.com" in first
    assert "@here" not in first
    assert "@Channel" not in first
    assert first.endswith("?[2J x*")


def test_it_is_posted_to_the_incoming_webhook_whose_refusal_does_not_tell_its_address() -> None:
    with receiving() as receiver:
        sink = load_sinks("sinks: {s: {slack: {url: {env: U}}}}", {"U": receiver.url})["s"]
        assert sink.slack is not None
        send = slack_sender(sink.slack, timeout_s=10)
        assert send(event()) == Delivered()
        receiver.answer = lambda _: Answer(404, body=b"no_service")
        assert send(event()) == Refused("HTTP 404: no_service")
    assert receiver.got[0].headers["Content-Type"] == "application/json; charset=utf-8"
    assert orjson.loads(receiver.got[0].body) == {"text": message(event())}
