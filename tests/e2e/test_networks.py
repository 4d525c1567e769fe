"""Private certificate authorities, mutual TLS and proxies, with both real processes against real servers."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
import trustme
from typing_extensions import override

from sandbox.server import serve
from tests.harness import Sandbox, open_sandbox
from tests.lucca_elimity_kit.authority import write_authority


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve both APIs with certificates of a private authority; Elimity Insights requires a client certificate too."""
    authority = trustme.CA()
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "server.pem", "server.key"))
    authority.cert_pem.write_to_path(ca)
    for name, identity in (("server", "127.0.0.1"), ("client", "agent@acme.example")):
        issued = authority.issue_cert(identity)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    with ExitStack() as stack:
        sandbox = open_sandbox(stack, tmp_path)
        sandbox.lucca_url = stack.enter_context(serve(sandbox.lucca.app, certfile=certificate, keyfile=key))
        sandbox.elimity_url = stack.enter_context(
            serve(sandbox.elimity.app, certfile=certificate, keyfile=key, ca_certs=ca)
        )
        sandbox.target_settings = {
            "ca_bundle": str(ca),
            "client_certificate": str(tmp_path / "client.pem"),
            "client_private_key": str(tmp_path / "client.key"),
        }
        yield sandbox


def test_private_authority_and_mutual_tls(secured: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tap takes its authorities from REQUESTS_CA_BUNDLE; the target has settings for them and its certificate."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secured.folder / "ca.pem"))
    tap, target = secured.pipeline()
    assert (tap.exit_code, target.exit_code) == (0, 0)
    assert len(secured.entities) == 250


def test_an_unknown_authority_is_told_plainly_and_at_once(secured: Sandbox) -> None:
    """If a certificate's authority is unknown, both programs log that the verification failed and don't retry."""
    tap = secured.tap()
    del secured.target_settings["ca_bundle"]
    target = secured.target("")
    for run in (tap, target):
        assert run.exit_code == 1
        assert "certificate verify failed" in run.log
        assert "waiting" not in run.log
        assert "Traceback" not in run.log


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python is strict about RFC 5280 since 3.13")
def test_an_authority_that_does_not_meet_rfc_5280(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both programs say at once what the authority's owner must add. `ca_bundle` isn't wrong."""
    write_authority(tmp_path, lacks="key usage")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with ExitStack() as stack:
        sandbox = open_sandbox(stack, tmp_path)
        certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
        sandbox.lucca_url = stack.enter_context(serve(sandbox.lucca.app, certfile=certificate, keyfile=key))
        sandbox.elimity_url = stack.enter_context(serve(sandbox.elimity.app, certfile=certificate, keyfile=key))
        for run in (sandbox.tap(), sandbox.target("")):
            assert run.exit_code == 1
            assert "RFC 5280" in run.log
            assert "key usage" in run.log
            assert "waiting" not in run.log


def test_a_missing_client_certificate_is_told(secured: Sandbox) -> None:
    """The server closes the connection if it gets no client certificate, and the target fails with a message."""
    del secured.target_settings["client_certificate"], secured.target_settings["client_private_key"]
    secured.target_settings["max_retry_seconds"] = 0
    target = secured.target("")
    assert target.exit_code == 1
    assert "cannot be used" in target.log
    assert "Traceback" not in target.log


class Proxy(BaseHTTPRequestHandler):
    """Forwards requests and records their URLs."""

    seen: list[str]

    def _forward(self) -> None:
        self.seen.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(self.command, self.path, data=body, headers=dict(self.headers), timeout=10)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = _forward  # noqa: N815 - the names that http.server calls

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def test_a_proxy_of_the_environment_is_used(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both processes send their requests through the proxy in HTTP_PROXY."""
    Proxy.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        tap, target = sandbox.pipeline()
        server.shutdown()
    assert (tap.exit_code, target.exit_code) == (0, 0)
    assert any(address.startswith(sandbox.lucca_url) for address in Proxy.seen)
    assert any(address.startswith(sandbox.elimity_url) for address in Proxy.seen)
    assert len(sandbox.entities) == 250
