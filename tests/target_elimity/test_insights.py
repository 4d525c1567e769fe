"""The real program and the answers of Elimity Insights, or of a proxy in front of it."""

import gzip
import json
import logging
import subprocess
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from target_elimity.run import Run as ImportRun
from target_elimity.settings import TargetSettings

from sandbox.elimity import Elimity
from sandbox.faults import Fault
from tests.harness import PATIENCE, SCRIPTS, Run, Sandbox, run
from tests.lucca_elimity_kit.wire import Wire, answering, drip, ok, silence
from tests.target_elimity.test_target import WHOLE, lines

TOKEN = "Hunter2-and-more"
BASIC = b64encode(f"1:{TOKEN}".encode()).decode()
PERSON = "jane@acme.example"
UNKNOWN = "unknown whether the import was accepted"
CLOSE = "Connection: close"
DRIP = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"canary")


def upload(folder: Path, url: str, **settings: Any) -> Run:
    """Run the target on a complete import; assert that its log has no secret and none of the server's text."""
    config = folder / "config.json"
    whole = {"url": url, "source_id": "1", "source_token": TOKEN, "max_retry_seconds": 0, **settings}
    config.write_text(json.dumps(whole))
    target = run("target-elimity", "--config", config, text=lines(WHOLE))
    for word in (TOKEN, "Hunter2", BASIC, PERSON, "canary", "\x1b", "Traceback"):
        assert word not in target.log
    return target


def paths(**replies: Any) -> dict[str, Any]:
    """Return the replies of a server that works, with some of them replaced."""
    model = json.dumps(Elimity().data_model).encode()
    well = {"schema": ok(model, CLOSE), "snapshots": ok(b"", CLOSE), "logs": ok(b"", CLOSE)}
    return {**well, **replies}


def logged(wire: Wire) -> str:
    """Return what was sent to the Logs tab."""
    return b"\n".join(request for request in wire.requests if b"/connector-logs " in request.splitlines()[0]).decode()


@pytest.mark.parametrize("call", ["schema", "snapshots", "logs"])
def test_no_word_of_the_server_is_repeated(tmp_path: Path, call: str) -> None:
    """The target logs neither the server's body, which echoes the request, nor its reason phrase or redirect URL."""
    body = f"canary: bad request by Basic {BASIC} ({TOKEN}) about {PERSON} \x1b[2J".encode()
    location = f"Location: https://user:{TOKEN}@login.test?key={TOKEN}"
    reply = ok(body, CLOSE, location, status=f"400 {TOKEN} {BASIC} \x1b[2J")
    with answering(paths=paths(**{call: reply})) as wire:
        target = upload(tmp_path, wire.url)
        assert target.exit_code == (0 if call == "logs" else 1)
        assert "400 (bad request)" in target.log
        lines_sent = logged(wire).split("\r\n\r\n", 1)[-1]
    assert "canary" not in lines_sent
    assert TOKEN not in lines_sent


@pytest.mark.parametrize(
    "value",
    ["http://svc:Hunter2#x@proxy.test:8080", "http://svc:Hunter2/x@proxy.test:8080", "http://svc:Hunter2@a.test:99999"],
)
def test_a_bad_proxy_variable_is_named(tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target fails at once and names the variable, without its value."""
    for name in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", value)
    target = upload(tmp_path, "https://elimity.test", max_retry_seconds=60)
    assert target.exit_code == 1
    assert "HTTPS_PROXY" in target.log
    assert "waiting" not in target.log


@pytest.mark.parametrize("reply", [DRIP, b"HTTP/1.1 103 Early Hints\r\nLink: </canary>\r\n\r\n" + ok()])
def test_an_upload_without_a_final_answer(tmp_path: Path, reply: Any) -> None:
    """The answer's body drips, or its status isn't final. The target reports that the outcome is unknown."""
    with answering(paths=paths(snapshots=reply)) as wire:
        target = upload(tmp_path, wire.url, request_timeout=1)
        assert UNKNOWN in logged(wire)
    assert (target.exit_code, target.stdout) == (1, "")
    assert UNKNOWN in target.log


@pytest.mark.parametrize("reply", [DRIP, silence])
def test_a_line_for_the_logs_tab_that_is_answered_slowly(tmp_path: Path, reply: Any) -> None:
    """A slow answer to a log line, or none, doesn't delay the import."""
    with answering(paths=paths(logs=reply)) as wire:
        start = monotonic()
        target = upload(tmp_path, wire.url)
    assert target.exit_code == 0
    assert monotonic() - start < 60


def test_a_bomb(tmp_path: Path) -> None:
    """The target refuses an answer that unpacks to more than the limit, and doesn't retry."""
    bomb = ok(gzip.compress(b" " * 200_000_000, 1), CLOSE, "Content-Encoding: gzip")
    with answering(paths=paths(schema=bomb)) as wire:
        target = upload(tmp_path, wire.url, max_retry_seconds=300)
    assert target.exit_code == 1
    assert "64 MiB" in target.log
    assert "waiting" not in target.log


def test_tls_files_are_checked_before_the_first_record(tmp_path: Path) -> None:
    """The target refuses an unusable CA bundle by the name of its setting, and doesn't retry."""
    (tmp_path / "ca.pem").write_text("canary")
    target = upload(tmp_path, "https://elimity.test", ca_bundle=str(tmp_path / "ca.pem"), max_retry_seconds=300)
    assert target.exit_code == 1
    assert "'ca_bundle'" in target.log
    assert "waiting" not in target.log


@pytest.mark.parametrize(
    ("first", "then", "unknown"),
    [("truncate", 401, True), (502, 403, True), ("html", 503, True), (503, 401, False), (500, 400, False)],
)
def test_the_outcome_is_unknown_once_an_answer_was_lost(sandbox: Sandbox, first: Any, then: int, unknown: bool) -> None:
    """If the answer to one try was lost, the outcome is unknown, even if the last try got a clear answer."""
    path = "/api/sources/1/snapshots"
    sandbox.elimity.faults.add(Fault(path, first), Fault(path, then, nth=1, count=None))
    sandbox.target_settings = {"max_retry_seconds": 2}
    target = sandbox.target(lines(WHOLE))
    assert (target.exit_code, target.stdout) == (1, "")
    assert (UNKNOWN in target.log) == unknown
    assert (UNKNOWN in sandbox.alerts[-1]) == unknown


def test_a_signal_during_the_upload_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    """The server may have read the snapshot already, so log and Logs tab don't say that nothing was imported."""
    (tmp_path / "messages").write_text(lines(WHOLE))
    with answering(paths=paths(snapshots=silence)) as wire:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"url": wire.url, "source_id": "1", "source_token": TOKEN}))
        with (
            (tmp_path / "messages").open("rb") as stdin,
            subprocess.Popen(
                [SCRIPTS / "target-elimity", "--config", config],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as target,
        ):
            end = monotonic() + PATIENCE
            while not any(b"/snapshots " in request.splitlines()[0] for request in wire.requests):
                assert monotonic() < end
                sleep(0.05)
            target.terminate()
            state, log = target.communicate(timeout=PATIENCE)
        assert UNKNOWN in logged(wire)
    assert (target.returncode, state) == (143, b"")
    assert UNKNOWN in log.decode()


def test_an_import_whose_state_is_lost_was_imported(sandbox: Sandbox) -> None:
    """If STATE can't be written after the upload, the run fails, but log and Logs tab say that it was imported."""
    config, messages = sandbox.file("target.json", sandbox.target_config), sandbox.folder / "messages"
    messages.write_text(lines(WHOLE))
    with messages.open("rb") as stdin, Path("/dev/full").open("wb") as full:
        target = subprocess.run(
            [SCRIPTS / "target-elimity", "--config", config],
            stdin=stdin,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert target.returncode == 1
    assert b"Imported, but the run failed afterwards" in target.stderr
    assert sandbox.alerts[-1].startswith("Imported, but the run failed afterwards")
    assert len(sandbox.elimity.snapshots) == 1


def test_an_error_that_nobody_foresaw_is_named_without_its_words(sandbox: Sandbox) -> None:
    """Its message may quote a record, so the Logs tab gets only the kind of the error."""
    attempt = ImportRun(TargetSettings.parse(sandbox.target_config), logging.getLogger("test"))
    with closing(attempt), pytest.raises(ValueError, match=PERSON), attempt.reporting():
        raise ValueError(PERSON)
    assert sandbox.alerts == ["Nothing was imported: ValueError"]
