"""A server that answers with raw bytes, which no HTTP library would send."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

Reply = bytes | Callable[[socket.socket], None]

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Wire:
    """A running server."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    scheme: str = "http"
    reads_bodies: bool = True

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def answering(
    *replies: Reply,
    context: ssl.SSLContext | None = None,
    paths: Mapping[str, Reply] | None = None,
    reads_bodies: bool = True,
) -> Iterator[Wire]:
    """Answer the first request with the first reply and so on, each on its own connection; repeat the last reply.

    Args:
        replies: Bytes to send, or functions that send them.
        context: With it, the server speaks TLS.
        paths: Replies to requests by the end of their path.
        reads_bodies: Whether to read the body of a request before the answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        wire = Wire(listener.getsockname()[1], scheme="https" if context else "http", reads_bodies=reads_bodies)
        over = Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection = listener.accept()[0]
                    connection.settimeout(5)
                    # Otherwise the system may hold an answer back until the connection is reset, and discard it.
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with connection:
                        _answer(wire, connection, replies, context, paths or {})

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            over.set()
            thread.join(5)


def _answer(
    wire: Wire,
    connection: socket.socket,
    replies: tuple[Reply, ...],
    context: ssl.SSLContext | None,
    paths: Mapping[str, Reply],
) -> None:
    stream = context.wrap_socket(connection, server_side=True) if context else connection
    with stream:
        wire.requests.append(_read_request(stream, reads_body=wire.reads_bodies))
        target = wire.requests[-1].partition(b" HTTP/")[0]
        found = [reply for end, reply in paths.items() if target.endswith(end.encode())]
        reply = found[0] if found else replies[min(len(wire.requests), len(replies)) - 1]
        if isinstance(reply, bytes):
            stream.sendall(reply)
        else:
            reply(stream)


def _read_request(stream: socket.socket, *, reads_body: bool) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request and (some := stream.recv(65536)):
        request += some
    head, _, body = request.partition(b"\r\n\r\n")
    length = int(found[1]) if (found := _LENGTH.search(head)) else 0
    while reads_body and len(body) < length and (some := stream.recv(65536)):
        body += some
    return head + b"\r\n\r\n" + body


def ok(body: bytes = b"{}", *headers: str, status: str = "200 OK", last: bool = True) -> bytes:
    """Return a complete answer; `last` says that it is the last one on its connection."""
    connection = "close" if last else "keep-alive"
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Connection: {connection}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def drip(start: bytes, drop: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    """Return a reply that begins, and then continues with a few bytes at a time, forever."""

    def reply(stream: socket.socket) -> None:
        stream.sendall(start)
        with suppress(OSError):
            while True:
                stream.sendall(drop)
                time.sleep(pause)

    return reply


def reset(stream: socket.socket) -> None:
    """Reset the connection."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def silence(stream: socket.socket) -> None:
    """Wait until the client gives up."""
    stream.recv(1)
