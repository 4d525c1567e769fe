"""Clients that send half a request, or one whose length is ambiguous, over raw sockets to the real process."""

import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from lucca_gateway.server import REQUEST_SECONDS

from sandbox.pulling import GatewayProcess

PATH = b"/elimity.insights.customgateway.v1alpha1.Service/PerformImport"
HEAD = b"POST " + PATH + b" HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/connect+proto\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
CONNECTIONS = 200


def connect(gateway: GatewayProcess) -> socket.socket:
    """Open a connection."""
    parts = urlsplit(gateway.url)
    return socket.create_connection((str(parts.hostname), parts.port or 80), timeout=3 * REQUEST_SECONDS)


def received(connection: socket.socket) -> bytes:
    """Read until the gateway closes the connection."""
    answer = b""
    try:
        while some := connection.recv(65536):
            answer += some
    except ConnectionError:
        pass
    return answer


HALVES = {
    "nothing": b"",
    "half a head": b"POST / HTTP/1.1\r\nHost: gat",
    "half a body": HEAD + b"Content-Length: 100\r\n\r\nhalf",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    "half a body of what is not there": b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\nhalf",
    "half a head after a request": HEALTH + b"GET /heal",
}


def test_half_sent_requests_are_closed(gateway: GatewayProcess) -> None:
    """The gateway closes 200 half-sent requests, wherever they stop, answers others meanwhile and logs no traceback."""
    with ExitStack() as stack:
        begun = time.monotonic()
        connections = []
        for number in range(CONNECTIONS):
            connection = stack.enter_context(connect(gateway))
            connection.sendall(list(HALVES.values())[number % len(HALVES)])
            connections.append(connection)
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200
        for connection in connections:
            received(connection)
        assert time.monotonic() - begun < 2 * REQUEST_SECONDS
    assert "Traceback" not in gateway.log_text


def test_requests_that_drip_are_closed(gateway: GatewayProcess) -> None:
    """A byte now and then doesn't keep a request open, even after it was answered."""
    with ExitStack() as stack:
        open_ones = []
        for half in ("half a head", "half a body", "half a body of what is not there"):
            open_ones.append(stack.enter_context(connect(gateway)))
            open_ones[-1].sendall(HALVES[half])
        begun = time.monotonic()
        while open_ones and time.monotonic() - begun < 2 * REQUEST_SECONDS:
            open_ones = [connection for connection in open_ones if takes_a_byte(connection)]
            time.sleep(0.2)
    assert not open_ones


def takes_a_byte(connection: socket.socket) -> bool:
    """Send a byte, and return whether the connection is still open."""
    try:
        connection.sendall(b"a")
    except ConnectionError:
        return False
    return True


def test_a_connection_that_is_used_stays_open(gateway: GatewayProcess) -> None:
    """Each request has its own time limit, so a connection may stay open longer than one."""
    with connect(gateway) as connection:
        for _ in range(4):
            connection.sendall(HEALTH[:10])
            time.sleep(REQUEST_SECONDS / 3)
            connection.sendall(HEALTH[10:])
            answer = b""
            while not answer.endswith(b"}\n"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("head", [HEAD, b"POST /healthz HTTP/1.1\r\nHost: gateway\r\n"])
def test_two_lengths_close_the_connection(gateway: GatewayProcess, head: bytes) -> None:
    """The gateway doesn't answer the bytes that follow, which may belong to the body (RFC 9112, 6.3)."""
    with connect(gateway) as connection:
        body = b"5\r\nhello\r\n0\r\n\r\n"
        lengths = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(body)
        connection.sendall(head + lengths + body + HEALTH)
        begun = time.monotonic()
        answer = received(connection)
    assert time.monotonic() - begun < REQUEST_SECONDS / 2
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
