"""Every record arrives, however the standard output takes it, and with every column that its schema announces."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness import CANARY, PATIENCE, SCRIPTS, Sandbox


def wait_until_full(reading: int) -> None:
    """Wait until the pipe holds almost all it can, and a moment longer: then its writer waits or has failed."""
    end = time.monotonic() + PATIENCE
    while int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), sys.byteorder) < 32_000:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.2)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("blocking", [False, True])
def test_every_byte_arrives_although_a_write_takes_a_part(sandbox: Sandbox, unbuffered: str, blocking: bool) -> None:
    """The pipe is full for a while. It may not block, or a signal interrupts a write of a long line."""
    with sandbox.lucca.changing() as company:
        for user in company.users:
            user["jobTitle"] = CANARY + "x" * 30_000
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    program: list[str | Path] = [SCRIPTS / "tap-lucca", "--config", sandbox.file("tap.json", sandbox.tap_config)]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with (
        subprocess.Popen(program, stdout=writing, stderr=subprocess.DEVNULL, env=environment) as tap,
        open(reading, "rb") as output,  # noqa: PTH123 - a file descriptor
    ):
        os.close(writing)
        wait_until_full(reading)
        tap.send_signal(signal.SIGSTOP)
        tap.send_signal(signal.SIGCONT)
        records = [message for line in output if (message := json.loads(line))["type"] == "RECORD"]
        assert tap.wait(PATIENCE) == 0
    expected = {("users", user["id"]) for user in sandbox.lucca.company.users}
    expected |= {("work_contracts", row["id"]) for row in sandbox.contracts}
    assert {(message["stream"], message["record"]["id"]) for message in records} == expected
    assert len(records) == len(expected)


@pytest.mark.parametrize("stream_maps", [{}, {"users": {"manager": None, "badge": "employeeNumber"}}])
def test_flattened_records_have_all_columns_of_their_schema(sandbox: Sandbox, stream_maps: dict[str, Any]) -> None:
    """A person without a department has its columns too, as null: some targets take the first record's for all."""
    with sandbox.lucca.changing() as company:
        company.users[7]["department"] = None
    sandbox.tap_settings = {"flattening_enabled": True, "flattening_max_depth": 1, "stream_maps": stream_maps}
    tap = sandbox.tap()
    assert tap.exit_code == 0
    schemas = {message["stream"]: message["schema"] for message in tap.messages if message["type"] == "SCHEMA"}
    for stream, schema in schemas.items():
        columns = list(schema["properties"])
        assert [list(record) for record in tap.records(stream)] == [columns] * len(tap.records(stream))
    assert tap.records("users")[7]["department__code"] is None
    assert ("manager__id" in schemas["users"]["properties"]) == (not stream_maps)
