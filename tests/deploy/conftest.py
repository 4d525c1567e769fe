"""Fixtures: a bucket and two tenants."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.harness import PATIENCE, SCRIPTS, Sandbox, open_sandbox
from tests.lucca_gateway.support import wait_until

# The server requires a signature, but doesn't check it.
SIGNATURE = "AWS4-HMAC-SHA256 Credential=key/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Bucket:
    """A bucket on its own server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.put("")

    def put(self, key: str, content: str = "") -> None:
        """Write an object; without a key, make the bucket."""
        url = f"{self.url}/states/{key}".rstrip("/")
        requests.put(url, content, headers={"Authorization": SIGNATURE}, timeout=PATIENCE).raise_for_status()

    def has(self, key: str) -> bool:
        """Return whether an object exists."""
        url = f"{self.url}/states/{key}"
        return requests.head(url, headers={"Authorization": SIGNATURE}, timeout=PATIENCE).ok

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the page names."""
        return {
            "MELTANO_STATE_BACKEND_URI": "s3://states/meltano",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL_S3": self.url,
        }


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    """Run a server process that speaks the S3 protocol, with one bucket."""
    server = (SCRIPTS / "moto_server", "--host", "127.0.0.1", "--port", "0")
    log = tmp_path / "moto.log"
    with (
        log.open("w") as output,
        subprocess.Popen(server, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until(lambda: "Running on" in log.read_text() or process.poll() is not None)
            address = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            assert address, log.read_text()
            yield Bucket(address[0])
        finally:
            process.terminate()


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve a tenant."""
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path)


@pytest.fixture
def beta(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve another tenant."""
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path, employees=60, seed=2)
