"""Runs a program: an error that was foreseen is one line on the standard error and an exit code."""

# ruff: noqa: E402
from __future__ import annotations

import signal

# Until the program sets its own handler: Ctrl-C while modules are loaded, which takes its time, is no traceback.
# Only what starts a program imports this module, and before any other.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import errno
import logging
import os
import sqlite3
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from lucca_elimity_kit.errors import ConnectorError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

STANDARD_STREAMS = (0, 1, 2)


def run(program: str, start: Callable[[], int], *, wrong_settings: int = 1) -> NoReturn:
    """Run a program to its end.

    Args:
        program: Its name.
        start: Imports what the program needs, runs it, and returns its exit code.
        wrong_settings: The exit code if a setting is wrong.
    """
    _keep_standard_streams()
    try:
        exit_code = _run(program, start, wrong_settings)
    finally:
        _abandon_broken_streams()
    sys.exit(exit_code)


def _run(program: str, start: Callable[[], int], wrong_settings: int) -> int | str | None:
    try:
        if sys.stdout is None:
            raise ConnectorError("The standard output is closed. Redirect it to a file or a program.")  # noqa: TRY301
        try:
            exit_code: int | str | None = start()
        except SystemExit as ended:
            exit_code = ended.code
        sys.stdout.flush()
    except SettingsError as error:
        _tell(program, str(error))
        return wrong_settings
    except ConnectorError as error:
        _tell(program, str(error))
    except OSError as error:
        _tell(program, f"{_reason(error)}. Check disk, temporary folder, network and where the output goes.")
    except sqlite3.Error:
        _tell(program, "The temporary database can't be used. Check the space in the temporary folder (TMPDIR).")
    except Exception as error:  # noqa: BLE001 - a mistake of ours: told as such, but without what it may quote
        _tell_of_bug(program, error)
    else:
        return exit_code
    return 1


def _keep_standard_streams() -> None:
    """Put the null device where a standard stream is closed, so that no file or socket takes its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) in STANDARD_STREAMS:  # it takes the lowest that is free
        pass
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the program runs


def _abandon_broken_streams() -> None:
    """Let what can't be written any more go, or Python would tell of it when the program ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not _can_flush(stream):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _tell(program: str, message: str) -> None:
    if logging.getLogger().handlers:
        logging.getLogger(program).critical("%s", message)
    else:
        with suppress(OSError):  # the exit code tells, too
            sys.stderr.write(f"{program}: {message}\n")


def _tell_of_bug(program: str, error: Exception) -> None:
    """Show where an error comes from, and its type; what it says may quote secrets or people."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    _tell(program, f"This is a bug, please report it.\nTraceback (most recent call last):\n{trace}{_name(error)}")


def _reason(error: OSError) -> str:
    """Return why the system refused something, in its own words; those of libraries may quote anything."""
    if error.errno is not None and error.errno in errno.errorcode:
        return f"The system refused to read or write: {os.strerror(error.errno)}"
    return f"The system or the network failed ({_name(error)})"


def _name(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
