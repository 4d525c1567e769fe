"""Describes the answers of other systems and the errors of libraries in our own words.

Answers, reason phrases, header values and exception texts may hold an echoed API key, a proxy's password or personal
data. They are shown nowhere, at no log level: messages use the descriptions of this module.
"""

import errno
import logging
import re
import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from lucca_elimity_kit.urls import is_host

_PROXY_STATUS = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
# Python is strict about RFC 5280 since 3.13: https://docs.python.org/3/whatsnew/3.13.html#ssl
_RFC_5280 = (
    "a certificate in its chain does not meet RFC 5280, on which Python insists since 3.13: ask the owner of its "
    "certificate authority to issue that certificate again with {}"
)
# By X509_V_ERR_…: https://github.com/openssl/openssl/blob/master/include/openssl/x509_vfy.h.in
_CERTIFICATE_FLAWS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
    **dict.fromkeys(range(79, 95), _RFC_5280.format("extensions and names as the RFC requires them")),
    85: _RFC_5280.format("an authority key identifier"),
    86: _RFC_5280.format("a subject key identifier"),
    89: _RFC_5280.format("basic constraints that are marked critical"),
    92: _RFC_5280.format("a key usage extension"),
}
_CLIENT_CERTIFICATE_ALERTS = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN")
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}
# The first entry that matches an error or one of its causes describes the failure: the most specific ones come first.
_KINDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror, NameResolutionError), "its host name was not found: check the address in the settings"),
    ((ConnectionRefusedError,), "it refuses the connection"),
    ((requests.ConnectTimeout,), "no connection in time"),
    ((requests.ReadTimeout, ReadTimeoutError), "no complete answer in time"),
    ((DecodeError,), "its answer cannot be decompressed"),
    ((ConnectionError, IncompleteRead), "the connection was broken off"),
    ((TimeoutError,), "no answer in time"),
    ((HTTPException, requests.exceptions.InvalidHeader), "its answer is no valid HTTP"),
    ((requests.exceptions.InvalidSchema,), "this kind of address or proxy is not supported"),
    ((LocationParseError, requests.exceptions.InvalidURL), "the address is not valid"),
    ((NewConnectionError,), "no connection"),
    ((requests.exceptions.ProxyError, ProxyError), "the proxy cannot be used"),
    ((HTTPError, requests.RequestException), "its answer is no valid HTTP"),
)


def status_phrase(status: int) -> str:
    """Return a status with our phrase for it, such as "401 (unauthorized)"."""
    try:
        return f"{status} ({HTTPStatus(status).phrase.lower()})"
    except ValueError:
        return str(status)


def failure(error: BaseException) -> str:
    """Return our description of an error of requests, urllib3, ssl or the network."""
    errors = list(chain_of(error))
    for below in errors:
        if isinstance(below, ssl.SSLError):
            return _tls_failure(below)
        if status := proxy_status(below):
            return f"the proxy answers {status_phrase(status)}"
    for kinds, words in _KINDS:
        if any(isinstance(below, kinds) for below in errors):
            return words
    for below in errors:
        if isinstance(below, OSError) and (code := errno.errorcode.get(below.errno or 0)):
            return f"the network fails with {code}"
    return type(error).__name__


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, as far as they come from the network or its libraries."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        below = waiting.pop(0)
        network = isinstance(below, (OSError, HTTPError, HTTPException)) or below is error
        if isinstance(below, BaseException) and network and below not in seen:
            seen.append(below)
            yield below
            waiting += [getattr(below, "reason", None), *below.args, below.__cause__, below.__context__]


def proxy_status(error: BaseException) -> int | None:
    """Return the status with which a proxy refused to open a tunnel. http.client gives it only in the error's text."""
    found = _PROXY_STATUS.match(str(error)) if type(error) is OSError else None
    return int(found[1]) if found else None


def is_untrusted(error: BaseException) -> bool:
    """Whether the client or the server refuses the other's certificate."""
    return any(
        isinstance(below, ssl.SSLCertVerificationError) or (isinstance(below, ssl.SSLError) and _refuses_client(below))
        for below in chain_of(error)
    )


def was_sent(error: BaseException) -> bool:
    """Whether the request may have reached the server before the error."""
    unsent = (
        ConnectTimeoutError,
        LocationParseError,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
    )
    return not is_untrusted(error) and not any(isinstance(below, unsent) for below in chain_of(error))


def redirect_host(location: str, authorization: str) -> str | None:
    """Return the host of a redirect, if it has the form of one and doesn't contain the secret of this Authorization."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return None
    secret = _secret_of(authorization).lower()
    return host if host.isascii() and is_host(host) and not (secret and secret in host) else None


def quiet_libraries() -> None:
    """Silence the HTTP libraries, which log header bytes, addresses and tracebacks."""
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _tls_failure(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        flaw = getattr(error, "verify_code", None)
        return _CERTIFICATE_FLAWS.get(flaw or 0, "its certificate is not trusted: certificate verify failed")
    if _refuses_client(error):
        return "it does not accept the client certificate, or wants one"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the connection was broken off"
    if getattr(error, "reason", None) in _NO_TLS:
        return "it does not speak TLS on this port"
    return "no TLS connection could be agreed on"


def _refuses_client(error: ssl.SSLError) -> bool:
    reason = getattr(error, "reason", None) or ""  # OpenSSL's name for it, such as TLSV1_ALERT_UNKNOWN_CA
    return "ALERT" in reason and reason.endswith(_CLIENT_CERTIFICATE_ALERTS)


def _secret_of(authorization: str) -> str:
    """Return the API key or the password in an Authorization header."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme == "Basic":
        return b64decode(credentials).decode("latin-1").partition(":")[2]
    return credentials.partition("=")[2]
