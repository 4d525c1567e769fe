"""Fixtures for all tests."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts.browser import MISSING
from tests import harness
from tests.harness import Sandbox, open_sandbox

# No test may fail because the machine is slow or busy.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# With this variable, programs that tests install would compile all their modules at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to start console scripts as new processes instead of forks, which takes longer."""
    parser.addoption("--start-afresh", action="store_true", help="start each console script afresh, instead of forking")


def pytest_configure(config: pytest.Config) -> None:
    """Tell the harness how to start console scripts, and give them the signals that they have outside of `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    harness.START_AFRESH = config.getoption("start_afresh")


def pytest_xdist_auto_num_workers() -> int:
    """Run three workers for every two cores: many tests wait for a time-out or a retry."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that had no browser in one line."""
    for report in terminalreporter.stats.get("skipped", ()):
        if MISSING in str(report.longrepr):
            report.longrepr = (report.fspath, None, MISSING)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all workers share, for things that are made once (see `tests.project.once`)."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve a company of 250 employees."""
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path)
