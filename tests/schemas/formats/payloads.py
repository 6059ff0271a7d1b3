"""Small made-up calls in the shapes that public SDKs send."""

from __future__ import annotations

import json
from typing import Any

TIME = "2026-03-02T09:15:30.123Z"
TIME_MS = 1_772_442_930_123


def track(**fields: Any) -> dict[str, Any]:
    """A track call as Segment's own libraries send it; a field given as None is sent as null."""
    return {
        "messageId": "m-1",
        "type": "track",
        "event": "Project Created",
        "userId": "user_1",
        "anonymousId": None,
        "timestamp": TIME,
        "context": {"groupId": "acct_42", "library": {"name": "analytics-python"}},
        "integrations": {},
        "properties": {"seats": 5, "nested": {"a": [1, 2.5, True]}},
        **fields,
    }


def call(type: str, **fields: Any) -> dict[str, Any]:
    """A call of another type, by a known user."""
    return {"messageId": "m-2", "type": type, "userId": "user_1", "timestamp": TIME, **fields}


def without(payload: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {field: value for field, value in payload.items() if field not in fields}


def encoded(payload: Any) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
