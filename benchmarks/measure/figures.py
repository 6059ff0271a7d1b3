"""Percentiles and slopes of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import linear_regression


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest value that at least `percent` of them do not exceed."""
    if not ordered:
        raise ValueError("no values, so no percentile")
    # 99.9 is no exact double: without the rounding 1,000 values would have their 1,000th as p99.9
    return ordered[max(1, ceil(round(len(ordered) * percent / 100, 6))) - 1]


def distribution(values_s: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest of durations in seconds, and how many there were."""
    ordered = sorted(values_s)
    return {
        "n": len(ordered),
        "p50_s": round(percentile(ordered, 50), 4),
        "p99_s": round(percentile(ordered, 99), 4),
        "p999_s": round(percentile(ordered, 99.9), 4),
        "max_s": round(ordered[-1], 4),
    }


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """By how much `ys` grow for each 1 of `xs` (least squares)."""
    return linear_regression(xs, ys).slope
