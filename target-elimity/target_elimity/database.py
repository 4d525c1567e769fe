"""Where a run keeps the people of a company, rather than in memory."""

from __future__ import annotations

import sqlite3
import weakref
from typing import TYPE_CHECKING, Any

from lucca_elimity_kit.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class DiskError(ConnectorError):
    """The temporary file can't be read or written."""


class TemporaryDatabase:
    """An SQLite database for one run.

    SQLite keeps what does not fit into a few megabytes of memory in an unnamed temporary file. The file is gone when
    the process ends, however it ends.
    """

    def __init__(self, tables: str) -> None:
        """Create the tables. All statements are part of one transaction, which is never committed."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Whichever thread drops the last reference closes it. At the end of the process the file is gone anyway.
        self._finalizer = weakref.finalize(self, self._database.close)
        self._finalizer.atexit = False
        self._database.executescript(f"PRAGMA journal_mode = OFF; BEGIN; {tables}")

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> None:
        """Execute a statement.

        Raises:
            DiskError: The temporary file cannot be written.
        """
        try:
            self._database.execute(statement, parameters)
        except sqlite3.OperationalError:
            raise _disk_error() from None

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute a statement once for each row.

        Raises:
            DiskError: The temporary file cannot be written.
        """
        try:
            self._database.executemany(statement, rows)
        except sqlite3.OperationalError:
            raise _disk_error() from None

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[Any]:
        """Yield what a query finds, row by row.

        Raises:
            DiskError: The temporary file cannot be read or written.
        """
        try:
            # With `yield from`, a query that is given up would end with a complaint if the database is closed by then.
            for row in self._database.execute(query, parameters):  # noqa: UP028
                yield row
        except sqlite3.OperationalError:
            raise _disk_error() from None

    def close(self) -> None:
        """Delete the file and everything in it."""
        self._finalizer()


def _disk_error() -> DiskError:
    return DiskError(
        "The temporary database cannot be written. Make room on the disk of the temporary folder, or choose another "
        "folder with the variable TMPDIR (SQLITE_TMPDIR takes precedence)."
    )
