"""The temporary database of a run: users, work contracts, employees and baseline are its tables."""

import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import gettempdir
from typing import TypeAlias

from lucca_elimity_kit.errors import ConnectorError

# What RHEL 8 has. Later features are not used: `iif`, `FILTER` of aggregates, `FULL JOIN`, `RETURNING`.
OLDEST_SQLITE = (3, 26)

# A row of a query, by position and by name.
Row: TypeAlias = sqlite3.Row


class DiskError(ConnectorError):
    """The temporary file can't be read or written."""


class Database:
    """An SQLite database for one run.

    Data beyond a few megabytes goes to an unnamed temporary file. The system deletes the file when the process ends,
    even after a crash.
    """

    def __init__(self, tables: str) -> None:
        """Create the tables. All statements run in one transaction, which is never committed.

        Raises:
            ConnectorError: This Python comes with an SQLite that is too old.
            DiskError: There is no temporary folder for the file.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ConnectorError(
                f"This Python uses SQLite {sqlite3.sqlite_version}, but the temporary database needs SQLite "
                f"{'.'.join(map(str, OLDEST_SQLITE))} or later: update the system's SQLite, or use another Python."
            )
        try:
            gettempdir()  # writes a file into it
        except FileNotFoundError:
            raise DiskError(
                "No temporary folder can be written. Make /tmp writable, make room there, or name another folder with "
                "the variable TMPDIR."
            ) from None
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        # Any thread may drop the last reference. When the process ends, the system deletes the file anyway.
        self._finalizer = weakref.finalize(self, self._database.close)
        self._finalizer.atexit = False
        self._database.row_factory = Row
        with _as_disk_error():
            self._database.executescript(f"PRAGMA journal_mode = OFF; BEGIN; {tables}")

    def execute(self, statement: str) -> None:
        """Execute a statement.

        Raises:
            DiskError: The temporary file can't be written.
        """
        with _as_disk_error():
            self._database.execute(statement)

    def insert(self, table: str, columns: int, rows: Iterable[Sequence[object]], *, replace: bool = False) -> None:
        """Insert rows, which are taken one by one. With `replace`, they replace those with the same primary key.

        Raises:
            DiskError: The temporary file can't be written.
            IntegrityError: There is a row with the same primary key.
        """
        statement = f"INSERT {'OR REPLACE ' * replace}INTO {table} VALUES ({', '.join('?' * columns)})"
        with _as_disk_error():
            self._database.executemany(statement, rows)

    def select(self, query: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query.

        Raises:
            DiskError: The temporary file can't be read or written.
        """
        with _as_disk_error():
            # With `yield from`, closing the database before an unfinished query would log an error.
            for row in self._database.execute(query, parameters):  # noqa: UP028
                yield row

    def only(self, query: str, parameters: Sequence[object] = ()) -> Row:
        """Return the only row of a query, such as a count.

        Raises:
            DiskError: The temporary file can't be read or written.
        """
        (row,) = self.select(query, parameters)
        return row

    def close(self) -> None:
        """Delete the file and everything in it."""
        self._finalizer()


@contextmanager
def _as_disk_error() -> Iterator[None]:
    """Turn an error of the temporary file into a DiskError. Any other error of SQLite is a bug."""
    try:
        yield
    except sqlite3.Error as error:
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the other bits tell more about this kind of error
        if kind == sqlite3.SQLITE_FULL:
            message = "The temporary database cannot be written: the disk is full. Make room in the temporary folder"
        elif kind in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT}:
            message = (
                f"The temporary database cannot be used ({error.sqlite_errorname}). Check disk, permissions and limits "
                "of the temporary folder"
            )
        else:
            raise
        raise DiskError(
            f"{message}, or choose another folder with the variable TMPDIR (SQLITE_TMPDIR takes precedence)."
        ) from None
