"""How long to wait before the next attempt, and when to give up."""

from collections.abc import Callable
from typing import NamedTuple

FIRST_S = 1.0
MOST_S = 300.0


class Patience(NamedTuple):
    """Exponential backoff with jitter, within a bound of time."""

    give_up_after_s: float
    chance: Callable[[], float]
    """A number from 0 to 1."""

    def pause_s(self, attempts: int, asked_s: float, passed_s: float) -> float | None:
        """How long to wait after so many attempts; None: give up.

        `asked_s`: what the receiver asked for. `passed_s`: since the alert was due. The last
        attempt is made when the time is over, unless the receiver asked for more.
        """
        left_s = self.give_up_after_s - passed_s
        if left_s <= 0 or asked_s > left_s:
            return None
        backoff_s = min(FIRST_S * 2.0 ** (min(attempts, 20) - 1), MOST_S)
        return min(max(asked_s, backoff_s * (1 + self.chance()) / 2), left_s)
