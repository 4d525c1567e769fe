"""How messages describe the answers of other systems and the errors of libraries."""

import errno
import logging
import socket
import ssl
from base64 import b64encode

import pytest
import requests
from lucca_elimity_kit.foreign import failure, quiet_libraries, redirect_host, status_phrase


@pytest.mark.parametrize(
    ("status", "phrase"), [(401, "401 (unauthorized)"), (599, "599"), (0, "0"), (-1, "-1"), (10**9, "1000000000")]
)
def test_a_status_has_our_phrase(status: int, phrase: str) -> None:
    """A known status has a phrase; any other number stands alone."""
    assert status_phrase(status) == phrase


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("canary"),
        requests.exceptions.InvalidURL("canary"),
        requests.exceptions.ChunkedEncodingError("canary"),
        OSError("canary"),
        OSError(errno.ENETUNREACH, "canary"),
        OSError("Tunnel connection failed: 407 canary"),
        socket.gaierror(-2, "canary"),
        ssl.SSLError(1, "canary"),
        ssl.SSLCertVerificationError("canary"),
        ValueError("canary"),
        UnicodeDecodeError("utf-8", b"canary", 0, 1, "canary"),
        RuntimeError(OSError("canary")),
    ],
)
def test_an_error_is_named_in_our_words(error: Exception) -> None:
    """The description never contains the error's own text."""
    assert "canary" not in failure(error)
    assert failure(error)


def test_an_error_below_names_the_failure() -> None:
    """The cause is found however deep it is, even if the chain of errors is circular."""
    error = requests.ConnectionError(requests.ConnectionError(ConnectionRefusedError("canary")))
    error.args[0].__context__ = error
    assert "refuses" in failure(error)


def test_what_was_being_handled_is_not_the_failure() -> None:
    """If a call is made while another error is handled, that error isn't the cause of the call's failure."""
    error = OSError(errno.ENETUNREACH, "canary")
    error.__context__ = KeyError("canary")
    assert "ENETUNREACH" in failure(error)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://Login.test:8443/a?b", "login.test"),
        ("//login.test", "login.test"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]/", "::1"),
        ("http://[", None),
        ("https://login.test\x1b[2J/", None),
        ("https://lögin.test/", None),
        ("https://a..b/", None),
        (f"https://{'a' * 300}.test/", None),
        ("https://tok.test/", None),
        ("", None),
    ],
)
def test_the_host_of_a_redirect(location: str, host: str | None) -> None:
    """The host is returned only if it is plain and doesn't contain the secret of the request."""
    for authorization in ("lucca application=TOK", f"Basic {b64encode(b'1:Tok').decode()}"):
        assert redirect_host(location, authorization) == host
    assert redirect_host("https://tok.test/", "") == "tok.test"


def test_libraries_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Libraries log nothing, because their warnings contain raw headers."""
    quiet_libraries()
    logging.getLogger("urllib3.connection").error("canary")
    logging.getLogger("requests.sessions").error("canary")
    assert not caplog.records
