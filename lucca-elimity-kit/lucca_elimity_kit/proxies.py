"""The proxy that the environment names: which variable it is, and whether its value can be one."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from lucca_elimity_kit.urls import is_host

SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


def proxy_variable(url: str) -> str:
    """Return the variable that names the proxy for a URL; its value is never shown, it may hold a password."""
    scheme = urlsplit(url).scheme
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        if os.environ.get(name):
            return name
    return f"{scheme.upper()}_PROXY"


def is_proxy(address: str) -> bool:
    """Whether an address is that of a proxy, with nothing that belongs to a password instead."""
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urlsplit(address)
        port = parts.port
        parse_url(address)  # what urllib3 makes of it
    except (LocationParseError, ValueError):
        return False
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme in SCHEMES and is_host(parts.hostname or "") and port != 0 and not rest
