"""Requests that Elimity Insights wouldn't send, caused by an administrator's mistake or sent by somebody else."""

import gzip
import math
from typing import Any

import httpx
import pytest

from sandbox.pulling import GENERATIONS, GatewayProcess
from tests.harness import Sandbox
from tests.lucca_gateway.support import configuration, failure, wait_until


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
    """The gateway doesn't unpack compressed requests: a few kilobytes could become gigabytes."""
    bomb = gzip.compress(bytes(10_000_000))
    url = f"{gateway.url}/elimity.insights.customgateway.{path}"
    answer = httpx.post(url, content=bomb, headers=headers, timeout=10)
    assert answer.status_code == 413
    assert "not supported" in answer.text


@pytest.mark.parametrize("generation", GENERATIONS)
def test_swapped_configuration_values_do_not_put_the_key_into_the_log(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Any
) -> None:
    """If the key is entered as the host, neither the log nor the administrator's error repeats it."""
    key = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    failed = failure(gateway.url, generation, configuration(sandbox, host=key, api_key="acme.ilucca.net"))
    assert failed.code == "invalid_argument"
    assert "not a host of Lucca" in failed.message
    assert key not in failed.message + gateway.log_text


@pytest.mark.parametrize("host", [math.nan, 7, True, ["acme.ilucca.net"], "x" * 64 + ".ilucca.net", "acme..ilucca.net"])
def test_a_host_that_is_none_is_told_in_words(sandbox: Sandbox, gateway: GatewayProcess, host: Any) -> None:
    """The error names the value 'host', whatever its type."""
    failed = failure(gateway.url, "v1alpha2", configuration(sandbox, host=host))
    assert (failed.code, failed.streamed) == ("invalid_argument", [])
    assert "'host'" in failed.message


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/proto", b"\xff canary"),
        ("application/json", b'{"canary": {"canary": "canary"'),
        ("application/json; charset=utf-8", b"\xff\xfe"),
        ("application/connect+proto", b"\0\0\0\0\7\xffcanary"),
        ("application/connect+json", b'\0\0\0\0\x0a{"canary":1'),
        ("application/connect+json", b"\0\0\0\0\2{}\0\0\0\0\2{}"),
        ("application/connect+json", b"\0\0\0\0\1{}"),
        ("application/connect+json", b"\1\0\0\0\2{}"),
        ("application/connect+json", b"\0\0"),
    ],
)
def test_a_body_that_is_no_message_is_an_invalid_argument(
    gateway: GatewayProcess, content_type: str, body: bytes
) -> None:
    """In either encoding, the answer is `invalid_argument` and quotes nothing of the body."""
    method = "PerformImport" if "connect" in content_type else "Meta"
    answer = httpx.post(
        f"{gateway.url}/elimity.insights.customgateway.v1alpha2.Service/{method}",
        content=body,
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == (200 if "connect" in content_type else 400)
    assert b'"invalid_argument"' in answer.content
    assert b"canary" not in answer.content
    assert "Traceback" not in gateway.log_text


@pytest.mark.parametrize("method", ["Meta", "PerformImport"])
@pytest.mark.parametrize(
    "headers",
    [{"Connect-Protocol-Version": "canary" * 5000}, {"Connect-Timeout-Ms": "canary"}],
)
def test_headers_are_not_echoed(gateway: GatewayProcess, method: str, headers: dict[Any, Any]) -> None:
    """The answer quotes no malformed header, however long."""
    content_type = "application/connect+proto" if method == "PerformImport" else "application/proto"
    answer = httpx.post(
        f"{gateway.url}/elimity.insights.customgateway.v1alpha2.Service/{method}",
        headers={"Content-Type": content_type, **headers},
    )
    assert answer.status_code == 400
    assert b'"invalid_argument"' in answer.content
    assert b"canary" not in answer.content


def test_a_long_path_is_cut_in_the_log(gateway: GatewayProcess) -> None:
    """A client may request a path of any length; the log has only its beginning."""
    assert httpx.get(f"{gateway.url}/{'x' * 50_000}").status_code == 404
    wait_until(lambda: any(line["message"].startswith("GET /xxx") for line in gateway.log))
    assert max(len(line["message"]) for line in gateway.log) < 1000
