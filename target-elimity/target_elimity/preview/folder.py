"""Writes the files of a dry run into its folder."""

from __future__ import annotations

import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from lucca_elimity_kit.errors import SettingsError

from target_elimity.preview.changes import write_changes
from target_elimity.preview.manual_import import write_csv
from target_elimity.preview.report import Content, write_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SNAPSHOT, REPORT, CSV, CHANGES = "snapshot.json", "report.html", "employees.csv", "changes.json"


def prepare_folder(folder: Path) -> None:
    """Create the folder with access for its owner only, unless it exists. Check that files can be written there.

    Raises:
        SettingsError: They can't.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        if any((folder / name).is_dir() for name in (SNAPSHOT, REPORT, CSV, CHANGES)):
            raise IsADirectoryError
    except (OSError, ValueError):
        raise SettingsError(
            "The setting 'output_path' names a folder that can't be created or written. Check its path and permissions."
        ) from None


def write_folder(folder: Path, snapshot: BinaryIO, preview: Content) -> None:
    """Write the files of a dry run. They replace those of an earlier one once all are written.

    Args:
        folder: The folder, which exists.
        snapshot: The snapshot that an import would upload, as JSON.
        preview: The content of the other files.

    Raises:
        OSError: A file can't be written. The earlier files are unchanged.
    """
    snapshot.seek(0)
    writers: dict[str, Callable[[BinaryIO], object]] = {
        SNAPSHOT: lambda file: shutil.copyfileobj(snapshot, file),
        REPORT: lambda file: write_report(preview, file),
        CSV: lambda file: write_csv(preview.roster, file),
    }
    if changes := preview.changes:
        writers[CHANGES] = lambda file: write_changes(changes, file)
    partial = {name: folder / f"{name}.partial" for name in writers}
    try:
        for name, write in writers.items():
            partial[name].unlink(missing_ok=True)
            with partial[name].open("xb") as file:  # it must not write through somebody's link
                write(file)
        for name in writers:
            partial[name].replace(folder / name)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    if not changes:  # an earlier run's file would look like this run's
        (folder / CHANGES).unlink(missing_ok=True)
