"""A signed POST of the event as it is on the topic.

Body and headers are those of the CloudEvents HTTP binding in structured mode, with the attributes
repeated as headers; the signature is that of https://www.standardwebhooks.com, for which receivers
find libraries: HMAC-SHA256 over id, timestamp and body.
"""

import hmac
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

from agents.delivery.event import Event, Outcome, Send
from agents.delivery.http import post
from schemas.sinks import Webhook, signing_key

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_IN_HEADERS = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%')
"""What the binding leaves as it is in a header; all other characters are percent-encoded."""


def webhook_sender(
    webhook: Webhook, *, timeout_s: float, now_s: Callable[[], float] = time.time
) -> Send:
    url = webhook.url if isinstance(webhook.url, str) else webhook.url.value
    key = signing_key(webhook.secret.value)
    fixed = {"Content-Type": CONTENT_TYPE}
    if webhook.authorization is not None:
        fixed["Authorization"] = webhook.authorization.value

    def send(event: Event) -> Outcome:
        now = now_s()
        headers = {**fixed, **attribute_headers(event), **signed(event, key, int(now))}
        return post(url, event.value, headers, timeout_s=timeout_s, now_s=now)

    return send


def attribute_headers(event: Event) -> dict[str, str]:
    """The event's attributes as the CloudEvents HTTP binding writes them."""
    attributes = event.attributes.items()
    return {
        f"ce-{name}": quote(text, safe=_IN_HEADERS)
        for name, text in attributes
        if name != "datacontenttype"
    }


def signed(event: Event, key: bytes, now_s: int) -> dict[str, str]:
    """The headers by which a receiver knows the sender, and the event among its copies."""
    id = quote(event.id, safe=_IN_HEADERS)
    content = b".".join((id.encode(), str(now_s).encode(), event.value))
    signature = b64encode(hmac.digest(key, content, "sha256")).decode()
    return {
        "Idempotency-Key": id,
        "webhook-id": id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{signature}",
    }
