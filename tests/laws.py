"""How a property that holds for all inputs is tried: often, and every time with the same ones."""

from hypothesis import HealthCheck, settings

law = settings(
    max_examples=70,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
