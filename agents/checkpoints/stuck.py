"""Transactions that hold up a restore because their owner died within one.

A checkpoint's transaction is open for a fraction of a second. One of this group that stays open
for `OPEN_S` has lost its owner, or its owner hangs; the broker would end it only at its time-out.
Whoever initialises its transactional id ends it at once.
"""

import logging
import time
from contextlib import closing

import confluent_kafka as ck
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from agents.transport.kafka import KafkaSettings

log = logging.getLogger(__name__)

OPEN_S = 2.0
END_S = 10.0
BOOTSTRAP_TIMEOUT_MS = 5_000


class StuckTransactions:
    """Call `look` again and again while something waits for open transactions."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._looked_at = float("-inf")
        self._open: set[tuple[str, int]] = set()

    def look(self) -> None:
        """Every `OPEN_S`: ends the group's transactions that were open at the last look already."""
        if time.monotonic() - self._looked_at < OPEN_S:
            return
        self._looked_at = time.monotonic()
        try:
            now_open = self._list_open()
        except KafkaError as error:
            log.warning("cannot list open transactions: %s", error)
            return
        for transactional_id, _ in now_open & self._open:
            self._end(transactional_id)
        self._open = now_open

    def _list_open(self) -> set[tuple[str, int]]:
        """Transactional id and start of each transaction that other slots have open."""
        admin = KafkaAdminClient(
            bootstrap_servers=self._settings.bootstrap, **self._settings.security
        )
        with closing(admin):
            listed = admin.list_transactions(state_filters=["Ongoing"])
            ids = {each.transactional_id for of_broker in listed.values() for each in of_broker}
            ids = {id_ for id_ in ids if id_.startswith(f"{self._settings.group}.")}
            ids.discard(self._settings.transactional_id)
            described = admin.describe_transactions(sorted(ids)) if ids else {}
        return {(id_, each.transaction_start_time_ms) for id_, each in described.items()}

    def _end(self, transactional_id: str) -> None:
        log.warning("ending the transaction that %s left open", transactional_id)
        producer = ck.Producer({**self._settings.client(), "transactional.id": transactional_id})
        try:
            producer.init_transactions(END_S)
        except ck.KafkaException as error:
            log.warning("could not end the transaction of %s: %s", transactional_id, error)
