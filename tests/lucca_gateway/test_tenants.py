"""Which hosts and addresses the gateway calls, and how often."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from lucca_elimity_kit.foreign import is_untrusted
from lucca_gateway import addresses, tenants
from lucca_gateway.addresses import HostError, is_public
from lucca_gateway.imports import ImportFailedError, perform_import
from lucca_gateway.settings import read_settings
from lucca_gateway.stopping import Stop
from lucca_gateway.tenants import Tenants
from tap_lucca.client import Budget

from sandbox.pulling import GatewayProcess
from sandbox.server import serve
from tests.harness import PATIENCE, Sandbox
from tests.lucca_gateway.support import ENVIRONMENT, configuration, failure

PUBLIC, METADATA = "93.184.215.14", "169.254.169.254"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make each lookup of a host return the next of these (lists of) addresses; return those that were connected to."""

    def change(*addresses: str | list[str]) -> list[str]:
        left = list(addresses)
        connected: list[str] = []

        def look_up(*_: object, **__: object) -> list[Any]:
            found = left.pop(0) if len(left) > 1 else left[0]
            several = found if isinstance(found, list) else [found]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in several]

        def connect(address: tuple[str, int], *_: object, **__: object) -> None:
            connected.append(address[0])
            raise ConnectionRefusedError("nobody connects anywhere in this test")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
        return connected

    return change


@pytest.mark.parametrize(
    "host",
    [
        "acme.ilucca.net",
        "acme.ilucca.ch",
        "acme.ilucca-test.net",
        "acme.ilucca-test.ch",
        "acme.ilucca-demo.net",
        "acme.ilucca-demo.ch",
        "acme-dev.sandbox.eu1.luccasoftware.com",
        "acme.ilucca.net:443",
    ],
)
def test_hosts_of_lucca_are_allowed(host: str, answer: Callable[..., list[str]]) -> None:
    """Hosts of production, test, demo and sandboxes, in both regions, are allowed at a public address."""
    answer(PUBLIC)
    Tenants((), 40).check(f"https://{host}")


@pytest.mark.parametrize(
    "host",
    [
        "ilucca.net",
        "acme.ilucca.net.attacker.example",
        "acme.ilucca.net.",
        "acme-ilucca.net",
        "attackerilucca.net",
        "acme.ilucca.net:8443",
        "acme.ilucca.com",
        "a_b.ilucca.net",
        "acme%2eattacker.example%2f.ilucca.net",
        "accounts.world.luccasoftware.com.attacker.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        METADATA,
        "2130706433",
        "metadata.google.internal",
        PUBLIC,
    ],
)
def test_all_other_hosts_are_refused(host: str, answer: Callable[..., list[str]]) -> None:
    """Every other host is refused, whatever its name resembles and wherever it leads."""
    answer(PUBLIC)
    with pytest.raises(HostError, match="is not a host of Lucca"):
        Tenants((), 40).check(f"https://{host}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        METADATA,
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "2002:7f00:1::",
        "168.63.129.16",
        "192.88.99.1",
        "3fff::1",
        "fec0::1",
    ],
)
def test_addresses_that_are_not_public(address: str, answer: Callable[..., list[str]]) -> None:
    """Loopback, private, link-local, metadata and multicast addresses are refused, even inside IPv6 addresses."""
    assert not is_public(address)
    answer(address)
    with pytest.raises(HostError, match="not on the public internet"):
        Tenants((), 40).check("https://acme.ilucca.net")


def test_one_address_that_is_not_public_is_one_too_many(answer: Callable[..., list[str]]) -> None:
    """A host is refused if any of its addresses is not public, wherever it stands."""
    for both in ([PUBLIC, METADATA], [METADATA, PUBLIC]):
        answer(both)
        with pytest.raises(HostError, match="not on the public internet"):
            Tenants((), 40).check("https://acme.ilucca.net")


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e", f"::ffff:{PUBLIC}"]
)
def test_addresses_that_are_public(address: str) -> None:
    """Public addresses of IPv4 and IPv6, and those of a translator between them, are accepted."""
    assert is_public(address)


@pytest.mark.parametrize("address", ["127.0.0.1", METADATA, "10.1.2.3"])
def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed(
    address: str, answer: Callable[..., list[str]]
) -> None:
    """The gateway checks the address when it connects, not only beforehand."""
    connected = answer(PUBLIC, address)
    values = {"host": "acme.ilucca.net", "api_key": "key"}
    settings = read_settings(ENVIRONMENT)
    with pytest.raises(ImportFailedError, match="not on the public internet") as caught:
        list(perform_import(values, settings, Tenants((), 40), Stop()))
    assert caught.value.code == "invalid_argument"
    assert connected == []


def test_the_address_that_was_checked_is_the_one_connected_to(answer: Callable[..., list[str]]) -> None:
    """The gateway doesn't look up the name again between the check and the connection."""
    connected = answer(PUBLIC, PUBLIC, METADATA)
    values = {"host": "acme.ilucca.net", "api_key": "key"}
    settings = read_settings(ENVIRONMENT)
    with pytest.raises(ImportFailedError) as caught:
        list(perform_import(values, settings, Tenants((), 40), Stop()))
    assert caught.value.code == "unavailable"
    assert connected == [PUBLIC]


def test_only_listed_hosts_are_called_without_tls(answer: Callable[..., list[str]]) -> None:
    """The session of another host has no connection for plain HTTP, which would show the key to the network."""
    connected = answer(PUBLIC)
    url = "http://acme.ilucca.net"
    with Tenants((), 40).session(url) as (session, _), pytest.raises(Exception, match="http"):
        session.get(url, timeout=PATIENCE)
    assert connected == []


def test_the_certificate_must_be_for_the_name(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate must be valid for the host name, although the connection is made to an address."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with ExitStack() as stack:
        urls = []
        for name in ("acme.ilucca.net", "other.ilucca.net"):
            issued = authority.issue_cert(name)
            issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
            issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
            certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
            urls.append(stack.enter_context(serve(sandbox.lucca.app, certfile=certificate, keyfile=key)))
        look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, port, *a, **k: look_up("127.0.0.1", port, *a, **k))
        monkeypatch.setattr(addresses, "is_public", lambda _: True)
        right, wrong = (url.replace("127.0.0.1", "acme.ilucca.net") for url in urls)
        own, trusted = Tenants((), 1000), str(tmp_path / "ca.pem")
        with own.session(right) as (session, _):
            assert session.get(right, timeout=PATIENCE, verify=trusted).status_code == HTTPStatus.NOT_FOUND
        with own.session(wrong) as (session, _), pytest.raises(requests.exceptions.ConnectionError) as caught:
            session.get(wrong, timeout=PATIENCE, verify=trusted)
        assert is_untrusted(caught.value)


def test_a_listed_host_is_allowed_on_its_port_only() -> None:
    """A listed host with a port is allowed on that port, and one without a port on any. No name is looked up."""
    own = Tenants((("127.0.0.1", 8000), ("lucca.internal", None)), 40)
    own.check("http://127.0.0.1:8000")
    own.check("https://lucca.internal")
    own.check("https://lucca.internal:8443")
    for url in ("http://127.0.0.1:8001", "http://localhost:8000", "https://other.internal"):
        with pytest.raises(HostError):
            own.check(url)


@pytest.mark.parametrize(
    "host", [f"https://{METADATA}", "https://127.0.0.2", "https://[::1]", "http://localhost:22", "https://10.0.0.1"]
)
def test_the_gateway_is_no_proxy_into_its_network(sandbox: Sandbox, gateway: GatewayProcess, host: str) -> None:
    """The gateway refuses before it streams anything, with the same message whether or not something listens."""
    failed = failure(gateway.url, "v1alpha2", configuration(sandbox, host=host))
    assert (failed.streamed, failed.code) == ([], "invalid_argument")
    assert "is not a host of Lucca" in failed.message


def test_a_proxy_of_the_environment_is_not_used(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway ignores a proxy for Lucca, because the proxy would look up and choose the address itself."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    settings = read_settings(ENVIRONMENT)
    items = perform_import(configuration(sandbox), settings, Tenants(settings.hosts, 1000), Stop())
    assert sum(map(len, items)) > 250


def test_the_imports_of_a_tenant_share_its_budget(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three imports at once share the tenant's request budget, and each is complete."""
    monkeypatch.setattr(tenants, "Budget", partial(Budget, window=1.0))
    sandbox.lucca.window_seconds, sandbox.lucca.requests_per_window = 0.5, 6  # a busy machine delays requests
    settings = read_settings({**ENVIRONMENT, "LUCCA_GATEWAY_PAGE_SIZE": "200"})
    own = Tenants(settings.hosts, 6)

    def read() -> int:
        return sum(map(len, perform_import(configuration(sandbox), settings, own, Stop())))

    with ThreadPoolExecutor(3) as pool:
        counts = {pool.submit(read) for _ in range(3)}
        assert len({count.result(PATIENCE) for count in counts}) == 1
    times = [request.time for request in sandbox.lucca.requests]
    assert len(times) == 15  # a request over the limit would have ended its import
    assert all(later - earlier > 0.5 for earlier, later in zip(times, times[6:], strict=False))


def test_the_budget_of_a_tenant_outlives_its_imports(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second import right after the first waits."""
    monkeypatch.setattr(tenants, "Budget", partial(Budget, window=1.0))
    own = Tenants((("127.0.0.1", None),), 2)
    start = time.monotonic()
    for _ in range(2):
        with own.session(sandbox.lucca_url) as (session, budget):
            for _ in range(2):
                budget.wait(time.sleep)
                session.get(sandbox.lucca_url, timeout=PATIENCE)
    assert time.monotonic() - start > 0.9
