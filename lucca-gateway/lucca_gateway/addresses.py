"""Restricts the gateway to addresses on the public internet.

The host comes from the configuration values of an import. Without this restriction, anybody who may request an import
could make the gateway call systems in its own network.
"""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.http import OutcomeAdapter
from typing_extensions import override
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError

# https://www.rfc-editor.org/rfc/rfc6052: the last 32 bits are an IPv4 address that a translator connects to.
_NAT64 = IPv6Network("64:ff9b::/96")
# Not every supported Python version knows that these aren't public.
_NOT_PUBLIC = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890; some clouds serve metadata here
    IPv4Network("192.88.99.0/24"),  # RFC 7526
    IPv4Network("168.63.129.16/32"),  # one cloud's internal services for its virtual machines
    IPv6Network("64:ff9b:1::/48"),  # RFC 8215
    IPv6Network("3fff::/20"),  # RFC 9637
    IPv6Network("fec0::/10"),  # RFC 3879
)


class HostError(SettingsError):
    """The gateway must not connect to this host."""

    def __init__(self, flaw: str) -> None:
        super().__init__(f"The configuration value 'host' cannot be used: {flaw}.")


def public_addresses(name: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        HostError: At least one of them is not on the public internet.
        OSError: The host name can't be resolved.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not all(map(is_public, addresses)):
        raise HostError(f"{name} has an address that is not on the public internet")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address, and every address embedded in it, is on the public internet."""
    ip: IPv4Address | IPv6Address = ip_address(address)
    if any(ip in network for network in _NOT_PUBLIC):
        return False
    if isinstance(ip, IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(IPv4Address(int(ip) & 0xFFFF_FFFF))
        embedded = [str(address) for address in inner if address is not None]
        if embedded:
            return all(map(is_public, embedded))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class PublicAdapter(OutcomeAdapter):
    """An adapter that connects over HTTPS only, and only to public addresses."""

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


class _PublicConnection(HTTPSConnection):
    """Resolves the host name, checks all its addresses, and connects to these addresses only.

    Checking the name beforehand isn't enough: the next lookup may return another address.
    """

    @override
    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = public_addresses(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        try:
            for self._dns_host in addresses[:-1]:
                with suppress(Exception):  # the last address raises the error that counts
                    return super()._new_conn()
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = name  # the certificate must be for this name


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection
