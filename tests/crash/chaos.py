"""What happens to workers and to the broker, drawn from a seed.

A round is every trouble once, in a random order, with random pauses. Troubles overlap: while one
worker is frozen, another is killed and the broker is restarted.
"""

import signal
import time
from collections.abc import Callable, Sequence
from random import Random

from deploy.kafka.local_broker import LocalBroker
from tests.crash.installation import Installation
from tests.crash.worker import STEPS, Worker

BETWEEN_S = (0.5, 2.5)
WATCH_S = 0.1
SOON_S = (0.0, 1.5)
LATE_S = (6.5, 8.5)
"""The group has given up a worker that is away for longer than its session of 6 s."""
ZOMBIE_S = 60.0
BROKER_S = 180.0
FIRST, GUEST = ("a", "b"), "c"
HELD = ("tallies", "accounts", "users", "kpis", "signals", "dead-letters")


class Chaos:
    """Troubles an installation, and prints what it does and when."""

    def __init__(self, installation: Installation, broker: LocalBroker, rng: Random) -> None:
        self._installation = installation
        self._broker = broker
        self._rng = rng
        self._started = time.monotonic()
        self._agenda: list[tuple[float, Callable[[], None]]] = []
        self._frozen: set[str] = set()
        self._zombies: list[Worker] = []

    def rounds(self, troubles: Sequence[Callable[["Chaos"], None]], seconds: float = 0.0) -> None:
        """One round at least, then others until so many seconds are over."""
        for slot in FIRST:
            self._installation.start(slot)
        over = time.monotonic() + seconds
        while True:
            for trouble in self._rng.sample(troubles, len(troubles)):
                self._watch(self._rng.uniform(*BETWEEN_S))
                trouble(self)
            if time.monotonic() >= over:
                break
        self._quieten()

    def _quieten(self) -> None:
        """Waits until all that was begun is over; a worker whose slot was taken over must end."""
        while self._agenda:
            self._watch(WATCH_S)
        give_up_at = time.monotonic() + ZOMBIE_S
        while self.zombies_that_live() and time.monotonic() < give_up_at:
            self._watch(WATCH_S)

    def zombies_that_live(self) -> list[str]:
        """Slots that two processes have."""
        return [each.slot for each in self._zombies if each.code is None]

    # ---- troubles

    def kill(self) -> None:
        """SIGKILL. It is back before the group notices, or long after."""
        if worker := self._any():
            self._end(worker, signal.SIGKILL)
            self._start_later(worker.slot, self._rng.choice((SOON_S, LATE_S)))

    def terminate(self) -> None:
        """SIGTERM, as a rolling restart does."""
        if worker := self._any():
            self._end(worker, signal.SIGTERM)
            self._start_later(worker.slot, SOON_S)

    def die_within_a_checkpoint(self) -> None:
        if worker := self._any():
            self._end(worker, signal.SIGKILL)
            step, holding = self._rng.choice(STEPS), self._rng.choice(HELD)
            self._installation.start(worker.slot, die=step, holding=holding)
            self._note(f"{worker.slot} is to die after {step} with {holding}")

    def freeze(self) -> None:
        """SIGSTOP for longer than the session; it wakes as somebody who has lost everything."""
        if worker := self._any():
            worker.send(signal.SIGSTOP)
            self._frozen.add(worker.slot)
            self._note(f"{worker.slot} freezes")
            self._later(LATE_S, lambda: self._wake(worker))

    def take_over(self) -> None:
        """SIGSTOP, and another process starts in the same slot; the first one wakes later.

        Either of them may win the slot back, but they must not both go on.
        """
        if worker := self._any():
            worker.send(signal.SIGSTOP)
            self._zombies.append(worker)
            self._installation.start(worker.slot)
            self._note(f"{worker.slot} freezes and is taken over")
            self._later(LATE_S, lambda: self._wake(worker))

    def join_or_leave(self) -> None:
        guest = self._installation.running.get(GUEST)
        if guest is None:
            self._start(GUEST)
        elif GUEST not in self._frozen:
            self._end(guest, signal.SIGTERM)

    def restart_broker(self) -> None:
        self._note("the broker is stopped")
        self._broker.stop()
        self._start_broker()

    def crash_broker(self) -> None:
        self._note("the broker is killed")
        self._broker.kill()
        self._start_broker()

    # ---- how they are done

    def _start_broker(self) -> None:
        self._broker.start(BROKER_S)
        self._note("the broker is back")

    def _any(self) -> Worker | None:
        awake = [w for slot, w in self._installation.running.items() if slot not in self._frozen]
        return self._rng.choice(awake) if awake else None

    def _end(self, worker: Worker, how: signal.Signals) -> None:
        del self._installation.running[worker.slot]
        self._note(f"{worker.slot} gets {how.name} and ends with {worker.end(how)}")

    def _start(self, slot: str) -> None:
        self._installation.start(slot)
        self._note(f"{slot} starts")

    def _start_later(self, slot: str, within_s: tuple[float, float]) -> None:
        self._later(within_s, lambda: self._start(slot))

    def _wake(self, worker: Worker) -> None:
        worker.send(signal.SIGCONT)
        self._frozen.discard(worker.slot)
        self._note(f"{worker.slot} wakes")

    def _later(self, within_s: tuple[float, float], what: Callable[[], None]) -> None:
        self._agenda.append((time.monotonic() + self._rng.uniform(*within_s), what))

    def _watch(self, seconds: float) -> None:
        """Lets time pass, does what is due, and starts anew whoever ended."""
        until = time.monotonic() + seconds
        while True:
            due = [each for each in self._agenda if each[0] <= time.monotonic()]
            for each in due:
                self._agenda.remove(each)
                each[1]()
            for worker in self._installation.supervise():
                self._note(f"{worker.slot} ended with {worker.code}, starts anew")
            if time.monotonic() >= until:
                return
            time.sleep(WATCH_S)

    def _note(self, what: str) -> None:
        print(f"{time.monotonic() - self._started:6.1f} s  {what}", flush=True)


OF_WORKERS: Sequence[Callable[[Chaos], None]] = (
    Chaos.kill,
    Chaos.terminate,
    Chaos.die_within_a_checkpoint,
    Chaos.freeze,
    Chaos.take_over,
    Chaos.join_or_leave,
    Chaos.join_or_leave,
)
SHORT = (*OF_WORKERS, Chaos.crash_broker)
LONG = (*OF_WORKERS, *OF_WORKERS, Chaos.restart_broker, Chaos.crash_broker)
