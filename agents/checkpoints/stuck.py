"""Open transactions of workers that are gone, which hold up everybody who reads behind them.

A checkpoint's transaction is open for a fraction of a second. If its worker dies within one, the
broker ends it only at its time-out; whoever initialises its transactional id ends it at once. That
also fences the worker, so it is done to no slot whose worker is a member of the group.
"""

import logging
import threading
import time

import confluent_kafka as ck
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from agents.transport.group import admin_client, present_slots
from agents.transport.kafka import KafkaSettings, transactional_id

log = logging.getLogger(__name__)

OPEN_S = 1.0
END_S = 10.0


class StuckTransactions:
    """Call `look`, or `look_aside`, again and again while something waits for open transactions."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._looked_at = float("-inf")
        self._open: set[tuple[str, int]] = set()
        self._looking = threading.Thread()

    def look_aside(self) -> None:
        """Looks in a thread of its own, for those who must not wait for the broker's answers."""
        if not self._looking.is_alive():
            self._looking = threading.Thread(target=self.look, name="stuck", daemon=True)
            self._looking.start()

    def look(self) -> None:
        """Every `OPEN_S`: ends transactions of absent slots that were open at the last look too.

        Two looks, because a slot that was absent at one may be starting.
        """
        if time.monotonic() - self._looked_at < OPEN_S:
            return
        self._looked_at = time.monotonic()
        try:
            with admin_client(self._settings) as admin:
                now_open = self._of_absent_slots(admin)
        except KafkaError as error:
            log.warning("cannot list open transactions: %s", error)
            return
        for owner, _ in now_open & self._open:
            self._end(owner)
        self._open = now_open

    def _of_absent_slots(self, admin: KafkaAdminClient) -> set[tuple[str, int]]:
        """Transactional id and start of each open transaction whose slot has no worker."""
        group, own = self._settings.group, self._settings.transactional_id
        listed = admin.list_transactions(state_filters=["Ongoing"])
        ids = {each.transactional_id for of_broker in listed.values() for each in of_broker}
        ids = {each for each in ids if each.startswith(transactional_id(group, ""))} - {own}
        if ids:
            ids -= {transactional_id(group, slot) for slot in present_slots(admin, group)}
        described = admin.describe_transactions(sorted(ids)) if ids else {}
        return {(each, found.transaction_start_time_ms) for each, found in described.items()}

    def _end(self, owner: str) -> None:
        log.warning("ending the transaction that %s left open", owner)
        producer = ck.Producer({**self._settings.client(), "transactional.id": owner})
        try:
            producer.init_transactions(END_S)
        except ck.KafkaException as error:
            log.warning("could not end the transaction of %s: %s", owner, error)
