"""The target's progress while it works. The tests of the tap cover the interval and the format of a line."""

import os
import pty
import re
import subprocess
from pathlib import Path

from lucca_elimity_kit.progress import EMPTY_LINE

from sandbox.faults import Fault
from tests.harness import PATIENCE, SCRIPTS, Sandbox, on_a_terminal

# The clock runs fast, so each call that may log progress does.
HASTY = (
    "import sys, time; slow = time.monotonic; time.monotonic = lambda: 100_000 * slow(); "
    "sys.argv[0] = 'target-elimity'; from target_elimity.__main__ import main; main()"
)


def prepare(sandbox: Sandbox) -> tuple[list[str | Path], Path]:
    """Return the command for a dry run with a fast clock, and the file with the messages it reads."""
    messages = sandbox.folder / "messages"
    messages.write_text(sandbox.tap().stdout)
    config = sandbox.file("target.json", {"output_path": str(sandbox.folder / "output")})
    return [SCRIPTS / "python", "-c", HASTY, "--config", config], messages


def test_a_log_says_how_far_the_target_is(sandbox: Sandbox) -> None:
    """The log shows how many records arrived, and how many of all employees are done."""
    command, messages = prepare(sandbox)
    target = subprocess.run(command, input=messages.read_bytes(), capture_output=True, check=True, timeout=PATIENCE)
    lines = [line.rpartition("| ")[2] for line in target.stderr.decode().splitlines()]
    assert {"records received: 200", "records received: 700"} <= set(lines)
    assert {"employees: 100 of 250 (40 %)", "employees: 200 of 250 (80 %)"} <= set(lines)


def test_a_terminal_has_one_live_line(sandbox: Sandbox) -> None:
    """The line is rewritten in place, is cleared before each log line, and is gone at the end."""
    command, messages = prepare(sandbox)
    with messages.open() as source:
        exit_code, written = on_a_terminal(*command, stdin=source)
    assert exit_code == 0
    *lines, rest = written.split("\r\n")
    assert all(re.match(r"[\d :,-]+ \| [A-Z]+ ", line.rpartition(EMPTY_LINE)[2]) for line in lines)
    assert rest.endswith(EMPTY_LINE)
    assert f"{EMPTY_LINE}target-elimity | employees: 100 of 250 (40 %)" in written


def test_a_short_run_tells_nothing(sandbox: Sandbox) -> None:
    """A run of a few seconds logs no progress."""
    _, target = sandbox.pipeline()
    assert "received:" not in target.log
    assert " of 250" not in target.log


def test_a_terminal_that_is_closed_stops_no_import(sandbox: Sandbox) -> None:
    """The target's lines can't be written any more. The import goes on, and its outcome reaches STATE."""
    screen, terminal = pty.openpty()
    messages = sandbox.folder / "messages"
    messages.write_text(sandbox.tap().stdout)
    config = sandbox.file("target.json", sandbox.target_config)
    sandbox.elimity.faults.add(Fault("/api/sources", "hang", seconds=0.5))
    with (
        messages.open("rb") as stdin,
        subprocess.Popen(
            [SCRIPTS / "target-elimity", "--config", config], stdin=stdin, stdout=subprocess.PIPE, stderr=terminal
        ) as target,
    ):
        os.close(terminal)
        os.read(screen, 1)
        os.close(screen)
        state, _ = target.communicate(timeout=PATIENCE)
    assert target.returncode == 0
    assert b"completion" in state
    assert any("Import complete" in log.message for log in sandbox.elimity.connector_logs)
