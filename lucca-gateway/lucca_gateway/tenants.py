"""Lucca's tenants: which hosts the gateway may call, and the request budget of each tenant."""

import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from urllib.parse import urlsplit

import requests
from lucca_elimity_kit.http import OutcomeAdapter, new_session
from tap_lucca.client import Budget

from lucca_gateway.addresses import HostError, PublicAdapter, public_addresses

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
MOST_TENANTS = 10_000  # so many budgets are kept, the last ones that were used

_LUCCA_HOST = re.compile(rf"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{'|'.join(map(re.escape, LUCCA_DOMAINS))})")


class Tenants:
    """The tenants of Lucca. Imports of one tenant share its request budget, and nothing else."""

    def __init__(self, listed: Collection[tuple[str, int | None]], requests_per_minute: int) -> None:
        self._listed = frozenset(listed)
        self._budget = lru_cache(MOST_TENANTS)(lambda _: Budget(requests_per_minute))
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
    def session(self, url: str) -> Iterator[tuple[requests.Session, Budget]]:
        """Open a session for one import of a tenant, with the budget that it shares with the tenant's others."""
        key = _host_of(url)
        with self._lock:  # the cache could make two budgets at once
            budget = self._budget(key)
        with new_session("lucca-gateway", OutcomeAdapter() if self._is_listed(*key) else PublicAdapter()) as session:
            session.trust_env = False  # use no proxy of the environment: it would resolve the host name itself
            yield session, budget

    def _is_listed(self, name: str, port: int) -> bool:
        return bool(self._listed & {(name, port), (name, None)})


def _host_of(url: str) -> tuple[str, int]:
    """Return the host and port of an instance. The tap has already checked the URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)
