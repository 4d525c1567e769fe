"""Clients that disconnect, gateways that are shut down, imports that have to wait."""

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import pytest
from elimity.insights.customgateway.v1alpha1.customgateway_pb2 import PerformImportRequest
from google.protobuf.json_format import ParseDict
from lucca_gateway import logs, streaming
from lucca_gateway.app import Application
from lucca_gateway.settings import read_settings
from target_elimity import imports

from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS
from sandbox.pulling import GENERATIONS, GatewayProcess, Generation, pull, running_gateway
from sandbox.server import serve
from tests.harness import CANARY, PATIENCE, Sandbox
from tests.lucca_gateway.support import ENVIRONMENT, configuration, employees_of, failure, wait_until

PATH = "/elimity.insights.customgateway.v1alpha1.Service/PerformImport"


def body_of(sandbox: Sandbox) -> bytes:
    """Return the body of a request for an import, as it is sent."""
    message = ParseDict({"fields": configuration(sandbox)}, PerformImportRequest()).SerializeToString()
    return b"\0" + len(message).to_bytes(4, "big") + message


@contextmanager
def begun(client: httpx.Client, url: str, sandbox: Sandbox) -> Iterator[None]:
    """Request an import; enter the block when the first log arrives, and disconnect at its end."""
    request = client.build_request(
        "POST", url + PATH, content=body_of(sandbox), headers={"Content-Type": "application/connect+proto"}
    )
    response = client.send(request, stream=True)
    body = response.iter_raw()
    next(body)
    yield
    response.close()


@pytest.fixture
def slow(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Make the third page of users late, and the first page of work contracts hang."""
    sandbox.lucca.faults.add(Fault(USERS, "hang", nth=3, seconds=0.5))
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=PATIENCE))
    yield sandbox
    sandbox.lucca.faults.clear()


def test_a_client_that_goes_away_stops_the_work(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """After the current page, the gateway sends no more requests to Lucca."""
    sandbox.lucca.faults.add(Fault(USERS, "hang", nth=2, seconds=1, count=1))
    with httpx.Client() as client, begun(client, gateway.url, sandbox):
        wait_until(lambda: len(sandbox.lucca.requests) == 2)
    time.sleep(2)
    assert len(sandbox.lucca.requests) == 2
    wait_until(lambda: "Import broken off: The client went away." in gateway.log_text)


def test_a_client_that_goes_away_ends_the_wait_for_another_try(sandbox: Sandbox) -> None:
    """While the gateway waits a minute for a retry, the client disconnects. The only import slot is free at once."""
    settings = {"LUCCA_GATEWAY_MAX_IMPORTS": "1", "LUCCA_GATEWAY_MAX_RETRY_SECONDS": "300"}
    sandbox.lucca.faults.add(Fault(USERS, 429, nth=2, headers={"Retry-After": "60"}))
    with running_gateway({**ENVIRONMENT, **settings}) as gateway:
        with httpx.Client() as client, begun(client, gateway.url, sandbox):
            wait_until(lambda: "before the next try" in gateway.log_text)
        start = time.monotonic()
        pull(sandbox.elimity, gateway.url, "v1alpha1", configuration(sandbox))
        assert time.monotonic() - start < 20
    assert len(sandbox.entities) == 250


def test_imports_beyond_the_limit_wait_for_their_turn(sandbox: Sandbox, other: Sandbox) -> None:
    """Imports run one after the other, each completely. A client that disconnects while it waits takes no slot."""
    with running_gateway({**ENVIRONMENT, "LUCCA_GATEWAY_MAX_IMPORTS": "1"}) as gateway, ThreadPoolExecutor(3) as pool:
        sandbox.lucca.faults.add(Fault(USERS, "hang", nth=2, seconds=1.5))
        first = pool.submit(pull, sandbox.elimity, gateway.url, "v1alpha1", configuration(sandbox))
        wait_until(lambda: len(sandbox.lucca.requests) == 2)
        with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.3) as client, begun(client, gateway.url, other):
            pass
        second = pool.submit(pull, other.elimity, gateway.url, "v1alpha2", configuration(other))
        time.sleep(0.3)
        assert other.lucca.requests == []
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert (len(sandbox.entities), len(other.entities)) == (250, 120)


def test_an_import_that_is_slow_to_stop_keeps_its_slot(sandbox: Sandbox, other: Sandbox) -> None:
    """If a client goes away, the next import begins only when Lucca has answered the request that is under way."""
    sandbox.lucca.faults.add(Fault(USERS, "hang", nth=2, seconds=2))
    with running_gateway({**ENVIRONMENT, "LUCCA_GATEWAY_MAX_IMPORTS": "1"}) as gateway, ThreadPoolExecutor(1) as pool:
        with httpx.Client() as client, begun(client, gateway.url, sandbox):
            wait_until(lambda: len(sandbox.lucca.requests) == 2)
        second = pool.submit(pull, other.elimity, gateway.url, "v1alpha2", configuration(other))
        time.sleep(0.5)
        assert other.lucca.requests == []
        second.result(PATIENCE)
    assert (len(sandbox.lucca.requests), len(other.entities)) == (2, 120)


def test_two_tenants_at_once_never_mix(sandbox: Sandbox, other: Sandbox, gateway: GatewayProcess) -> None:
    """Of eight imports at once, for two companies in both generations, each source gets its own people."""
    with ThreadPoolExecutor(8) as pool:
        imports = [
            pool.submit(pull, company.elimity, gateway.url, generation, configuration(company))
            for company in (sandbox, other)
            for generation in GENERATIONS * 2
        ]
        for each in imports:
            each.result(PATIENCE)
    for company in (sandbox, other):
        assert len(company.elimity.snapshots) == 4
        assert employees_of(company.elimity).keys() == {str(user["id"]) for user in company.lucca.company.users}
    assert not employees_of(sandbox.elimity).items() & employees_of(other.elimity).items()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_gateway_that_is_told_to_stop_ends_its_imports_with_an_error(slow: Sandbox, generation: Generation) -> None:
    """On SIGTERM, imports get a moment to finish and then an error, also one that waits for its turn.

    The gateway exits with 0, even if Lucca hangs.
    """
    settings = {"LUCCA_GATEWAY_SHUTDOWN_SECONDS": "1", "LUCCA_GATEWAY_MAX_IMPORTS": "1"}
    with running_gateway({**ENVIRONMENT, **settings}) as gateway, ThreadPoolExecutor(2) as pool:
        imports = [pool.submit(failure, gateway.url, generation, configuration(slow)) for _ in range(2)]
        wait_until(lambda: any(request.path == WORK_CONTRACTS for request in slow.lucca.requests))
        wait_until(lambda: gateway.log_text.count("Import requested.") == 2)
        start = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        for failed in imports:
            assert failed.result(PATIENCE).code == "unavailable"
            assert "being shut down" in failed.result().message
        assert gateway.process.wait(PATIENCE) == 0
        assert time.monotonic() - start < 10
    assert "Traceback" not in gateway.log_text


def test_a_gateway_that_is_told_to_stop_lets_a_quick_import_finish(sandbox: Sandbox) -> None:
    """On SIGTERM, the gateway finishes an import that ends soon, and exits with 0."""
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=1))
    with running_gateway(ENVIRONMENT) as gateway, ThreadPoolExecutor(1) as pool:
        pulled = pool.submit(pull, sandbox.elimity, gateway.url, "v1alpha2", configuration(sandbox))
        wait_until(lambda: any(request.path == WORK_CONTRACTS for request in sandbox.lucca.requests))
        gateway.process.send_signal(signal.SIGTERM)
        pulled.result(PATIENCE)
        assert gateway.process.wait(PATIENCE) == 0
    assert len(sandbox.entities) == 250


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_call_that_is_cancelled_never_ends_as_if_all_was_well(sandbox: Sandbox, after: int) -> None:
    """The gateway ends a cancelled stream with an error at any point."""
    application = Application(read_settings(ENVIRONMENT))
    sent: list[dict[str, Any]] = []
    request = [{"type": "http.request", "body": body_of(sandbox), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not request:
            await asyncio.sleep(PATIENCE)
        return request.pop()

    async def serve() -> None:
        task: asyncio.Task[None]

        async def send(message: Any) -> None:
            sent.append(dict(message))
            if len(sent) == after:
                task.cancel()
            await asyncio.sleep(0)

        headers = [(b"content-type", b"application/connect+proto")]
        scope = {"type": "http", "method": "POST", "path": PATH, "root_path": "", "headers": headers}
        task = asyncio.create_task(application(scope, receive, send))
        await task

    asyncio.run(serve())
    assert sent[-1]["more_body"] is False
    assert b'"error"' in sent[-1]["body"]


def test_a_client_that_takes_nothing_any_more_ends_its_import(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a client stops reading, the gateway ends its import, which would otherwise hold its slot forever."""
    monkeypatch.setattr(streaming, "SEND_TIMEOUT", 0.2)
    request = [{"type": "http.request", "body": body_of(sandbox), "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not request:
            await asyncio.sleep(PATIENCE)
        return request.pop()

    async def send(message: Any) -> None:
        if b"Importing" in message.get("body", b""):
            await asyncio.sleep(PATIENCE)

    headers = [(b"content-type", b"application/connect+proto")]
    scope = {"type": "http", "method": "POST", "path": PATH, "root_path": "", "headers": headers}
    application = Application(read_settings(ENVIRONMENT))
    start = time.monotonic()
    asyncio.run(application(scope, receive, send))
    assert time.monotonic() - start < 10


def test_an_error_that_nobody_foresaw_is_told_without_its_words(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the stream nor the log contains the text of an unexpected exception, which may quote a record."""

    def fail(*_: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(imports, "new_employee", fail)
    with serve(Application(read_settings(ENVIRONMENT))) as url:
        failed = failure(url, "v1alpha1", configuration(sandbox))
    assert failed.code == "internal"
    assert "failed unexpectedly (KeyError)" in failed.message
    lines = [logs.JsonFormatter().format(record) for record in caplog.records]
    assert "lucca_gateway/imports.py" in "".join(lines)
    assert CANARY not in failed.message + "".join(lines)


def test_no_secret_and_no_person_is_logged_at_any_level(sandbox: Sandbox) -> None:
    """Successful and failed imports log no secret or personal data, and all lines of an import have the same id."""
    with running_gateway({**ENVIRONMENT, "LUCCA_GATEWAY_LOG_LEVEL": "debug"}) as gateway:
        values = configuration(sandbox)
        pull(sandbox.elimity, gateway.url, "v1alpha2", values, "a.secret.token")
        failure(gateway.url, "v1alpha1", {**values, "api_key": "Xk3-wrong"})
        failure(gateway.url, "v1alpha1", {**values, "api_key": "Xk3 wrong"})
        failure(gateway.url, "v1alpha1", {**values, "host": "https://me:Xk3-wrong@acme.ilucca.net"})
        for kind in (403, 400, 500, "reset", "html", "redirect"):
            sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, kind))
            failure(gateway.url, "v1alpha1", values)
    for secret in (sandbox.lucca.api_key, "Xk3", "a.secret.token", "authorization", CANARY.lower()):
        assert secret.lower() not in gateway.log_text.lower()
    whole = [line for line in gateway.log if line["message"] == "Import complete."]
    assert [line["employees"] for line in whole] == [250]
    same = [line["message"] for line in gateway.log if line.get("import") == whole[0]["import"]]
    assert same[0] == "Import requested."
    assert all("level" in line and line["level"] != "raw" for line in gateway.log)


def test_health_is_answered_and_nothing_else_is_there(gateway: GatewayProcess) -> None:
    """`/healthz` answers 200 without a token. Other paths and methods are refused."""
    with httpx.Client(base_url=gateway.url) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 404
        assert client.get(f"{PATH}?message=secret-in-a-query").status_code == 405
        assert client.post("/elimity.insights.customgateway.v1alpha1.Service/Nothing").status_code == 404
    assert "secret-in-a-query" not in gateway.log_text


def test_a_request_that_is_too_large_is_refused(gateway: GatewayProcess) -> None:
    """A request of 100,000 bytes answers 413, because configuration values are short."""
    with httpx.Client(base_url=gateway.url) as client:
        headers = {"Content-Type": "application/connect+proto"}
        assert client.post(PATH, content=b"\0" * 100_000, headers=headers).status_code == 413


def test_nonsense_is_answered_with_an_error(gateway: GatewayProcess) -> None:
    """Whatever the malformed request, the stream ends with an error."""
    headers = {"Content-Type": "application/connect+proto"}
    with httpx.Client(base_url=gateway.url) as client:
        for content in (b"", b"nonsense", b"\0\0\0\0\3abc", b"\1\0\0\0\3abc", b"\0\0\0\0\0" * 2):
            answer = client.post(PATH, content=content, headers=headers)
            assert msgspec.json.decode(answer.content[5:])["error"]["code"] == "invalid_argument"
