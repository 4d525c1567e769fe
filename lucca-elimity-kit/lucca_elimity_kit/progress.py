"""How far a program is, told every few seconds: as one live line on a terminal, as plain lines in a log."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_BETWEEN = 3.0
# To the beginning of the line, and erase it: whatever stands there, be it another program's.
EMPTY_LINE = "\r\x1b[K"


class Progress:
    """Tells how far a program is, never more often than every few seconds; so a short run tells nothing."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the first interval.

        Args:
            logger: Writes the plain lines; its name stands before the live line, which two programs may share.
            clock: Seconds that only grow.
        """
        self._logger = logger
        self._clock = clock
        self._told = clock()
        self._live = sys.stderr.isatty() and logger.isEnabledFor(logging.INFO)
        if self._live:
            for handler in logging.getLogger().handlers:
                handler.addFilter(self._make_room)
            atexit.register(self.clear)

    def tell(self, what: str, done: int, total: int | None = None) -> None:
        """Tell that this many are done, of so many if that is known: `users: 3,000 of 12,345 (24 %)`."""
        now = self._clock()
        if now - self._told < SECONDS_BETWEEN:
            return
        self._told = now
        line = f"{what}: {done:,}"
        if total:
            line += f" of {total:,} ({min(100 * done // total, 100)} %)"
        if self._live:
            self._write(f"{EMPTY_LINE}{self._logger.name} | {line}")
        else:
            self._logger.info(line)

    def clear(self) -> None:
        """Take the live line away; without a terminal there is none."""
        if self._live:
            self._write(EMPTY_LINE)

    def _make_room(self, _: logging.LogRecord) -> bool:
        """Clear the line before a log line is written there; as a filter of the handlers it lets all of them pass."""
        self.clear()
        return True

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
