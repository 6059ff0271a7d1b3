"""A webhook's request is a CloudEvent, signed so that anybody can verify it."""

import hmac
from base64 import b64decode, b64encode

import pytest

from agents.delivery.event import Delivered, Event, TryAgain, read_event
from agents.delivery.webhook import attribute_headers, signed, webhook_sender
from schemas.sinks import load_sinks
from tests.agents.delivery.alerts import alert
from tests.agents.delivery.receiver import receiving

KEY = b"a secret of many bytes"
STANDARD = "whsec_" + b64encode(KEY).decode()


def event(**data: object) -> Event:
    found = read_event(alert(**data))
    assert found is not None
    return found


def test_a_request_has_the_headers_of_the_binding_and_of_the_sink() -> None:
    with receiving() as receiver:
        text = (
            f"sinks: {{s: {{webhook: {{url: '{receiver.url}', secret: {{env: K}}, "
            "authorization: {env: A}}}}"
        )
        webhook = load_sinks(text, {"K": STANDARD, "A": "Bearer x"})["s"].webhook
        assert webhook is not None
        assert (
            webhook_sender(webhook, timeout_s=5, now_s=lambda: 1_772_000_000.9)(event())
            == Delivered()
        )
        (got,) = receiver.got
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert got.body == alert()
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["authorization"] == "Bearer x"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == "headwater.alert.firing"
    assert (
        headers["ce-id"] == headers["idempotency-key"] == headers["webhook-id"] == "a" * 32 + "-1"
    )
    assert headers["webhook-timestamp"] == "1772000000"
    content = f"{headers['webhook-id']}.1772000000.".encode() + got.body
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert b64decode(signature) == hmac.digest(KEY, content, "sha256")


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """The example of https://github.com/standard-webhooks/standard-webhooks, spec 1.0."""
    from schemas.sinks import signing_key

    body = b'{"test": 2432232314}'
    sent = Event(body, {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {})
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = signed(sent, key, 1614265330)["webhook-signature"]
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("subject", "header"),
    [("acme", "acme"), ("Ö 1%", "%C3%96%201%25"), ('a"b', "a%22b"), ("a\r\nb: c", "a%0D%0Ab:%20c")],
)
def test_an_attribute_is_encoded_as_the_binding_asks(subject: str, header: str) -> None:
    headers = attribute_headers(event(subject=subject))
    assert headers["ce-subject"] == header
    assert "ce-datacontenttype" not in headers


def test_a_server_that_is_not_there_is_tried_again() -> None:
    text = "sinks: {s: {webhook: {url: 'http://127.0.0.1:9/x', secret: {env: K}}}}"
    webhook = load_sinks(text, {"K": "x"})["s"].webhook
    assert webhook is not None
    outcome = webhook_sender(webhook, timeout_s=5)(event())
    assert isinstance(outcome, TryAgain)
    assert "refused" in outcome.reason
