"""Checks the URLs in settings."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

LONGEST_HOST_NAME = 253
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


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
