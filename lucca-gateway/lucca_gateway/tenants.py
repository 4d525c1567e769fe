"""Lucca's tenants: which hosts the gateway may call, and the request budget of each tenant."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from lucca_elimity_kit.tls import DEFAULT_TLS, TlsFiles
from lucca_elimity_kit.transport import BoundedAdapter, new_session
from pyrate_limiter import InMemoryBucket, Rate, RateItem
from requests.adapters import BaseAdapter
from typing_extensions import override

from lucca_gateway.addresses import HostError, PublicAdapter, public_addresses
from lucca_gateway.settings import ListedHost
from lucca_gateway.stopping import Stop

# https://developers.lucca.fr: {account}.ilucca.net and the like; sandboxes are under luccasoftware.com.
LUCCA_DOMAINS = (
    "ilucca.net",
    "ilucca.ch",
    "ilucca-test.net",
    "ilucca-test.ch",
    "ilucca-demo.net",
    "ilucca-demo.ch",
    "luccasoftware.com",
)
HTTPS_PORT = 443
WINDOW = 60.0  # seconds; Lucca's rate limit counts the requests in this window

_LUCCA_HOST = re.compile(rf"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{'|'.join(map(re.escape, LUCCA_DOMAINS))})")


class Tenants:
    """The tenants in use. Imports of one tenant share its request budget and its connections, but never an API key."""

    def __init__(self, listed: tuple[ListedHost, ...], requests_per_minute: int, tls: TlsFiles = DEFAULT_TLS) -> None:
        self._listed = {(host.name, host.port) for host in listed}
        self._requests_per_minute = requests_per_minute
        self._tls = tls
        self._tenants: dict[tuple[str, int], _Tenant] = {}
        self._lock = Lock()

    def check(self, url: str) -> None:
        """Check that the gateway may call the host of an instance, at every address of the host.

        Raises:
            HostError: The gateway must not call it.
            OSError: The host name can't be resolved at the moment.
        """
        name, port = _host_of(url)
        if self._is_listed(name, port):
            return
        if not _LUCCA_HOST.fullmatch(name) or port != HTTPS_PORT:
            raise HostError(
                # Don't quote the host: if somebody swaps the two configuration values, it is the API key.
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
        """Open the session for one import of a tenant."""
        key = _host_of(url)
        with self._lock:
            tenant = self._tenants.get(key)
            if tenant is None:
                adapter = BoundedAdapter() if self._is_listed(*key) else PublicAdapter()
                tenant = self._tenants[key] = _Tenant(adapter, self._requests_per_minute)
            tenant.imports += 1
        try:
            with new_session("lucca-gateway", _TenantAdapter(tenant, stop)) as session:
                # Use no proxy and no .netrc from the environment: a proxy would resolve the host name itself.
                session.trust_env = False
                session.verify = self._tls.verify
                session.headers["Authorization"] = f"lucca application={api_key}"
                yield session
        finally:
            with self._lock:
                tenant.imports -= 1
                self._forget_idle()

    def _is_listed(self, name: str, port: int) -> bool:
        return bool(self._listed & {(name, port), (name, None)})

    def _forget_idle(self) -> None:
        """Drop tenants with neither a running import nor a request in the window: their budget is full again."""
        now = time.monotonic()
        for key, tenant in list(self._tenants.items()):
            if not tenant.imports and now - tenant.last_request > WINDOW:
                tenant.adapter.close()
                del self._tenants[key]


def _host_of(url: str) -> tuple[str, int]:
    """Return the host and port of an instance. The tap has already checked the URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)


class _Tenant:
    """One instance of Lucca, with its request budget and the connections to it."""

    def __init__(self, adapter: BoundedAdapter, requests_per_minute: int) -> None:
        self.adapter = adapter
        self.imports = 0
        self.last_request = time.monotonic()
        self._bucket = InMemoryBucket([Rate(requests_per_minute, round(WINDOW * 1000))])
        self._lock = Lock()

    def wait_for_turn(self, stop: Stop) -> None:
        """Wait until the budget allows a request, or raise StoppedError."""
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
    """Sends each request of one import as soon as the tenant's budget allows it."""

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
        """Keep the connections: the tenant's other imports use them."""
