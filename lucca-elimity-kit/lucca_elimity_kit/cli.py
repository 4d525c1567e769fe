"""Runs a program. An expected error becomes one line on standard error and an exit code."""

# ruff: noqa: E402
import signal

# Loading the modules takes a while. Until the program sets its own handler, Ctrl-C must not print a traceback.
# Only the entry points import this module, and they import it first.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import errno
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pkgutil import resolve_name
from typing import NoReturn, cast

from lucca_elimity_kit.errors import ConnectorError, SettingsError

STANDARD_STREAMS = (0, 1, 2)


def run(program: str, function: str, *, wrong_settings: int = 1) -> NoReturn:
    """Run a function that returns an exit code, such as `tap_lucca.tap:TapLucca.run`, and exit with this code.

    If a setting is wrong, exit with `wrong_settings`. After any other error, exit with 1.
    """
    _keep_standard_streams()
    _write_all_output()
    try:
        exit_code = _run(program, function, wrong_settings)
    finally:
        _discard_unwritable_output()
    sys.exit(exit_code)


def _run(program: str, function: str, wrong_settings: int) -> int | str | None:
    try:
        if sys.stdout is None:
            raise ConnectorError("The standard output is closed. Redirect it to a file or a program.")  # noqa: TRY301
        try:
            exit_code: int | str | None = _load(function)()
        except SystemExit as ended:
            exit_code = ended.code
        sys.stdout.flush()
    except SettingsError as error:
        _report(program, str(error))
        return wrong_settings
    except ConnectorError as error:
        _report(program, str(error))
    except OSError as error:
        _report(
            program,
            f"{_reason(error)}. Check the disk, the temporary folder, the network and the destination of the output.",
        )
    except ImportError as error:
        _report(
            program,
            f"The module {error.name!r} can't be imported. Install {program} again with its dependencies. If the "
            "module belongs to Python, as '_sqlite3' does, use a Python that was built with it.",
        )
    except Exception as error:  # noqa: BLE001 - a bug; the report leaves out the error's text
        _report_bug(program, error)
    else:
        return exit_code
    return 1


def _load(function: str) -> Callable[[], int]:
    """Import a function without garbage collection. Later collections skip the modules, which makes a run faster."""
    gc.disable()
    loaded: Callable[[], int] = resolve_name(function)
    gc.freeze()
    gc.enable()
    return loaded


def _keep_standard_streams() -> None:
    """Open the null device for each closed standard stream. Otherwise a file or socket would get its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) in STANDARD_STREAMS:  # open() takes the lowest free number
        pass
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open until the program ends


def _write_all_output() -> None:
    """Make sure that a write to the standard output takes everything. A raw or non-blocking stream may take a part."""
    if sys.stdout is None:
        return
    with suppress(OSError):  # the system may refuse it for a special file; a write that takes a part then fails
        os.set_blocking(sys.stdout.fileno(), True)
    if isinstance(sys.stdout.buffer, io.RawIOBase):  # with PYTHONUNBUFFERED
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        raw = cast("io.RawIOBase", sys.stdout.detach())
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors)


def _discard_unwritable_output() -> None:
    """Discard output that can no longer be written. Otherwise Python prints an error when the program ends."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError):
            stream.flush()
            continue
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _report(program: str, message: str) -> None:
    if logging.getLogger().handlers:
        logging.getLogger(program).critical("%s", message)
    else:
        with suppress(OSError):  # the exit code reports the failure, too
            sys.stderr.write(f"{program}: {message}\n")


def _report_bug(program: str, error: Exception) -> None:
    """Report the traceback and the type of an error, but not its text, which may quote secrets or personal data."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    _report(program, f"This is a bug, please report it.\nTraceback (most recent call last):\n{trace}{_name(error)}")


def _reason(error: OSError) -> str:
    """Return the system's text for its error number. The text of a library may quote anything."""
    if error.errno is not None and error.errno in errno.errorcode:
        return f"The system refused to read or write: {os.strerror(error.errno)}"
    return f"The system or the network failed ({_name(error)})"


def _name(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
