"""The real console scripts, run as processes against a served sandbox."""

import atexit
import json
import os
import pty
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.company import generate_company
from sandbox.elimity import Elimity
from sandbox.lucca import Lucca
from sandbox.server import serve
from tests.forks import ForkServer

# A word in the job title of everybody in the sandbox's company, and nowhere else.
CANARY = "Cucurucu"
ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent
# In seconds: long enough for the slowest machine. A test that passes doesn't wait for it.
PATIENCE = 120
# The packages of the repository.
PROGRAMS = ("tap-lucca", "target-elimity", "lucca-gateway")
PACKAGES = ("lucca-elimity-kit", "tap-lucca", "target-elimity", "lucca-gateway")
# Set by the option `--start-afresh`: console scripts start as new processes instead of forks.
START_AFRESH = False


@dataclass
class Run:
    """The exit code and the output of a process."""

    exit_code: int
    stdout: str
    log: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The standard output as JSON, line by line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream."""
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE message of a tap."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}


@dataclass
class Sandbox:
    """A served Lucca with its company, a served Elimity Insights, and a folder for files."""

    folder: Path
    lucca: Lucca
    elimity: Elimity
    lucca_url: str
    elimity_url: str
    tap_settings: dict[str, Any] = field(default_factory=dict)
    target_settings: dict[str, Any] = field(default_factory=dict)

    @property
    def tap_config(self) -> dict[str, Any]:
        """Settings for the tap, with a rate limit that nothing waits for unless a test sets another."""
        return {
            "host": self.lucca_url,
            "api_key": self.lucca.api_key,
            "requests_per_minute": 10_000,
            **self.tap_settings,
        }

    @property
    def target_config(self) -> dict[str, Any]:
        """Settings for the target."""
        return {
            "url": self.elimity_url,
            "source_id": self.elimity.source_id,
            "source_token": self.elimity.source_token,
            **self.target_settings,
        }

    @property
    def api_token(self) -> dict[str, Any]:
        """Settings that the target needs to compare the import with what the source holds."""
        return {
            "api_token_id": self.elimity.api_token_id,
            "api_token_secret": self.elimity.api_token_secret,
        }

    def file(self, name: str, content: object) -> Path:
        """Write a JSON file."""
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def tap(self, *arguments: str | Path) -> Run:
        """Run tap-lucca."""
        tap = run("tap-lucca", "--config", self.file("tap.json", self.tap_config), *arguments)
        self._assert_nothing_leaks(tap.log)
        return tap

    def target(self, messages: str, *arguments: str | Path) -> Run:
        """Run target-elimity on messages."""
        config = self.file("target.json", self.target_config)
        target = run("target-elimity", "--config", config, *arguments, text=messages)
        self._assert_nothing_leaks(target.log + target.stdout + "".join(self.alerts))
        return target

    def _assert_nothing_leaks(self, output: str) -> None:
        """Assert in each test that no log, state or alert has a secret or personal data, at any level."""
        elimity = self.elimity
        for user, secret in (
            (elimity.source_id, elimity.source_token),
            (elimity.api_token_id, elimity.api_token_secret),
        ):
            assert secret not in output
            assert b64encode(f"{user}:{secret}".encode()).decode() not in output
        for secret in (self.lucca.api_key, "Authorization"):
            assert secret not in output
        assert CANARY not in output

    def pipeline(self, *tap_arguments: str | Path) -> tuple[Run, Run]:
        """Run the tap, then the target on its output, as a pipe does; return both runs."""
        tap = self.tap(*tap_arguments)
        return tap, self.target(tap.stdout)

    def import_everybody(self) -> None:
        """Import everybody without further settings, so that the source holds them."""
        self.target_settings = {}
        tap, target = self.pipeline()
        assert (tap.exit_code, target.exit_code) == (0, 0), target.log

    @property
    def contracts(self) -> list[dict[str, Any]]:
        """The work contracts of Lucca that are not archived."""
        company = self.lucca.company
        return [dict(row) for row in company.work_contracts if row["id"] not in company.archived_contracts]

    @property
    def entities(self) -> list[dict[str, Any]]:
        """What the source in Elimity Insights holds."""
        current = self.elimity.current
        return current.body["entities"] if current else []

    @property
    def alerts(self) -> list[str]:
        """The alerts in the source's Logs tab."""
        return [log.message for log in self.elimity.connector_logs if log.level == "alert"]


def run(command: str, *arguments: str | Path, text: str = "", env: Mapping[str, str] | None = None) -> Run:
    """Run a console script of the tests' environment; those of the packages start as forks, which is faster."""
    environment = {**os.environ, **(env or {})}
    if not START_AFRESH and (server := _fork_server()).can_run(command, environment):
        return Run(*server.run(command, arguments, text, environment, PATIENCE))
    process = subprocess.run(
        [SCRIPTS / command, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    return Run(process.returncode, process.stdout, process.stderr)


@cache
def _fork_server() -> ForkServer:
    server = ForkServer.start(PACKAGES)
    atexit.register(server.stop)
    return server


def on_a_terminal(*command: str | Path, **streams: Any) -> tuple[int, str]:
    """Run a command with a terminal as its standard error; return its exit code and what it wrote there."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(command, stderr=terminal, **streams) as process:
        os.close(terminal)
        written = b""
        try:
            while some := os.read(screen, 65536):
                written += some
        except OSError:  # Linux raises it when no process holds the terminal any more
            pass
        finally:
            os.close(screen)
        return process.wait(PATIENCE), written.decode()


def open_sandbox(stack: ExitStack, folder: Path, employees: int = 250, seed: int = 1) -> Sandbox:
    """Serve a company until the stack is closed."""
    today = datetime.now(UTC).date()
    lucca = Lucca(generate_company(employees, seed, today), requests_per_window=None)
    with lucca.changing() as company:
        for user in company.users:
            user["jobTitle"] = f"{user['jobTitle'] or ''} {CANARY}"
    elimity = Elimity()
    return Sandbox(
        folder, lucca, elimity, stack.enter_context(serve(lucca.app)), stack.enter_context(serve(elimity.app))
    )
