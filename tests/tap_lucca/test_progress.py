"""The tap's progress while it works."""

import logging
import re
from datetime import datetime
from itertools import pairwise

import pytest
from lucca_elimity_kit.progress import EMPTY_LINE, SECONDS_BETWEEN, Progress

from sandbox.faults import Fault
from sandbox.lucca import USERS
from tests.harness import SCRIPTS, Sandbox, on_a_terminal

LINE = re.compile(r"users: (\d+) of 250 \((\d+) %\)")


def slow_down(sandbox: Sandbox) -> None:
    """Make the tap read the users in many pages, for more than six seconds."""
    sandbox.tap_settings = {"page_size": 11}
    sandbox.lucca.faults.add(Fault(USERS, "hang", seconds=0.26, count=None))


def test_a_line_tells_number_total_and_share(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands have separators. The share is rounded down, so only the total is 100 %. Unknown totals are omitted."""
    times = iter(range(0, 1000, 10))
    progress = Progress(logging.getLogger("program"), lambda: next(times))
    with caplog.at_level(logging.INFO):
        for done, total in ((3000, 12345), (12344, 12345), (12345, 12345), (11, 10), (3000, None), (0, 0)):
            progress.report("users", done, total)
    assert caplog.messages == [
        "users: 3,000 of 12,345 (24 %)",
        "users: 12,344 of 12,345 (99 %)",
        "users: 12,345 of 12,345 (100 %)",
        "users: 11 of 10 (100 %)",
        "users: 3,000",
        "users: 0",
    ]


def test_lines_come_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Progress is logged every few seconds, however often it is reported, and not in the first few seconds."""
    times = iter([0, 1, 2, 2.9, 3, 3.1, 5.9, 6.5, 9, 9.6])
    progress = Progress(logging.getLogger("program"), lambda: next(times))
    with caplog.at_level(logging.INFO):
        for done in range(1, 10):
            progress.report("users", done)
    assert caplog.messages == ["users: 4", "users: 7", "users: 9"]


def test_a_log_says_how_far_the_tap_is(sandbox: Sandbox) -> None:
    """The log has lines with the number of users read so far, at least three seconds apart."""
    slow_down(sandbox)
    tap = sandbox.tap()
    assert tap.exit_code == 0
    told = [line for line in tap.log.splitlines() if LINE.search(line)]
    assert len(told) >= 2
    for line in told:
        assert re.match(r"[\d :,-]+ \| INFO     \| tap-lucca +\| users: ", line)
        read, percent = (int(number) for number in LINE.search(line).groups())  # type: ignore[union-attr]
        # Every page starts with the last row of the page before.
        assert read % 10 == 1 or read == 250
        assert percent == 100 * read // 250
    for earlier, later in pairwise(datetime.fromisoformat(line[:23].replace(",", ".")) for line in told):
        assert (later - earlier).total_seconds() > SECONDS_BETWEEN - 0.1


def test_a_short_run_tells_nothing(sandbox: Sandbox) -> None:
    """A run of a few seconds logs no progress."""
    assert "users:" not in sandbox.tap().log


def test_a_terminal_has_one_live_line(sandbox: Sandbox) -> None:
    """The line is rewritten in place, never mixes with log lines, and is gone at the end."""
    slow_down(sandbox)
    config = sandbox.file("tap.json", sandbox.tap_config)
    with (sandbox.folder / "messages").open("w") as messages:
        exit_code, written = on_a_terminal(SCRIPTS / "tap-lucca", "--config", config, stdout=messages)
    assert exit_code == 0
    *lines, rest = written.split("\r\n")
    for line in lines:
        # A person sees the text after the last time that the line was cleared.
        assert re.match(r"[\d :,-]+ \| [A-Z]+ ", line.rpartition(EMPTY_LINE)[2])
    assert rest.endswith(EMPTY_LINE)
    live = LINE.findall(written)
    assert len(live) >= 2
    assert written.count(f"{EMPTY_LINE}tap-lucca | users: ") == len(live)
