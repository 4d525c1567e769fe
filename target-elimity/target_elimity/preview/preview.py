"""Collects the employees of an import, compares them with earlier ones, and writes the files of a dry run."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from target_elimity.employees import Employee
from target_elimity.imports import Verdict
from target_elimity.preview.changes import Changes, Counts
from target_elimity.preview.folder import REPORT, check_folder, write_folder
from target_elimity.preview.previous_snapshot import read_employees
from target_elimity.preview.report import Content
from target_elimity.preview.roster import Roster


class Preview:
    """The preview of one import."""

    def __init__(self, folder: Path | None, previous_snapshot: Path | None, *, compares_with_source: bool) -> None:
        """Prepare a preview. A dry run has a folder.

        The import is compared with a previous snapshot, or with what the source holds if the caller adds that.
        """
        self._compares_with_source = compares_with_source
        self._folder = folder
        self._previous_snapshot = previous_snapshot
        self._roster = Roster()

    def close(self) -> None:
        """Delete what was collected."""
        self._roster.close()

    def start(self) -> None:
        """Check the folder, and read the snapshot to compare with.

        Raises:
            SettingsError: The folder can't be written, or the snapshot can't be read.
        """
        if self._folder:
            check_folder(self._folder)
        if self._previous_snapshot:
            self._roster.add_previous(read_employees(self._previous_snapshot))

    def add_previous(self, employees: Iterable[Mapping[str, str]]) -> None:
        """Add the employees to compare with; see `Roster.add_previous`."""
        self._roster.add_previous(employees)

    def add(self, employee: Employee, *, has_contract: bool) -> None:
        """Add an employee of this import."""
        self._roster.add(employee, has_contract=has_contract)

    def write(self, snapshot: BinaryIO, verdict: Verdict, moment: datetime) -> None:
        """Write the files of a dry run. The snapshot is JSON. The moment has the zone that decides who is active.

        Raises:
            OSError: A file can't be written.
        """
        if self._folder:
            since = "what the source holds" if self._compares_with_source else "the previous snapshot"
            write_folder(self._folder, snapshot, Content(self._roster, self._changes, since, verdict, moment))

    @property
    def report_path(self) -> str:
        """The name and folder of the report, for messages."""
        return f"{REPORT} in {self._folder}"

    @property
    def change_counts(self) -> Counts | None:
        """How many joined, left and moved, if there is something to compare with."""
        return self._changes.counts if self._changes else None

    @cached_property
    def _changes(self) -> Changes | None:
        """The changes. Use it only after all employees were added."""
        return Changes(self._roster) if self._previous_snapshot or self._compares_with_source else None
