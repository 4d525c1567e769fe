"""The transport adapter for requests: it limits the time of a whole answer and refuses malformed ones."""

import io
import socket
import ssl
import time
from functools import cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from typing import Any, cast

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from typing_extensions import override
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util.response import assert_header_parsing

MOST_INTERIM_ANSWERS = 32


def new_session(program: str, adapter: BaseAdapter | None = None) -> requests.Session:
    """Return a session that sends all requests through one adapter, and names the program's distribution to servers."""
    session = requests.Session()
    session.headers["User-Agent"] = f"{program}/{version(program)}"
    adapter = adapter or BoundedAdapter()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


class BoundedAdapter(HTTPAdapter):
    """An adapter whose read time-out limits each answer as a whole, from the request's end to the body's end."""

    @override
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **kwargs))
        # Set on the pool, because proxies and other adapters have their own pool classes.
        pool.ConnectionCls = _bounded(pool.ConnectionCls)
        return pool


@cache
def _bounded(connection_class: type[HTTPConnection]) -> type[HTTPConnection]:
    if issubclass(connection_class, _BoundedConnection):
        return connection_class
    return type(connection_class.__name__, (_BoundedConnection, connection_class), {})


class _BoundedResponse(HTTPResponse):
    """A final answer whose bytes must arrive in time."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp.close()
        self.fp = _StrictReader(_TimedReader(sock))

    @override
    def begin(self) -> None:
        # http.client skips only the interim answer 100: https://github.com/python/cpython/issues/42550
        for _ in range(MOST_INTERIM_ANSWERS):
            super().begin()
            if self.status >= HTTPStatus.OK or self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                break
            self.headers = self.msg = None  # type: ignore[assignment]
        else:
            raise HTTPException("no final answer")
        # urllib3 would log the headers and continue with those that it understands.
        assert_header_parsing(self.msg)
        lengths = {length.strip() for value in self.msg.get_all("Content-Length", []) for length in value.split(",")}
        if len(lengths) > 1:
            raise HTTPException("several lengths")


class _BoundedConnection(HTTPConnection):
    """A connection with bounded answers. It distinguishes a failure to connect from a failure after the request."""

    response_class = _BoundedResponse

    @override
    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (HTTPError, HTTPException, OSError) as error:
            raise NewConnectionError(self, "no connection") from error

    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError as error:
            # urllib3 then reads what the server sent before it closed the connection, such as a TLS alert.
            raise BrokenPipeError from error


class _StrictReader(io.BufferedReader):
    """Refuses to read -1 bytes, which means all of them: a chunk may claim that length."""

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise HTTPException("a length is negative")
        return super().read(size)


class _TimedReader(io.RawIOBase):
    """Reads from a socket. The socket's time-out limits all reads together, not each of them."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        limit = sock.gettimeout()
        self._end = None if limit is None else time.monotonic() + limit

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int | None:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()
