"""The proxy in the environment: which variable names it, and whether its value is valid."""

import os
from urllib.parse import urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from lucca_elimity_kit.urls import is_host

SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


def proxy_variable(url: str) -> str:
    """Return the variable that names the proxy for a URL. Never show its value, which may hold a password."""
    scheme = urlsplit(url).scheme
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        if os.environ.get(name):
            return name
    return f"{scheme.upper()}_PROXY"


def is_proxy(address: str) -> bool:
    """Whether an address is a valid proxy URL. An unescaped character in its password makes it invalid."""
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urlsplit(address)
        port = parts.port
        parse_url(address)  # urllib3 must accept it, too
    except (LocationParseError, ValueError):
        return False
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme in SCHEMES and is_host(parts.hostname or "") and port != 0 and not rest
