"""A line to the real broker on which a test can hold up, lose or change what it chooses."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum


class Api(IntEnum):
    """Kinds of requests, as Kafka numbers them."""

    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


OnAnswer = Callable[[bytes], bytes | None]
"""Gets an answer when it arrives; returns it, changed or not, or None to lose it.

ConnectionError breaks the connection."""


class HeldLine:
    """Clients that start at `bootstrap` reach the broker through here only."""

    def __init__(self, broker: str) -> None:
        host, port = broker.rsplit(":", 1)
        self._broker = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self._port = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = [self._server]
        self.bootstrap = f"{host}:{self._port}"
        self.on_answer: dict[Api, OnAnswer] = {}

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(self._broker)
                self._sockets += [client, broker]
                asked: dict[int, int] = {}
                for work in (self._requests, self._answers):
                    threading.Thread(target=work, args=[client, broker, asked], daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _requests(
        self, client: socket.socket, broker: socket.socket, asked: dict[int, int]
    ) -> None:
        with _breaking(client, broker):
            for frame in _frames(client):
                api, _, correlation = struct.unpack_from(">hhi", frame)
                asked[correlation] = api
                _send(broker, frame)

    def _answers(self, client: socket.socket, broker: socket.socket, asked: dict[int, int]) -> None:
        with _breaking(client, broker):
            for frame in _frames(broker):
                api = asked.pop(struct.unpack_from(">i", frame)[0])
                # Many kinds of answers name brokers, also those to produce requests.
                frame = frame.replace(self._address(self._broker[1]), self._address(self._port))
                handle = self.on_answer.get(api)  # type: ignore[call-overload]
                if (answer := handle(frame) if handle else frame) is not None:
                    _send(client, answer)

    def _address(self, port: int) -> bytes:
        """As it stands in an answer; the broker has to call itself what the tests call it."""
        return self._broker[0].encode() + struct.pack(">i", port)


@contextmanager
def held_line(broker: str) -> Iterator[HeldLine]:
    line = HeldLine(broker)
    threading.Thread(target=line.accept, daemon=True).start()
    try:
        yield line
    finally:
        line.close()


@contextmanager
def _breaking(*sockets: socket.socket) -> Iterator[None]:
    """When one end goes, so does the other."""
    try:
        with contextlib.suppress(OSError, EOFError):
            yield
    finally:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _frames(source: socket.socket) -> Iterator[bytes]:
    while True:
        yield _read(source, struct.unpack(">i", _read(source, 4))[0])


def _read(source: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def _send(target: socket.socket, frame: bytes) -> None:
    target.sendall(struct.pack(">i", len(frame)) + frame)
