"""What a worker shows over HTTP: its metrics, whether it lives and is ready, and single accounts.

Served from threads of their own, so that an answer comes even when the event loop stands still.
"""

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from socket import AF_INET6
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from agents.checkpoints import StopWorker

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


class Page(NamedTuple):
    """The answer to a request."""

    status: str
    content_type: str
    body: bytes


class Asked(NamedTuple):
    """A request for a page."""

    accepts: str = ""
    """The Accept header."""
    rest: str = ""
    """What follows a path that ends with a slash."""


Pages = Mapping[str, Callable[[Asked], Page]]
"""By path; one that ends with a slash answers for all that begin so."""


def found(text: str, *, well: bool) -> Page:
    """A page of one sentence; 503 tells orchestrators and load balancers that it is not well."""
    status = "200 OK" if well else "503 Service Unavailable"
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode())


@contextmanager
def serving(address: Address, pages: Pages) -> Iterator[int]:
    """Serves pages while it is open; gives the port."""

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        # WSGI hands the bytes of a path on as if they were Latin-1.
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        folder, slash, rest = path[1:].partition("/")
        make = pages.get(f"/{folder}{slash}")
        if make is None:
            page = Page("404 Not Found", "text/plain", b" ".join(map(str.encode, pages)) + b"\n")
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            page = Page("405 Method Not Allowed", "text/plain", b"GET\n")
        else:
            page = make(Asked(environ.get("HTTP_ACCEPT", ""), rest))
        start_response(page.status, [("Content-Type", page.content_type)])
        return [page.body]

    try:
        server = _server_of(address)
    except OSError as error:
        raise StopWorker(f"cannot listen on {address.host}:{address.port}: {error}") from error
    server.set_app(answer)
    thread = threading.Thread(target=server.serve_forever, name="web", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """As HTTPServer, without its look-up of the host's name, which may take many seconds."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port
        self.setup_environ()


class _ServerV6(_Server):
    address_family = AF_INET6


class _SilentHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Probes and scrapes come every few seconds; they are no news."""


def _server_of(address: Address) -> _Server:
    if ":" in address.host:
        return _ServerV6((address.host.strip("[]"), address.port), _SilentHandler)
    return _Server(address, _SilentHandler)
