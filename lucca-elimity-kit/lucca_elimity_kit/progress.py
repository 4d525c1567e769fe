"""Logs the progress of a program: one live line on a terminal, plain lines in a log."""

import atexit
import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress

SECONDS_BETWEEN = 3.0
# Moves to the beginning of the line and erases it, even if another program wrote it.
EMPTY_LINE = "\r\x1b[K"


class Progress:
    """Logs the progress at most every few seconds. A short run logs nothing.

    The live line begins with the logger's name, because two programs may share a terminal.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._reported = clock()
        self._live = sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)
        if self._live:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._make_room)
            atexit.register(self.clear)

    def report(self, what: str, done: int, total: int | None = None) -> None:
        """Log a line such as `users: 3,000 of 12,345 (24 %)`, unless the last one is too recent."""
        now = self._clock()
        if now - self._reported < SECONDS_BETWEEN:
            return
        self._reported = now
        line = f"{what}: {done:,}"
        if total:
            line += f" of {total:,} ({min(100 * done // total, 100)} %)"
        if self._live:
            self._write(f"{EMPTY_LINE}{self._logger.name} | {line}")
        else:
            self._logger.info(line)

    def clear(self) -> None:
        """Erase the live line, if there is one."""
        if self._live:
            self._write(EMPTY_LINE)

    def _make_room(self, _: logging.LogRecord) -> bool:
        """Erase the live line before a log line. The handlers call this as a filter; every record passes."""
        self.clear()
        return True

    @staticmethod
    def _write(text: str) -> None:
        # The terminal may be closed, or a signal handler may interrupt a write. Neither may end an import.
        with suppress(OSError, RuntimeError):
            sys.stderr.write(text)
            sys.stderr.flush()
