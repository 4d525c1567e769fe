"""Serving over HTTP and HTTPS."""

import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import trustme

from sandbox.company import Company
from sandbox.faults import Fault
from sandbox.lucca import USERS, Lucca
from sandbox.server import serve

from .conftest import TODAY


def test_a_server_is_on_loopback_and_gone_after_the_block() -> None:
    """The server uses a free port on 127.0.0.1, and releases it at the end."""
    with serve(Lucca(Company(TODAY)).app) as url:
        address = urlsplit(url)
        assert requests.get(url + USERS, timeout=10).status_code == 401
    assert address.hostname == "127.0.0.1"
    assert address.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=10)


def test_a_port_may_be_chosen() -> None:
    """The server uses the requested port; if it is taken, OSError is raised."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), serve(Lucca(Company(TODAY)).app, port):
            pass
    with serve(Lucca(Company(TODAY)).app, port) as url:
        assert url == f"http://127.0.0.1:{port}"


def test_a_server_stops_while_a_request_hangs() -> None:
    """The server stops within two seconds, although a request hangs."""
    lucca = Lucca(Company(TODAY))
    lucca.faults.add(Fault(USERS, "hang", seconds=60))
    failed = threading.Event()

    def ask(url: str) -> None:
        try:
            requests.get(url, timeout=30)
        except requests.ConnectionError:
            failed.set()

    with serve(lucca.app) as url:
        asking = threading.Thread(target=ask, args=(url + USERS,))
        asking.start()
        while not lucca.requests:
            time.sleep(0.01)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 2
    asking.join()
    assert failed.is_set()


def test_https_with_a_client_certificate(tmp_path: Path) -> None:
    """With `ca_certs`, the server only serves clients with a certificate."""
    authority = trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "server", "client")}
    authority.cert_pem.write_to_path(paths["ca"])
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(paths["server"])
    authority.issue_cert("agent@mail.example").private_key_and_cert_chain_pem.write_to_path(paths["client"])

    with serve(Lucca(Company(TODAY)).app, certfile=paths["server"]) as url:
        assert url.startswith("https://")
        assert requests.get(url + USERS, verify=str(paths["ca"]), timeout=10).status_code == 401
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url + USERS, timeout=10)

    lucca = Lucca(Company(TODAY))
    lucca.faults.add(Fault(USERS, "reset", nth=2), Fault(USERS, "truncate", nth=3))
    with serve(lucca.app, certfile=paths["server"], ca_certs=paths["ca"]) as url:
        with pytest.raises(requests.ConnectionError):
            requests.get(url + USERS, verify=str(paths["ca"]), timeout=10)
        with requests.Session() as session:
            # If the environment names a CA bundle, requests would use that.
            session.trust_env = False
            session.verify, session.cert = str(paths["ca"]), str(paths["client"])
            assert session.get(url + USERS, timeout=10).status_code == 401
            with pytest.raises(requests.ConnectionError):
                session.get(url + USERS, timeout=10)
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                session.get(url + USERS, timeout=10)
