"""Collects the employees of an import, compares them with earlier ones, and writes the files of a dry run."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from target_elimity.imports import Verdict
from target_elimity.preview.changes import Changes, Counts
from target_elimity.preview.folder import REPORT, check_folder, write_folder
from target_elimity.preview.previous_snapshot import read_employees
from target_elimity.preview.report import Content
from target_elimity.preview.roster import Roster


class Preview(Roster):
    """The preview of one import. A dry run has a folder.

    The import is compared with a previous snapshot, or with what the source holds if the caller adds that.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self._compares_with_source = "api_token_id" in config
        self._folder = Path(config["output_path"]) if "output_path" in config else None
        self._previous_snapshot = config.get("previous_snapshot")

    def start(self) -> None:
        """Check the folder, and read the snapshot to compare with.

        Raises:
            SettingsError: The folder can't be written, or the snapshot can't be read.
        """
        if self._folder:
            check_folder(self._folder)
        if self._previous_snapshot:
            for employee in read_employees(Path(self._previous_snapshot)):
                self.add_previous(employee)

    def write(self, snapshot: BinaryIO, verdict: Verdict, moment: datetime) -> None:
        """Write the files of a dry run. The snapshot is JSON. The moment has the zone that decides who is active.

        Raises:
            OSError: A file can't be written.
        """
        if self._folder:
            since = "what the source holds" if self._compares_with_source else "the previous snapshot"
            write_folder(self._folder, snapshot, Content(self, self._changes, since, verdict, moment))

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
        return Changes(self) if self._previous_snapshot or self._compares_with_source else None
