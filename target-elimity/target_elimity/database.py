"""A temporary database on disk for the data of a run."""

import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from lucca_elimity_kit.errors import ConnectorError


class DiskError(ConnectorError):
    """The temporary file can't be read or written."""


class TemporaryDatabase:
    """An SQLite database for one run.

    Data beyond a few megabytes goes to an unnamed temporary file. The system deletes the file when the process ends,
    even after a crash.
    """

    def __init__(self, tables: str) -> None:
        """Create the tables. All statements run in one transaction, which is never committed."""
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Any thread may drop the last reference. When the process ends, the system deletes the file anyway.
        self._finalizer = weakref.finalize(self, self._database.close)
        self._finalizer.atexit = False
        self._database.executescript(f"PRAGMA journal_mode = OFF; BEGIN; {tables}")

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> None:
        """Execute a statement.

        Raises:
            DiskError: The temporary file can't be written.
        """
        try:
            self._database.execute(statement, parameters)
        except sqlite3.OperationalError:
            raise _disk_error() from None

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[Any]:
        """Yield the rows of a query.

        Raises:
            DiskError: The temporary file can't be read or written.
        """
        try:
            # With `yield from`, closing the database before an unfinished query would log an error.
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
