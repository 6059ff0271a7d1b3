"""A message to an incoming webhook of Slack, Mattermost, or what else understands the same.

Only the field `text` is used, which all of them know.
"""

import re
import time
from collections.abc import Callable

import orjson

from agents.delivery import wording
from agents.delivery.event import Event, Outcome, Send
from agents.delivery.http import post
from schemas.sinks import Slack

_CALLS_EVERYBODY = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)
_NO_MENTION = "@\N{WORD JOINER}"


def slack_sender(slack: Slack, *, timeout_s: float, now_s: Callable[[], float] = time.time) -> Send:
    url = slack.url.value

    def send(event: Event) -> Outcome:
        body = orjson.dumps({"text": message(event)})
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return post(url, body, headers, timeout_s=timeout_s, now_s=now_s())

    return send


def message(event: Event) -> str:
    """Slack's mrkdwn: the headline in bold, the plan's text, what else to know, the link."""
    facts = " · ".join(f"{name}: {value}" for name, value in wording.facts(event))
    lines = [f"*{_escaped(wording.headline(event))}*", _escaped(wording.text(event) or "")]
    lines += [_escaped(facts), _escaped(wording.link(event) or "")]
    return "\n".join(line for line in lines if line)


def _escaped(said: str) -> str:
    """As Slack asks; and nobody's id calls everybody."""
    said = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALLS_EVERYBODY.sub(_NO_MENTION, said)
