"""Tap and target together, without Meltano: a pipe between the two console scripts."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sandbox.elimity import values_of
from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS
from tests.e2e.expected import expected_entities
from tests.harness import PATIENCE, SCRIPTS, Sandbox, open_sandbox


def assert_everything_arrived(sandbox: Sandbox, today: date) -> None:
    """Assert that every attribute in the source equals an independent computation from Lucca's raw rows."""
    arrived = {entity["id"]: (entity["name"], values_of(entity)) for entity in sandbox.entities}
    assert arrived == expected_entities(sandbox.lucca.company.users, sandbox.contracts, today)


def test_a_company_arrives_attribute_by_attribute(sandbox: Sandbox) -> None:
    """Every attribute of a small company arrives, edge cases included."""
    tap, target = sandbox.pipeline()
    assert (tap.exit_code, target.exit_code) == (0, 0)
    assert len(sandbox.entities) == 250
    assert_everything_arrived(sandbox, sandbox.lucca.company.today)


@pytest.mark.parametrize("embedded", [True, False])
def test_contract_types_by_id_alone(sandbox: Sandbox, embedded: bool) -> None:
    """If contracts carry only a type id, the target uses the configured labels."""
    sandbox.lucca.embed_contract_types = embedded
    sandbox.target_settings = {"contract_type_names": {"1": "Permanent"}}
    sandbox.pipeline()
    types = {values_of(entity).get("contractType") for entity in sandbox.entities}
    assert ("Permanent" in types) != embedded
    assert ("CDI" in types) == embedded


@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
@pytest.mark.parametrize("nth", [1, 3])
def test_a_tap_that_crashes_leaves_the_source_as_it_was(sandbox: Sandbox, path: str, nth: int) -> None:
    """If the tap crashes while it reads users or contracts, the target uploads nothing."""
    sandbox.tap_settings = {"page_size": 100}
    sandbox.lucca.faults.add(Fault(path, 403, nth=nth, count=None))
    tap, target = sandbox.pipeline()
    assert (tap.exit_code, target.exit_code) == (1, 1)
    assert target.stdout == ""
    assert sandbox.elimity.snapshots == []
    assert "is incomplete" in sandbox.alerts[0]


def test_a_state_of_an_earlier_run_completes_nothing(sandbox: Sandbox) -> None:
    """If the tap crashes, completion marks from an earlier run's state don't make the target upload."""
    tap, _ = sandbox.pipeline()
    state = sandbox.file("state.json", tap.state)
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, 403, count=None))
    tap, target = sandbox.pipeline("--state", state)
    assert (tap.exit_code, target.exit_code) == (1, 1)
    assert len(sandbox.elimity.snapshots) == 1


def test_a_killed_tap_leaves_the_source_as_it_was(sandbox: Sandbox) -> None:
    """If the tap gets a SIGKILL, the target only sees the end of its input, and uploads nothing."""
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=PATIENCE))
    with _piped(sandbox) as (tap, target):
        _wait_for_path(sandbox, WORK_CONTRACTS)
        tap.kill()
        assert target.wait(PATIENCE) == 1
    assert sandbox.elimity.snapshots == []
    assert "'work_contracts' is incomplete" in sandbox.alerts[0]


# What a terminal sends when it is closed counts as the signal to stop.
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)]


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_target_that_is_told_to_stop_uploads_nothing(
    sandbox: Sandbox, number: signal.Signals, exit_code: int
) -> None:
    """On a signal, the target exits non-zero without an upload or STATE; the tap ends because its pipe is closed.

    By default, the SDK would drain its sinks, emit STATE and exit with 0.
    """
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=3))
    with _piped(sandbox) as (tap, target):
        _wait_for_path(sandbox, WORK_CONTRACTS)
        target.send_signal(number)
        assert target.wait(PATIENCE) == exit_code
        assert tap.wait(PATIENCE) != 0
        assert target.stdout
        assert target.stdout.read() == b""
    assert sandbox.elimity.snapshots == []
    log = (sandbox.folder / "target.log").read_text()
    assert "Interrupted by signal" in log
    assert sandbox.alerts == ["Nothing was imported: The run was interrupted."]
    assert "Traceback" not in log + (sandbox.folder / "tap.log").read_text()


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_tap_that_is_told_to_stop_ends_at_once_and_non_zero(
    sandbox: Sandbox, number: signal.Signals, exit_code: int
) -> None:
    """On a signal, the tap ends without emitting STATE, and the target uploads nothing."""
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=PATIENCE))
    with _piped(sandbox) as (tap, target):
        _wait_for_path(sandbox, WORK_CONTRACTS)
        tap.send_signal(number)
        assert tap.wait(PATIENCE) == exit_code
        assert target.wait(PATIENCE) == 1
    assert sandbox.elimity.snapshots == []
    assert "Traceback" not in (sandbox.folder / "tap.log").read_text()


def test_an_import_that_takes_long_is_neither_uploaded_nor_acknowledged_before_its_end(sandbox: Sandbox) -> None:
    """The target neither uploads nor emits STATE before its input ends.

    By default, the SDK drains its sinks and emits STATE every five minutes. The test simulates six between two records.
    """
    messages = sandbox.tap().stdout.splitlines(keepends=True)
    config = sandbox.file("target.json", sandbox.target_config)
    six_minutes_later = (
        "import sys, time; start = time.time; late = []; "
        "time.time = lambda: start() + (360 if late else 0); "
        "from target_elimity.target import TargetElimity as target; process = target._process_record_message; "
        "target._process_record_message = lambda self, message: (process(self, message), late.append(1))[0]; "
        "sys.argv = ['target-elimity', '--config', sys.argv[1]]; from target_elimity.__main__ import main; main()"
    )
    process = subprocess.run(
        [SCRIPTS / "python", "-c", six_minutes_later, config],
        input="".join(messages[:-1]),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert process.returncode == 1
    assert process.stdout == ""
    assert sandbox.elimity.snapshots == []


def test_a_company_of_2345_is_read_in_pages(tmp_path: Path) -> None:
    """Every attribute arrives if both streams take several pages."""
    with ExitStack() as stack:
        sandbox = open_sandbox(stack, tmp_path, employees=2345, seed=7)
        tap, target = sandbox.pipeline()
        assert (tap.exit_code, target.exit_code) == (0, 0)
        assert len(sandbox.entities) == 2345
        assert_everything_arrived(sandbox, datetime.now(UTC).date())


@contextmanager
def _piped(sandbox: Sandbox) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Start the tap and the target with a pipe between them; both log to files."""
    folder = sandbox.folder
    with (
        (folder / "tap.log").open("wb") as tap_log,
        (folder / "target.log").open("wb") as target_log,
        subprocess.Popen(
            [SCRIPTS / "tap-lucca", "--config", sandbox.file("tap.json", sandbox.tap_config)],
            stdout=subprocess.PIPE,
            stderr=tap_log,
        ) as tap,
        subprocess.Popen(
            [SCRIPTS / "target-elimity", "--config", sandbox.file("target.json", sandbox.target_config)],
            stdin=tap.stdout,
            stdout=subprocess.PIPE,
            stderr=target_log,
        ) as target,
    ):
        assert tap.stdout
        tap.stdout.close()  # only the target may hold this end: the tap must notice when the target ends
        yield tap, target
        tap.kill()
        target.kill()


def _wait_for_path(sandbox: Sandbox, path: str) -> None:
    """Wait until the tap requests a path. By then, it has emitted the stream before it."""
    deadline = time.monotonic() + PATIENCE
    while not any(request.path == path for request in sandbox.lucca.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)
