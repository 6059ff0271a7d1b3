"""A real web server that takes POSTs and answers as a test says."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Got(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What to say to it."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Receiver:
    """Keeps what it got; `answer` gives the answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[Got] = []
        self.answer: Callable[[Got], Answer | None] = lambda _: Answer()
        """None: hangs up without a word."""
        self.arrived = threading.Condition()

    def wait_for(self, number: int, timeout_s: float = 60) -> list[Got]:
        """Returns when so many requests have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= number, timeout_s), self.got
            return list(self.got)


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(self.path, dict(self.headers.items()), body)
            answer = receiver.answer(got)
            with receiver.arrived:
                receiver.got.append(got)
                receiver.arrived.notify_all()
            if answer is None:
                self.connection.close()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
