"""How messages describe the answers of other systems and the errors of libraries."""

import errno
import json
import logging
import socket
import ssl
from base64 import b64encode
from urllib.parse import quote

import pytest
import requests
from lucca_elimity_kit.foreign import failure, quiet_libraries, redirect_host, scrub, status_phrase

SECRET = "k3y/with+signs="


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
    "form",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        b64encode(SECRET.encode()).decode(),
        *[b64encode(f"{'x' * length}:{SECRET}".encode()).decode() for length in range(4)],
        *[b64encode(f"{'x' * length}:{SECRET}, and more".encode()).decode() for length in range(4)],
    ],
)
def test_a_secret_is_taken_out_in_every_form(form: str) -> None:
    """The secret is removed before the text is cut."""
    for before in (0, 485, 499):
        shown = scrub("é" * before + f"<{form}> end", [SECRET])
        assert form[4:10] not in shown
        assert len(shown) <= 501
    assert scrub(f"<{SECRET}> end", [SECRET]) == "<…> end"


def test_a_secret_in_json_and_in_html() -> None:
    """A secret is removed even if a server echoes it in JSON or HTML."""
    secret = 'a"b<c>&\\é'
    assert scrub(json.dumps({"key": secret}), [secret]) == '{"key": "…"}'
    assert scrub("a&quot;b&lt;c&gt;&amp;\\é", [secret]) == "…"


def test_invisible_characters_become_visible() -> None:
    """Control, bidirectional and zero-width characters and half a surrogate pair are escaped."""
    shown = scrub("a\x1b[2J\r\n\u202e\u200b\u2028\ud83d\x00\xa0é", [])
    assert shown == "a\\x1b[2J\\r\\n\\u202e\\u200b\\u2028\\ud83d\\x00\\xa0é"
    assert shown.isprintable()


def test_text_is_cut_last() -> None:
    """A text is cut to the limit."""
    assert scrub("a" * 60_000, [], 10) == "a" * 10 + "…"
    assert scrub("", ["", SECRET]) == ""


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
    """The host is returned only if it is plain and contains no secret."""
    assert redirect_host(location, ["TOK", ""]) == host


def test_libraries_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Libraries log nothing, because their warnings contain raw headers."""
    quiet_libraries()
    logging.getLogger("urllib3.connection").error("canary")
    logging.getLogger("requests.sessions").error("canary")
    assert not caplog.records
