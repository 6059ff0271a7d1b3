"""Faust transports that move whole batches: `memory://` in one process, `rdkafka://` on Kafka.

Importing this package makes both known to Faust by their URL schemes.
"""

from faust.transport.drivers import TRANSPORTS

TRANSPORTS.aliases.update(
    {
        "memory": "agents.transport.memory:Transport",
        "rdkafka": "agents.transport.kafka:Transport",
    }
)
