"""How a property that holds for all inputs is tried: often, and every time with the same ones."""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("LAWS_TIMES", "1"))
"""How many times as often as the suite tries them: `make test LAWS_TIMES=20`, for a night."""


def examples(count: int) -> int:
    return count * TIMES


law = settings(
    max_examples=examples(50),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
