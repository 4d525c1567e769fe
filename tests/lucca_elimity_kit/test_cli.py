"""How a program ends: an expected error is one line, whatever its origin."""

import subprocess
import sys

import pytest

from tests.harness import PATIENCE

SECRET = "Xq7-s3cret"


def run_program(body: str, redirect: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program whose function has this body, with its streams redirected by a shell."""
    indented = body.replace("\n", "\n    ")
    program = (
        f"from lucca_elimity_kit.cli import run\ndef start():\n    {indented}\n    return 0\n"
        "run('program', '__main__:start', wrong_settings=2)"
    )
    return subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("raised", "exit_code"),
    [
        ("from lucca_elimity_kit.errors import ConnectorError as E\nraise E('what went wrong')", 1),
        ("from lucca_elimity_kit.errors import SettingsError as E\nraise E('what went wrong')", 2),
        (f"open('/nowhere/{SECRET}')", 1),
        ("import errno\nraise OSError(errno.ENOSPC, 'no space')", 1),
        ("import sys\nsys.modules['_sqlite3'] = None\nimport sqlite3", 1),
        (f"import requests\nraise requests.ConnectionError('{SECRET}')", 1),
    ],
)
def test_an_error_that_was_foreseen(raised: str, exit_code: int) -> None:
    """The program logs one line, without a traceback and without a library's text."""
    ended = run_program(raised)
    assert ended.returncode == exit_code
    assert ended.stderr.startswith("program: ")
    assert len(ended.stderr.splitlines()) == 1
    assert SECRET not in ended.stderr


def test_a_bug_shows_where_it_is() -> None:
    """A bug gives a traceback without the message of the exception, which may quote anything."""
    ended = run_program(f"secret = '{SECRET[:3]}' + '{SECRET[3:]}'\n{{}}[secret]")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "KeyError" in ended.stderr
    assert SECRET not in ended.stderr


@pytest.mark.parametrize(
    ("redirect", "exit_code"),
    [(">&-", 1), ("> /dev/full", 1), ("<&-", 0), ("2>&-", 0), ("2> /dev/full", 0), ("<&- 2>&-", 0)],
)
def test_streams_that_are_closed_or_full(redirect: str, exit_code: int) -> None:
    """Lost output is an error in one line; a lost log isn't an error. No file gets the number of a closed stream."""
    ended = run_program("print('x' * 99)\nassert open('/dev/null').fileno() > 2", redirect)
    assert ended.returncode == exit_code
    assert len(ended.stderr.splitlines()) == exit_code


def test_a_reader_that_goes_away() -> None:
    """If the reader of a pipe goes away, the program exits non-zero."""
    ended = run_program("print('x\\\\n' * 1_000_000)", "| true; exit ${PIPESTATUS[0]}")
    assert ended.returncode in {1, 127}


def test_exit_codes_pass() -> None:
    """The shell sees the exit code of the program."""
    assert run_program("return 3").returncode == 3
    assert run_program("import sys\nsys.exit(143)").returncode == 143
