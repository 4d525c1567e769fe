"""Fixtures: a gateway that runs as a process, and companies in Lucca for it to read."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox.pulling import GatewayProcess, running_gateway
from tests.harness import CANARY, Sandbox, open_sandbox
from tests.lucca_gateway.support import ENVIRONMENT


@pytest.fixture(scope="session")
def shared_gateway() -> Iterator[GatewayProcess]:
    """Run a gateway that never waits for a rate limit or a retry, for all tests that need no settings of their own."""
    with running_gateway(ENVIRONMENT) as gateway:
        yield gateway
    assert gateway.process.returncode == 0


@pytest.fixture
def gateway(shared_gateway: GatewayProcess, sandbox: Sandbox) -> Iterator[GatewayProcess]:
    """Return the gateway; after each test, assert that its log has no key and no personal data."""
    before = len(shared_gateway.log)
    yield shared_gateway
    log = str(shared_gateway.log[before:])
    for secret in (sandbox.lucca.api_key, "Authorization", CANARY):
        assert secret not in log


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve a second company, of 120 employees."""
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path, employees=120, seed=2)
