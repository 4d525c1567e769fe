"""How messages describe the answers of other systems and the errors of libraries."""

import errno
import logging
import socket
import ssl
from base64 import b64encode
from pathlib import Path

import pytest
import requests
from lucca_elimity_kit.foreign import failure, quiet_libraries, redirect_host, status_phrase

from tests.lucca_elimity_kit.authority import write_authority
from tests.lucca_elimity_kit.wire import answering, ok


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


@pytest.mark.parametrize("lacks", ["subject key identifier", "authority key identifier", "key usage", "critical"])
def test_an_authority_that_does_not_meet_rfc_5280(tmp_path: Path, lacks: str) -> None:
    """The description says what the authority's owner must add, and doesn't sound as if `ca_bundle` were wrong."""
    write_authority(tmp_path, lacks=lacks)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # by default only since Python 3.13
    with (
        answering(ok(), context=server) as wire,
        socket.create_connection(("127.0.0.1", wire.port)) as connection,
        pytest.raises(ssl.SSLCertVerificationError) as caught,
    ):
        client.wrap_socket(connection, server_hostname="127.0.0.1")
    assert "RFC 5280" in failure(caught.value)
    assert lacks in failure(caught.value)


@pytest.mark.parametrize("code", [79, 84, 94])
def test_other_flaws_under_rfc_5280(code: int) -> None:
    """OpenSSL has a code for each rule of the RFC. The rare ones share a description."""
    error = ssl.SSLCertVerificationError(1, "canary")
    error.verify_code = code
    assert "RFC 5280" in failure(error)
    assert "canary" not in failure(error)


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
