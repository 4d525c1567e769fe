"""Helpers for the tests of the gateway."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from connectrpc.errors import ConnectError

from sandbox.elimity import Elimity, values_of
from sandbox.pulling import GatewayProcess, Generation, Response, responses
from tests.harness import PATIENCE, Sandbox

SERVICE = "/elimity.insights.customgateway.v1alpha2.Service"
OPEN = {"LUCCA_GATEWAY_SERVE_WITHOUT_TOKENS": "true"}
# With these settings, nothing waits for the rate limit or retries if Lucca is down. Tests can override them.
FAST = {
    "LUCCA_GATEWAY_ALLOWED_HOSTS": "127.0.0.1",
    "LUCCA_GATEWAY_REQUESTS_PER_MINUTE": "10000",
    "LUCCA_GATEWAY_MAX_RETRY_SECONDS": "0",
    "LUCCA_GATEWAY_PAGE_SIZE": "100",
}
ENVIRONMENT = {**OPEN, **FAST}


@dataclass
class Failure:
    """A failed import: its error, and the responses that were streamed before it."""

    error: ConnectError
    streamed: list[Response]

    @property
    def code(self) -> str:
        """The code of the error."""
        return str(self.error.code.value)

    @property
    def message(self) -> str:
        """The message of the error."""
        return self.error.message


def configuration(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return the configuration values that an administrator enters; None leaves one out."""
    values = {"host": sandbox.lucca_url, "api_key": sandbox.lucca.api_key, **changes}
    return {name: value for name, value in values.items() if value is not None}


def failure(url: str, generation: Generation, values: dict[str, Any], token: str | None = None) -> Failure:
    """Request an import, assert that it fails, and return the failure."""
    streamed: list[Response] = []
    with pytest.raises(ConnectError) as caught:
        streamed.extend(responses(url, generation, values, token))  # keeps the responses before the error
    return Failure(caught.value, streamed)


def employees_of(elimity: Elimity) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the name and attributes of each employee that the source holds, by id."""
    entities = elimity.current.body["entities"] if elimity.current else []
    assert len({entity["id"] for entity in entities}) == len(entities)
    return {entity["id"]: (entity["name"], values_of(entity)) for entity in entities}


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_words(gateway: GatewayProcess, words: str) -> None:
    """Wait until the gateway's log contains a text: a line may be written after the answer it is about."""
    wait_until(lambda: words in gateway.log_text)
