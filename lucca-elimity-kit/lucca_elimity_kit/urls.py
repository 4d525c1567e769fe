"""Checks the URLs in settings, and that of the environment's proxy."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url as parse_like_urllib3

LONGEST_HOST_NAME = 253
PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
_HOST_NAME = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?")


def parse_url(text: str, *, path_allowed: bool) -> SplitResult:
    """Parse a URL. It must be https, or http on this machine, without credentials and without a query.

    Raises:
        ValueError: The URL breaks a rule. The message is a phrase such as "it must be https" and quotes nothing.
    """
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it must not contain spaces, backslashes or control characters")
    try:
        parts = urlsplit(text)
        hostname = parts.hostname or ""
    except ValueError:
        raise ValueError("its host name is not valid") from None
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        raise ValueError("it must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("it must not contain credentials")
    if not is_host(hostname):
        raise ValueError("its host name is not valid")
    if not _has_valid_port(parts):
        raise ValueError("its port must be a number from 1 to 65535")
    if "?" in text or "#" in text:
        raise ValueError("it must not contain a query or a fragment")
    if not path_allowed and parts.path.strip("/"):
        raise ValueError("it must not contain a path")
    if parts.scheme == "http" and not is_loopback(hostname):
        raise ValueError("it must be https")
    return parts


def is_loopback(hostname: str) -> bool:
    """Whether a host name or address means this machine."""
    try:
        return hostname.lower() == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False


def is_host(hostname: str) -> bool:
    """Whether a text has the form of a host name or of an address."""
    try:
        ip_address(hostname)
    except ValueError:
        # Some libraries take a name that ends in a number for an address, others don't.
        numeric = hostname.rstrip(".").rpartition(".")[2].isdecimal()
        return len(hostname) <= LONGEST_HOST_NAME and not numeric and _HOST_NAME.fullmatch(hostname) is not None
    return "%" not in hostname


def is_proxy(address: str) -> bool:
    """Whether an address is a valid proxy URL. An unescaped character in its password makes it invalid."""
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urlsplit(address)
        parse_like_urllib3(address)
    except (LocationParseError, ValueError):
        return False
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme in PROXY_SCHEMES and is_host(parts.hostname or "") and _has_valid_port(parts) and not rest


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
