"""Where a run keeps the people of a company, rather than in memory."""

from __future__ import annotations

import sqlite3
import weakref


class TemporaryDatabase:
    """A database of SQLite for one run.

    What does not fit into a few megabytes of memory is kept in an unnamed temporary file, which is gone when the
    process ends, however it ends.
    """

    def __init__(self, tables: str) -> None:
        """Create these tables; all that is done to them is one transaction, which is never committed."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # From whichever thread drops it last; at the end of the process the file is gone anyway.
        self._finalizer = weakref.finalize(self, self._database.close)
        self._finalizer.atexit = False
        self._database.executescript(f"PRAGMA journal_mode = OFF; BEGIN; {tables}")

    def close(self) -> None:
        """Let go of the file, and of all that is in it."""
        self._finalizer()
