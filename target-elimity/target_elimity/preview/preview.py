"""Collects the employees of a dry run, compares them with what the source holds, and writes the files."""

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from target_elimity.imports import Verdict
from target_elimity.preview.changes import Changes, Counts
from target_elimity.preview.folder import REPORT, check_folder, write_folder
from target_elimity.preview.report import Content
from target_elimity.preview.roster import Roster


class Preview(Roster):
    """The preview of one import. It is compared with what the source holds, if there is an API token."""

    def __init__(self, folder: Path, *, compares_with_source: bool) -> None:
        super().__init__()
        self._compares_with_source = compares_with_source
        self._folder = folder

    def start(self) -> None:
        """Check the folder.

        Raises:
            SettingsError: It can't be written.
        """
        check_folder(self._folder)

    def write(self, snapshot: BinaryIO, verdict: Verdict, moment: datetime) -> None:
        """Write the files of a dry run. The snapshot is JSON. The moment has the zone that decides who is active.

        Raises:
            OSError: A file can't be written.
        """
        write_folder(self._folder, snapshot, Content(self, self._changes, verdict, moment))

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
        return Changes(self) if self._compares_with_source else None
