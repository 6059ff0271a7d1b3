"""The peers: what each is, how it is run, and what it promises while it does the job."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.peers.environments import Environment, MavenProject, PeersPython, ProductPython


class System(NamedTuple):
    """What there is one program for, whatever it is told about threads."""

    name: str
    environment: Environment
    state: str
    """Where its state is while it does the job."""
    guarantee: str
    """What its documentation promises of it, as it is set up here, when the process dies."""
    headline: str
    """The key in results.json of Headwater's speed as a multiple of this system's best."""
    events: int = 1_000_000
    """In the larger of its two runs; slow systems get fewer."""


class Peer(NamedTuple):
    """One line of the comparison."""

    system: System
    threads: int = 1

    @property
    def name(self) -> str:
        return (
            self.system.name if self.threads == 1 else f"{self.system.name}, {self.threads} threads"
        )

    @property
    def key(self) -> str:
        """For names of topics and folders."""
        return f"{self.system.name.lower().replace(' ', '-')}-{self.threads}"


IN_MEMORY = "in memory"
ROCKSDB = "RocksDB and a changelog topic"
NOTHING = "none, state is lost"

STOCK_FAUST = System(
    "stock Faust",
    ProductPython("benchmarks.peers.stock_faust", "faust-streaming"),
    IN_MEMORY,
    NOTHING,
    "ratio_stock_faust",
    events=50_000,
)
QUIX_STREAMS = System(
    "Quix Streams",
    PeersPython("benchmarks.peers.quix_streams", "quixstreams"),
    ROCKSDB,
    "at least once",
    "ratio_quix",
    events=300_000,
)
BYTEWAX = System(
    "Bytewax",
    PeersPython("benchmarks.peers.bytewax_dataflow", "bytewax"),
    IN_MEMORY,
    NOTHING,
    "ratio_bytewax",
)
PATHWAY = System(
    "Pathway",
    PeersPython("benchmarks.peers.pathway_tables", "pathway"),
    IN_MEMORY,
    NOTHING,
    "ratio_pathway",
)
KAFKA_STREAMS = System(
    "Kafka Streams",
    MavenProject("kafka_streams", "kafka-streams", ("-Xmx1g",)),
    ROCKSDB,
    "exactly once",
    "ratio_kafka_streams_eos",
)
FLINK_SQL = System(
    "Flink SQL",
    MavenProject(
        "flink_sql",
        "flink-clients",
        # As Flink's own configuration opens them for Java 17.
        (
            "-Xmx1g",
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
        ),
    ),
    IN_MEMORY,
    NOTHING,
    "ratio_flink_sql",
)

PEERS = (
    Peer(STOCK_FAUST),
    Peer(QUIX_STREAMS),
    Peer(BYTEWAX),
    Peer(PATHWAY),
    Peer(PATHWAY, threads=2),
    Peer(KAFKA_STREAMS),
    Peer(KAFKA_STREAMS, threads=2),
    Peer(FLINK_SQL),
    Peer(FLINK_SQL, threads=2),
)
