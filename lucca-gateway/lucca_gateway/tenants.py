"""Lucca's tenants: which hosts may be asked at all, at which addresses, and one budget of requests for each tenant.

The configuration values of an import name the host. Without the rules here, whoever may ask for an import could make
the gateway speak to the network it runs in.
"""

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager
from importlib.metadata import version
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
from lucca_elimity_kit.transport import BoundedAdapter
from pyrate_limiter import InMemoryBucket, Rate, RateItem
from requests.adapters import BaseAdapter
from typing_extensions import override
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lucca_gateway.settings import ListedHost
    from lucca_gateway.stopping import Stop

# https://developers.lucca.fr: {account}.ilucca.net and its like; sandboxes are under luccasoftware.com.
LUCCA_DOMAINS = (
    "ilucca.net",
    "ilucca.ch",
    "ilucca-test.net",
    "ilucca-test.ch",
    "ilucca-demo.net",
    "ilucca-demo.ch",
    "luccasoftware.com",
)
WINDOW = 60.0  # seconds, as Lucca counts

_LUCCA_HOST = re.compile(rf"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{'|'.join(map(re.escape, LUCCA_DOMAINS))})")
# https://www.rfc-editor.org/rfc/rfc6052: an IPv4 address in the last 32 bits, reached through a translator.
_NAT64 = IPv6Network("64:ff9b::/96")
# Not public either, which not every supported Python knows: RFC 6890 (some clouds have their metadata there), 7526,
# 8215, 9637 and 3879; and the address at which one cloud serves its machines.
_NOT_PUBLIC = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("3fff::/20"),
    IPv6Network("fec0::/10"),
)


class HostError(Exception):
    """The gateway does not speak to this host; the message says why."""


class Tenants:
    """The tenants in use. Imports of one tenant share its budget of requests and its connections, but never a key."""

    def __init__(self, listed: tuple[ListedHost, ...], requests_per_minute: int, ca_bundle: str | None = None) -> None:
        self._listed = {(host.name, host.port) for host in listed}
        self._requests_per_minute = requests_per_minute
        self._ca_bundle = ca_bundle
        self._tenants: dict[tuple[str, int], _Tenant] = {}
        self._lock = Lock()

    def check(self, url: str) -> None:
        """Make sure that an instance is at a host, and at addresses, to which the gateway may speak.

        Raises:
            HostError: It is not.
            OSError: Its address cannot be found out at the moment.
        """
        name, port = _host_of(url)
        if self._is_listed(name, port):
            return
        if not _LUCCA_HOST.fullmatch(name) or port != HTTPSConnection.default_port:
            raise HostError(
                # Not quoted: who swaps the two configuration values has the key here.
                "it is not a host of Lucca, such as acme.ilucca.net. Only the operator of the gateway can "
                "allow another one, with the setting LUCCA_GATEWAY_ALLOWED_HOSTS"
            )
        try:
            public_addresses(name, port)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
                raise HostError(f"there is no host {name}") from None
            raise

    @contextmanager
    def session(self, url: str, api_key: str, stop: Stop) -> Iterator[requests.Session]:
        """Give out the session for one import of a tenant."""
        key = _host_of(url)
        with self._lock:
            tenant = self._tenants.get(key)
            if tenant is None:
                adapter = BoundedAdapter() if self._is_listed(*key) else _PublicAdapter()
                tenant = self._tenants[key] = _Tenant(adapter, self._requests_per_minute)
            tenant.imports += 1
        try:
            with requests.Session() as session:
                # No proxy and no .netrc of the environment: a proxy would look up, and choose, the address itself.
                session.trust_env = False
                session.verify = self._ca_bundle or True
                session.headers["User-Agent"] = f"lucca-gateway/{version('lucca-gateway')}"
                session.headers["Authorization"] = f"lucca application={api_key}"
                for scheme in ("https://", "http://"):
                    session.mount(scheme, _TenantAdapter(tenant, stop))
                yield session
        finally:
            with self._lock:
                tenant.imports -= 1
                self._forget_idle()

    def _is_listed(self, name: str, port: int) -> bool:
        return bool(self._listed & {(name, port), (name, None)})

    def _forget_idle(self) -> None:
        """Drop the tenants that nobody reads and whose window has passed: their budget is whole again."""
        now = time.monotonic()
        for key, tenant in list(self._tenants.items()):
            if not tenant.imports and now - tenant.last_request > WINDOW:
                tenant.adapter.close()
                del self._tenants[key]


def public_addresses(name: str, port: int) -> list[str]:
    """Return the addresses of a host, all of them on the public internet.

    Raises:
        HostError: At least one of them is not.
        OSError: They cannot be found out.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not all(map(is_public, addresses)):
        raise HostError(f"{name} has an address that is not on the public internet")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, and holds no other that is not."""
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


def _host_of(url: str) -> tuple[str, int]:
    """Return name and port of an instance; its URL has been checked by the tap."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


class _Tenant:
    """One instance of Lucca: its budget of requests, and the connections to it."""

    def __init__(self, adapter: BoundedAdapter, requests_per_minute: int) -> None:
        self.adapter = adapter
        self.imports = 0
        self.last_request = time.monotonic()
        self._bucket = InMemoryBucket([Rate(requests_per_minute, round(WINDOW * 1000))])
        self._lock = Lock()

    def wait_for_turn(self, stop: Stop) -> None:
        """Wait until a request fits into the budget, or raise StoppedError."""
        stop.check()
        while seconds := self._seconds_to_wait():
            stop.pause(seconds)

    def _seconds_to_wait(self) -> float:
        with self._lock:
            now: int = self._bucket.now()  # type: ignore[no-untyped-call]
            self._bucket.leak(now)
            item = RateItem("request", now)
            if self._bucket.put(item):
                self.last_request = time.monotonic()
                return 0.0
            return max(cast("int", self._bucket.waiting(item)), 1) / 1000


class _TenantAdapter(BaseAdapter):
    """Sends the requests of one import, each when the tenant's budget has room for it."""

    def __init__(self, tenant: _Tenant, stop: Stop) -> None:
        super().__init__()
        self._tenant = tenant
        self._stop = stop

    @override
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self._tenant.wait_for_turn(self._stop)
        return self._tenant.adapter.send(request, *args, **kwargs)

    @override
    def close(self) -> None:
        """Leave the connections to the tenant's other imports."""


class _PublicConnection(HTTPSConnection):
    """Looks up the host, makes sure that its addresses are public, and connects to these and no others.

    To check the name beforehand is not enough: the next answer to the same question may be another.
    """

    @override
    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = public_addresses(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                try:
                    return super()._new_conn()
                except Exception:  # noqa: BLE001, S112 - the last address tells what is wrong
                    continue
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = name  # the name that the certificate must bear


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicAdapter(BoundedAdapter):
    """Speaks HTTPS only, and only with public addresses."""

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}
