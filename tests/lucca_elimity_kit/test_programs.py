"""Settings, files and streams as they reach the real programs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import PATIENCE, SCRIPTS, Run, Sandbox, run

SECRET = "Xq7-s3cret"
TAP = {"host": "http://127.0.0.1:9", "api_key": SECRET, "max_retry_seconds": 0}
# No run gets far enough to use these.
TARGET = {"url": "http://127.0.0.1:9", "source_id": "1", "source_token": SECRET, "max_retry_seconds": 0}
PROGRAMS: dict[str, dict[str, Any]] = {"tap-lucca": TAP, "target-elimity": TARGET}
WRONG: list[tuple[str, str, Any]] = [
    *(("tap-lucca", "former_employees", value) for value in ("oui", "tru", '"true"', "True ", "t")),
    ("tap-lucca", "page_size", "4_2"),
    ("tap-lucca", "flattening_max_depth", "x"),
    *(
        ("tap-lucca", "stream_maps", value)
        for value in (
            "abc",
            '{"users": 5}',
            '{"users": {"x": 5}}',
            '{"users": {"x": "1 +"}}',
            '{"__else__": "x"}',
            '{"users": {"__else__": 5}}',
        )
    ),
    ("tap-lucca", "former_employees", "yes"),
    ("tap-lucca", "batch_config", "{}"),
    ("tap-lucca", "faker_config", "{}"),
    ("tap-lucca", "start_date", "2026-01-01"),
    ("tap-lucca", "user_agent", "x"),
    ("target-elimity", "accept_filtered", "oui"),
    ("target-elimity", "max_emptied_percent", "101"),
    ("target-elimity", "contract_type_names", "{'1': 'CDI'}"),
    ("target-elimity", "contract_type_names", '{"1": "CDI", "1": "CDD"}'),
    *(("target-elimity", "contract_type_names", f'{{"{name}": "CDI"}}') for name in ("CDI", "", " 1", "01")),
    ("target-elimity", "output_path", "~nobody-of-that-name/x"),
    ("target-elimity", "api_token_id", "1"),
    ("target-elimity", "flattening_enabled", "true"),
    ("target-elimity", "stream_maps", "{}"),
    ("target-elimity", "stream_map_config", "{}"),
    ("target-elimity", "faker_config", "{}"),
    ("target-elimity", "validate_records", "false"),
    ("target-elimity", "hard_delete", "true"),
]


def refused(run: Run, name: str) -> None:
    """Assert that a run ended with one line that names a setting and holds no secret."""
    assert run.exit_code == 1
    assert name in run.log.splitlines()[-1].replace("TAP_LUCCA_", "").replace("TARGET_ELIMITY_", "").lower()
    assert "Traceback" not in run.log
    assert SECRET not in run.log


@pytest.mark.parametrize(("program", "name", "value"), WRONG)
def test_a_wrong_setting(tmp_path: Path, program: str, name: str, value: Any) -> None:
    """The program refuses a wrong value from a file or the environment, and names the setting."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({**PROGRAMS[program], name: value}))
    refused(run(program, "--config", file), name)
    file.write_text(json.dumps(PROGRAMS[program]))
    variable = f"{program.upper().replace('-', '_')}_{name.upper()}"
    refused(run(program, "--config", file, "--config=ENV", env={variable: str(value)}), name)


@pytest.mark.parametrize(
    ("program", "name", "value", "must_be"),
    [
        ("tap-lucca", "former_employees", "maybe", "true or false"),
        ("tap-lucca", "page_size", "1001", "a whole number from 1 to 1000"),
        ("tap-lucca", "requests_per_minute", "0", "a whole number, 1 or more"),
        ("tap-lucca", "api_key", f"{SECRET} ", "printable ASCII without spaces"),
        ("tap-lucca", "stream_maps", "abc", "a JSON object"),
        ("target-elimity", "timezone", "Paris", "an IANA time zone such as Europe/Paris"),
        ("target-elimity", "contract_type_names", "[]", "a JSON object"),
    ],
)
def test_what_a_setting_must_be(program: str, name: str, value: str, must_be: str) -> None:
    """The message says what the value must be, and names the variable."""
    prefix = f"{program.upper().replace('-', '_')}_"
    values = {f"{prefix}{key.upper()}": str(text) for key, text in {**PROGRAMS[program], name: value}.items()}
    found = run(program, "--config=ENV", env=values)
    refused(found, name)
    assert f"The setting '{name}' must be {must_be}" in found.log
    assert f"(variable {prefix}{name.upper()})" in found.log


def test_flattening_needs_its_depth(sandbox: Sandbox) -> None:
    """Without a depth, the SDK would refuse to flatten with a traceback."""
    sandbox.tap_settings = {"flattening_enabled": True}
    refused(sandbox.tap(), "flattening_max_depth")


@pytest.mark.parametrize(
    "users",
    [
        {"__alias__": None},
        {"__source__": None},
        {"__filter__": None},
        {"__key_properties__": "id"},
        {"__else__": "x"},
        {"mail": ["x"]},
    ],
)
def test_a_stream_map_of_another_form(sandbox: Sandbox, users: dict[str, Any]) -> None:
    """The tap names the setting. The SDK would end with a traceback, or ignore a filter that is null."""
    sandbox.tap_settings = {"stream_maps": {"users": users}}
    refused(sandbox.tap(), "stream_maps")


def test_a_misspelt_setting(tmp_path: Path) -> None:
    """The target refuses a misspelt setting and names the right one. Otherwise, a safeguard could silently be off."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({**TARGET, "max_remove_percent": 5}))
    refused(run("target-elimity", "--config", file), "max_removed_percent")
    refused(
        run("target-elimity", "--config=ENV", env={"TARGET_ELIMITY_MAX_REMOVE_PERCENT": "5"}), "max_removed_percent"
    )


def test_settings_as_platforms_set_them(sandbox: Sandbox) -> None:
    """Empty variables, and those that Meltano and Kubernetes add, don't stop a run."""
    environment = {
        "TAP_LUCCA_HOST": sandbox.lucca_url,
        "TAP_LUCCA_API_KEY": sandbox.lucca.api_key,
        "TAP_LUCCA_REQUESTS_PER_MINUTE": "10000",
        "TAP_LUCCA_FORMER_EMPLOYEES": "",
        "TAP_LUCCA__SELECT": '["*.*"]',
        "TAP_LUCCA_STREAM_MAPS_USERS": "{}",
        "TAP_LUCCA_PORT": "tcp://10.0.0.1:80",
        "TAP_LUCCA_SERVICE_HOST": "10.0.0.1",
    }
    tap = run("tap-lucca", "--config=ENV", env=environment)
    assert len(tap.records("users")) == 250
    folder = sandbox.folder / "output"
    environment = {"TARGET_ELIMITY_SOURCE_ID": "", "TARGET_ELIMITY_URL": "", "TARGET_ELIMITY_OUTPUT_PATH": str(folder)}
    assert run("target-elimity", "--config=ENV", env=environment, text=tap.stdout).exit_code == 0
    assert len(json.loads((folder / "snapshot.json").read_text())["entities"]) == 250
    refused(run("target-elimity", "--config=ENV", "--check", env={"TARGET_ELIMITY_SOURCE_ID": ""}), "source_id")


def test_a_token_needs_its_secret_and_the_source(tmp_path: Path) -> None:
    """An API token needs both its parts, a source id that is a number, and the URL, even in a dry run."""
    file = tmp_path / "settings.json"
    dry = {"output_path": str(tmp_path / "output"), "api_token_id": "1", "api_token_secret": SECRET}
    for settings, name in (
        ({**TARGET, "api_token_secret": SECRET}, "api_token_id"),
        ({**TARGET, **dry, "source_id": "0f8fad5b-d9cb"}, "source_id"),
        ({**dry, "source_id": "1"}, "url"),
    ):
        file.write_text(json.dumps(settings))
        refused(run("target-elimity", "--config", file), name)


@pytest.mark.parametrize("option", ["--config", "--catalog", "--state"])
@pytest.mark.parametrize(
    "content",
    [
        b"null",
        b"[]",
        b"{",
        b'{"streams": 5, "bookmarks": 5}',
        b'{"streams": [{"tap_stream_id": 5}], "bookmarks": {"users": "2020-01-01"}}',
        b'{"streams": [{"tap_stream_id": "x", "schema": {"properties": 5}}], "bookmarks": {"x": {"partitions": 5}}}',
        '{"é": 1}'.encode("latin-1"),
        '{"streams": []}'.encode("utf-16"),
        b"[" * 100_000,
        None,
    ],
)
def test_a_file_of_another_form(tmp_path: Path, option: str, content: bytes | None) -> None:
    """A malformed or missing settings file, catalog or state ends the tap with one line."""
    file, odd = tmp_path / "settings.json", tmp_path / "odd.json"
    file.write_text(json.dumps(TAP))
    if content is not None:
        odd.write_bytes(content)
    tap = run("tap-lucca", "--config", file, option, odd)
    assert tap.exit_code == 1
    assert "Traceback" not in tap.log
    assert len([line for line in tap.log.splitlines() if "| INFO " not in line]) == 1


def shell(command: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run a shell command, which may redirect the streams of its programs."""
    path = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=PATIENCE, env=path, **streams
    )


@pytest.mark.parametrize("redirect", [">&-", "> /dev/full", "| true; exit ${PIPESTATUS[0]}"])
def test_output_that_is_lost(redirect: str) -> None:
    """If its output is lost, the tap exits with 1 and prints no traceback."""
    tap = shell(f"tap-lucca --discover {redirect}")
    assert tap.returncode == 1 or (redirect.startswith("|") and tap.returncode == 0)  # true may have waited
    assert "Traceback" not in tap.stderr
    assert "Exception ignored" not in tap.stderr


def test_input_that_is_closed(tmp_path: Path) -> None:
    """If its input is closed, the target exits with 1 and writes no files."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"output_path": str(tmp_path / "output")}))
    target = shell(f"target-elimity --config {file} <&-")
    assert target.returncode == 1
    assert "Traceback" not in target.stderr
    assert not (tmp_path / "output").exists()


def test_a_log_that_is_closed_hinders_no_import(sandbox: Sandbox) -> None:
    """Everybody arrives, although both logs are closed."""
    tap, target = sandbox.file("tap.json", sandbox.tap_config), sandbox.file("target.json", sandbox.target_config)
    done = shell(f"set -o pipefail; tap-lucca --config {tap} 2>&- | target-elimity --config {target} 2>&-")
    assert done.returncode == 0
    assert len(sandbox.entities) == 250


def test_a_full_disk(sandbox: Sandbox) -> None:
    """If the disk is full (the test limits the size of files), the target fails with one line."""
    messages = sandbox.folder / "messages"
    messages.write_text(sandbox.tap().stdout)
    config = sandbox.file("target.json", {"output_path": str(sandbox.folder / "output")})
    target = shell(f"ulimit -f 4; target-elimity --config {config} < {messages}")
    assert target.returncode == 1
    assert "Traceback" not in target.stderr
    assert "CRITICAL" in target.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("package", "loading"),
    [("tap_lucca", "singer_sdk"), ("target_elimity", "singer_sdk"), ("lucca_gateway", "uvicorn")],
)
def test_an_early_interrupt_is_no_traceback(package: str, loading: str) -> None:
    """Ctrl-C while the program imports a large module ends it like the signal, without a traceback."""
    program = f"""
import os, signal, sys
class Interrupting:
    def find_spec(name, path=None, target=None):
        if name == {loading!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting)
from {package}.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=False)
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr == b""


@pytest.mark.parametrize("content", ["a: [", "version: 1\nhandlers: {x: {class: nope.Nope}}", "7", ""])
def test_a_wrong_logging_configuration(content: str, tmp_path: Path) -> None:
    """The file in the SDK's variable isn't YAML, or isn't a logging configuration: one line names the variable."""
    file = tmp_path / "logging.yml"
    file.write_text(content)
    found = run("target-elimity", "--about", env={"SINGER_SDK_LOG_CONFIG": str(file)})
    assert found.exit_code == 1
    assert "SINGER_SDK_LOG_CONFIG" in found.log
    assert "Traceback" not in found.log


@pytest.mark.parametrize("program", ["tap-lucca", "target-elimity"])
def test_what_a_program_says_about_itself_is_one_line(program: str) -> None:
    """`--about` prints one line of description between name and version, in both forms."""
    assert json.loads(run(program, "--about", "--format=json").stdout)["description"].isprintable()
    name, description, number, *_ = run(program, "--about").stdout.splitlines()
    assert (name, number.split(":")[0]) == (f"Name: {program}", "Version")
    assert description.startswith("Description: Singer ")


@pytest.mark.parametrize("program", ["tap-lucca", "target-elimity"])
def test_a_misspelled_variable_is_refused_although_the_settings_come_from_a_file(program: str, tmp_path: Path) -> None:
    """Meltano passes the settings in a file. A variable that it doesn't know would be ignored silently."""
    file = tmp_path / "settings.json"
    file.write_text("{}")
    variable = f"{program.upper().replace('-', '_')}_MAX_RETRY_SECOND"
    found = run(program, "--config", file, env={variable: "5"})
    assert found.exit_code == 1
    assert variable in found.log
    assert f"{variable}S" in found.log
