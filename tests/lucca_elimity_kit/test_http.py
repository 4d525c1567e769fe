"""Calls to other systems, most of them hostile."""

import gzip
import json
import logging
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trustme
from lucca_elimity_kit.foreign import quiet_libraries
from lucca_elimity_kit.http import Http, new_session
from lucca_elimity_kit.retries import CallError, FailedTryError, Retries, retry_after_of
from lucca_elimity_kit.tls import TlsFiles

from tests.lucca_elimity_kit.wire import Wire, answering, drip, ok, reset, silence

SECRET = "Hunter2-and-more"
WHAT = "Reading the users"
GZIP = "Content-Encoding: gzip"


def whole(body: bytes) -> bytes:
    """Return the body as it is."""
    return body


class Caller:
    """An Http for tests, whose pauses take no time."""

    def __init__(self, max_seconds: float = 0, **settings: Any) -> None:
        self.pauses: list[float] = []
        session = new_session("lucca-elimity-kit")
        session.auth = ("id", SECRET)
        pause = settings.pop("rate_limit_pause", None)
        retries = Retries("Lucca", max_seconds, logging.getLogger("test"), pause, self.pauses.append)
        self.http = Http(**{"session": session, "retries": retries, "timeout": 5, **settings})

    def get(self, wire: Wire, **content: Any) -> bytes:
        """Call the server; return the body of its answer."""
        body: bytes = self.http.call("GET", wire.url, what=WHAT, **{"read": whole, **content})
        return body

    def error(self, wire: Wire, **content: Any) -> CallError:
        """Call the server; return the error."""
        with pytest.raises(CallError) as caught:
            self.get(wire, **content)
        return caught.value


@pytest.fixture(autouse=True)
def _only_our_words(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Assert that at any level, only our code logs, without a secret, a traceback or the other system's words."""
    quiet_libraries()
    with caplog.at_level(logging.DEBUG):
        yield
    for record in caplog.get_records("call"):
        assert record.name == "test"
        assert record.exc_info is None
        assert SECRET not in record.getMessage()
        assert "canary" not in record.getMessage()


def test_an_answer_is_returned() -> None:
    """The body has no byte order mark. The request has credentials and parameters."""
    with answering(ok(b'\xef\xbb\xbf{"a": 1}')) as wire:
        assert Caller().get(wire, params={"page": "1"}) == b'{"a": 1}'
    assert wire.requests[0].startswith(b"GET /?page=1 ")
    assert b"Authorization: Basic " in wire.requests[0]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"canary canary\r\ncanary", id="HTTP/0.9"),
        pytest.param(b"HTTP/1.1 2OO canary\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\ncanary", id="chunk of -5"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", id="bad chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70000, id="long chunk line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: canary\r\n" * 5000 + b"\r\n", id="header bomb"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"canary" * 20000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ncanary", id="cut body"),
        pytest.param(ok(b"canary", GZIP), id="no gzip"),
        pytest.param(ok(b"canary", "Content-Encoding: br"), id="other compression"),
        pytest.param(b"", id="closed"),
        pytest.param(reset, id="reset"),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_our_words(reply: Any) -> None:
    """The error quotes nothing of the answer, and says that the answer was lost."""
    with answering(reply) as wire:
        error = Caller().error(wire)
    assert "canary" not in str(error)
    assert error.status is None
    assert error.answer_lost
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_a_status_before_the_final_one_is_a_lost_answer(status: str) -> None:
    """The call fails, because the server may still process the request. The next call uses another connection."""
    with answering(f"HTTP/1.1 {status}\r\n\r\n".encode() + ok(b"1"), ok(b"2")) as wire:
        caller = Caller(100)
        error = caller.error(wire)
        assert caller.get(wire) == b"2"
    assert error.answer_lost
    assert status[:3] in str(error)
    assert not caller.pauses


def test_only_the_compressions_that_we_support_are_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header names them, whatever else the installed packages could decompress."""
    monkeypatch.setattr("requests.utils.DEFAULT_ACCEPT_ENCODING", "gzip, deflate, br, zstd")
    with answering(ok()) as wire:
        Caller().get(wire)
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in wire.requests[0]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"canary"), id="body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="chunks"),
        pytest.param(silence, id="nothing"),
    ],
)
@pytest.mark.parametrize("secured", [False, True])
def test_an_answer_has_a_time_limit(reply: Any, authority: "Authority", secured: bool) -> None:
    """The answer must begin in time, and its body must arrive in time, even if it drips."""
    with answering(reply, context=authority.server if secured else None) as wire:
        start = monotonic()
        error = Caller(timeout=0.4, tls=authority.files).error(wire)
    assert monotonic() - start < 2
    assert error.answer_lost
    assert "in time" in str(error)


def test_a_connection_is_kept_for_the_next_call() -> None:
    """The next call uses the same connection, and each answer has its own time limit."""

    def reply(stream: socket.socket) -> None:
        stream.sendall(ok(b"1", last=False))
        stream.recv(65536)
        stream.sendall(ok(b"2"))

    caller = Caller(timeout=2)
    with answering(reply) as wire:
        assert [caller.get(wire), caller.get(wire)] == [b"1", b"2"]
    assert len(wire.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_a_large_answer_is_refused_before_it_fills_the_memory(encoding: str) -> None:
    """An answer of 100 MB takes no more memory than the limit, with any compression or none."""
    body = bytes(100 * 1024 * 1024)
    if encoding == "gzip":
        body = gzip.compress(body, 1)
    elif encoding == "deflate":
        body = zlib.compress(body, 1)
    with answering(ok(body, f"Content-Encoding: {encoding}")) as wire:
        caller = Caller(100, max_bytes=4 * 1024 * 1024)
        tracemalloc.start()
        error = caller.error(wire)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 12 * 1024 * 1024
    assert "4 MiB" in str(error)
    assert error.answer_lost
    assert not caller.pauses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 300, 301, 304, 407, 418, 499, 600])
def test_what_cannot_pass_ends_at_once(status: int) -> None:
    """A permanent error isn't retried. Its message has the status and the advice, and none of the server's text."""
    reply = ok(b"<html>canary", f"Location: https://x?key={SECRET}", status=f"{status} canary\x1b[2J")
    with answering(reply) as wire:
        caller = Caller(0 if status == 600 else 100)  # 600 is no HTTP status, and retried like a server error
        error = caller.error(wire, advice=lambda status: f"advice on {status}")
    assert error.status == status
    assert f"advice on {status}" in str(error)
    assert "canary" not in str(error)
    assert SECRET not in str(error)
    assert not error.answer_lost
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://login.test/path", "login.test"),
        (f"https://login.test?key={SECRET}", "login.test"),
        (f"https://user:{SECRET}@login.test/", "login.test"),
        (f"https://{SECRET}.test/", None),
        ("http://[", None),
        ("https://a b/", None),
        ("/relative", None),
    ],
)
def test_a_redirect_is_not_followed(location: str, host: str | None) -> None:
    """The error names the host of the redirect only if it is plain."""
    with answering(ok(b"<html></html>", f"Location: {location}", status="302 Found")) as wire:
        caller = Caller(100)
        error = caller.error(wire)
    assert (host in str(error)) if host else ("redirect to" not in str(error))
    assert SECRET.lower() not in str(error).lower()
    assert not caller.pauses


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """A temporary error is retried with growing pauses."""
    with answering(*[ok(status=f"{status} x")] * 3, ok(b"[]")) as wire:
        caller = Caller(100, timeout=60)  # a busy machine answers late
        assert caller.get(wire) == b"[]"
    assert [int(pause) for pause in caller.pauses] == [1, 2, 4]


def test_patience_ends() -> None:
    """The last pause is cut to the time that is left, and the message says how long the call was retried."""
    with answering(ok(status="503 x")) as wire:
        caller = Caller(10)
        error = caller.error(wire)
    assert sum(caller.pauses) == pytest.approx(10, abs=0.5)
    assert "10 seconds" in str(error)
    assert error.status == 503


def test_no_patience_is_one_try() -> None:
    """With `max_retry_seconds` 0, there is one try."""
    with answering(ok(status="503 x"), ok()) as wire:
        caller = Caller(0)
        assert "retrying" not in str(caller.error(wire))
    assert not caller.pauses


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_heeded(status: int, date: bool) -> None:
    """The pause is as long as Retry-After says, in seconds or as a date."""
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True) if date else "30"
    with answering(ok(b"", f"Retry-After: {value}", status=f"{status} x"), ok()) as wire:
        caller = Caller(100)
        caller.get(wire)
    assert 28 <= caller.pauses[0] <= 31.1


def test_retry_after_beyond_the_patience_ends_at_once() -> None:
    """The call fails without a pause. The message names the seconds to wait."""
    with answering(ok(b"", "Retry-After: 3600", status="429 x"), ok()) as wire:
        caller = Caller(100)
        error = caller.error(wire)
    assert not caller.pauses
    assert "3600" in str(error)


def test_a_rate_limit_without_retry_after() -> None:
    """The pause is as long as the rate limit's window, if that is known."""
    with answering(ok(status="429 x"), ok()) as wire:
        caller = Caller(100, rate_limit_pause=60)
        caller.get(wire)
    assert 60 <= caller.pauses[0] <= 61


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e5", "٣", "5, 10", "Wed, 99 Foo 2020 00:00:00 GMT", "0x10"])
def test_a_retry_after_that_says_nothing(value: str) -> None:
    """A malformed Retry-After is ignored, and a huge one is capped."""
    assert retry_after_of(value) is None
    assert retry_after_of("9" * 5000) == 10**9


@pytest.mark.parametrize(
    ("lost", "replies"),
    [
        (True, [b"", ok(status="401 x")]),
        (True, [ok(status="502 x"), ok(status="401 x")]),
        (True, [ok(status="504 x"), ok(status="503 x")]),
        (True, [ok(status="408 x"), ok(status="503 x")]),
        (True, [ok(status="520 x"), ok(status="503 x")]),
        (True, [ok(status="527 x"), ok(status="503 x")]),
        (True, [ok(b"<html>"), ok(status="400 x")]),
        (False, [ok(status="503 x"), ok(status="401 x")]),
        (False, [ok(status="500 x"), ok(status="429 x")]),
    ],
)
def test_a_lost_answer_is_remembered(lost: bool, replies: list[bytes]) -> None:
    """The error says that an answer was lost, even if a later try got a clear answer."""

    def check(body: bytes) -> None:
        if body.startswith(b"<"):
            raise FailedTryError("answers with a page", transient=True, answer_lost=True)

    with answering(*replies) as wire:
        assert Caller(5).error(wire, read=check).answer_lost == lost


def test_who_cannot_be_reached_lost_nothing() -> None:
    """A refused connection or an unknown host name doesn't count as a lost answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = Wire(listener.getsockname()[1])
    assert not Caller().error(closed).answer_lost
    caller = Caller()
    with pytest.raises(CallError) as caught:
        caller.http.call("GET", "http://nowhere.invalid/", what=WHAT, read=whole)
    assert not caught.value.answer_lost
    assert "host name" in str(caught.value)


def test_a_body_is_sent_again_from_its_start() -> None:
    """A retry sends the whole file, although the first try has read it to its end."""
    with answering(ok(status="503 x"), ok()) as wire:
        Caller(10).http.call("POST", wire.url, what=WHAT, read=whole, data=BytesIO(b"snapshot"))
    assert [request.partition(b"\r\n\r\n")[2] for request in wire.requests] == [b"snapshot"] * 2


def test_a_pause_can_be_interrupted() -> None:
    """An exception from `sleep` ends the call."""

    class StoppedError(Exception):
        """The pause was interrupted."""

    def stop(_: float) -> None:
        raise StoppedError

    retries = Retries("Lucca", 100, logging.getLogger("test"), sleep=stop)
    with answering(ok(status="503 x")) as wire, pytest.raises(StoppedError):
        Http(new_session("lucca-elimity-kit"), retries, 5).call("GET", wire.url, what=WHAT, read=whole)


# TLS


class Authority:
    """A certificate authority, and TLS contexts of servers with its certificates."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        self.files = TlsFiles(str(folder / "ca.pem"))
        self.server = _server(authority, "127.0.0.1")
        self.other_host = _server(authority, "elsewhere.test")
        self.expired = _server(authority, "127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
        self.wants_client = _server(authority, "127.0.0.1")
        self.wants_client.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(self.wants_client)


def _server(authority: trustme.CA, host: str, **details: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **details).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make a certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("context", "words"),
    [("server", "not trusted"), ("other_host", "another host"), ("expired", "expired"), ("wants_client", "client")],
)
def test_a_certificate_that_is_not_accepted_ends_at_once(authority: Authority, context: str, words: str) -> None:
    """The call fails without a retry, and no answer counts as lost."""
    caller = Caller(100, tls=TlsFiles() if context == "server" else authority.files)
    with answering(ok(), context=getattr(authority, context)) as wire:
        error = caller.error(wire)
    assert words in str(error)
    assert not caller.pauses
    assert not error.answer_lost


@pytest.mark.parametrize("secured", [False, True])
def test_an_upload_that_is_refused_before_its_end(authority: Authority, secured: bool) -> None:
    """The server answers 413 and closes the connection while the client still sends. The client reads the answer."""
    context = authority.server if secured else None
    with answering(ok(status="413 x"), context=context, reads_bodies=False) as wire:
        error = Caller(tls=authority.files).error(wire, data=BytesIO(bytes(20_000_000)))
    assert error.status == 413
    assert not error.answer_lost


def test_a_server_without_tls(authority: Authority) -> None:
    """If a server doesn't speak TLS or breaks off the handshake, no answer counts as lost."""
    for reply in (ok(), b""):
        with answering(reply) as wire:
            wire.scheme = "https"
            assert not Caller(tls=authority.files, timeout=0.5).error(wire).answer_lost


# Proxies


@pytest.mark.parametrize(
    "value",
    [
        "http://svc:Hunter2#x@proxy.test:8080",
        "http://svc:Hunter2/x@proxy.test:8080",
        "http://svc:Hunter2?x@proxy.test:8080",
        "http://svc:Hunter2@proxy.test:99999",
        "http://svc:8080/x@proxy.test:8080",
        "ftp://svc:Hunter2@proxy.test",
        "http://svc:Hunter2@",
        "http://[Hunter2",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_bad_proxy_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error names the variable, but no part of its value."""
    for other in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    caller = Caller(100)
    with pytest.raises(CallError) as caught:
        caller.http.call("GET", "https://elimity.test/", what=WHAT, read=whole)
    assert name in str(caught.value)
    assert "Hunter2" not in str(caught.value)
    assert "svc" not in str(caught.value)
    assert not caller.pauses


@pytest.mark.parametrize(("status", "passes"), [("407 canary", False), ("503 canary", True)])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, status: str, passes: bool) -> None:
    """The error names the proxy's status and the variable, and no answer counts as lost."""
    for other in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    with answering(ok(status=status)) as wire:
        monkeypatch.setenv("HTTPS_PROXY", wire.url.replace("//", f"//svc:{SECRET}@"))
        with pytest.raises(CallError) as caught:
            Caller(1).http.call("GET", "https://elimity.test/", what=WHAT, read=whole)
    assert "HTTPS_PROXY" in str(caught.value)
    assert status[:3] in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not caught.value.answer_lost
    assert (len(wire.requests) > 1) == passes


# Streams


@contextmanager
def _stream(caller: Caller, wire: Wire, seconds: float = 5) -> Iterator[Any]:
    with caller.http.stream("POST", wire.url, what=WHAT, seconds=seconds, json=[]) as body:
        yield body


def test_a_large_answer_is_read_in_pieces() -> None:
    """The body can be read in pieces. The call is retried only before the body begins."""
    data = json.dumps(list(range(100_000))).encode()
    with answering(ok(status="503 x"), ok(gzip.compress(data), GZIP)) as wire:
        caller = Caller(10, max_bytes=10)
        with _stream(caller, wire) as body:
            assert b"".join(body) == data
    assert len(caller.pauses) == 1


@pytest.mark.parametrize(
    "reply",
    [
        ok(b"canary").replace(b"h: 6", b"h: 900"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"canary"),
        ok(b"canary", GZIP),
    ],
)
def test_a_stream_that_breaks_off(reply: Any) -> None:
    """The call isn't retried, because the reader has already read the beginning of the body."""
    with answering(reply) as wire:
        caller = Caller(10)
        start = monotonic()
        with pytest.raises(CallError) as caught, _stream(caller, wire, 0.4) as body:
            list(body)
    assert monotonic() - start < 2
    assert "canary" not in str(caught.value)
    assert len(wire.requests) == 1
