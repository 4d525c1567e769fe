"""Requests that no Elimity Insights sends, but an administrator's slip or somebody else might."""

from __future__ import annotations

import gzip
import math
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.pulling import GENERATIONS
from tests.lucca_gateway.support import configuration, failure

if TYPE_CHECKING:
    from sandbox.pulling import GatewayProcess
    from tests.harness import Sandbox


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("v1alpha2.Service/Meta", {"content-type": "application/proto", "content-encoding": "gzip"}),
        (
            "v1alpha1.Service/PerformImport",
            {"content-type": "application/connect+proto", "connect-content-encoding": "gzip"},
        ),
    ],
)
def test_compressed_requests_are_refused_unread(gateway: GatewayProcess, path: str, headers: dict[str, str]) -> None:
    """A few kilobytes would become gigabytes before anyone looks at their size."""
    bomb = gzip.compress(bytes(10_000_000))
    url = f"{gateway.url}/elimity.insights.customgateway.{path}"
    answer = httpx.post(url, content=bomb, headers=headers, timeout=10)
    assert answer.status_code == 413
    assert "not supported" in answer.text


@pytest.mark.parametrize("generation", GENERATIONS)
def test_swapped_configuration_values_do_not_put_the_key_into_the_log(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Any
) -> None:
    """The key stands where the host should: neither the log nor the administrator's error repeats it."""
    key = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    failed = failure(gateway.url, generation, configuration(sandbox, host=key, api_key="acme.ilucca.net"))
    assert failed.code == "invalid_argument"
    assert "not a host of Lucca" in failed.message
    assert key not in failed.message + gateway.log_text


@pytest.mark.parametrize("host", [math.nan, 7, True, ["acme.ilucca.net"], "x" * 64 + ".ilucca.net", "acme..ilucca.net"])
def test_a_host_that_is_none_is_told_in_words(sandbox: Sandbox, gateway: GatewayProcess, host: Any) -> None:
    """Whatever kind of value it is."""
    failed = failure(gateway.url, "v1alpha2", configuration(sandbox, host=host))
    assert (failed.code, failed.streamed) == ("invalid_argument", [])
    assert "'host'" in failed.message
