"""Writes the files of a dry run into its folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from lucca_elimity_kit.errors import ConnectorError, SettingsError

from target_elimity.preview.changes import write_changes
from target_elimity.preview.manual_import import write_csv
from target_elimity.preview.report import Report, write_report
from target_elimity.snapshot import write_json

SNAPSHOT, REPORT, CSV, CHANGES = "snapshot.json", "report.html", "employees.csv", "changes.json"


def check_folder(folder: Path) -> None:
    """Check that the files of a dry run can be written into the folder, or that it can be created.

    Raises:
        SettingsError: They can't.
    """
    try:
        nearest = next(path for path in (folder, *folder.parents) if _exists(path))
        with TemporaryFile(dir=nearest):
            is_usable = not any((folder / name).is_dir() for name in (SNAPSHOT, REPORT, CSV, CHANGES))
    except (OSError, ValueError):
        is_usable = False
    if not is_usable:
        raise SettingsError(
            "The setting 'output_path' names a folder that can't be created or written. Check its path and permissions."
        )


def _exists(path: Path) -> bool:
    try:
        path.lstat()  # `exists` tells a path that can't exist from one that doesn't only before Python 3.14
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write_folder(folder: Path, report: Report) -> None:
    """Write the files of a dry run. They replace those of an earlier one once all are written.

    If the folder doesn't exist, it is created with access for its owner only.

    Raises:
        ConnectorError: Another run writes into the folder.
        OSError: A file can't be written. The earlier files are unchanged.
    """
    writers: dict[str, Callable[[BinaryIO], object]] = {
        SNAPSHOT: lambda file: write_json(report.employees, file),
        REPORT: lambda file: write_report(report, file),
        CSV: lambda file: write_csv(report.employees, file),
    }
    if changes := report.changes:
        writers[CHANGES] = lambda file: write_changes(changes, file)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(folder):
        partial = {name: folder / f"{name}.partial" for name in writers}
        try:
            for name, write in writers.items():
                partial[name].unlink(missing_ok=True)
                with partial[name].open("xb") as file:  # fails on a symbolic link instead of following it
                    write(file)
            for name in writers:
                partial[name].replace(folder / name)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
        if not changes:  # an earlier run's file would look like this run's
            (folder / CHANGES).unlink(missing_ok=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other runs from writing into the folder, where the system can. It unlocks the folder even after a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise ConnectorError(
                "Another run is writing its files into the folder of 'output_path'. Wait until it has ended and repeat "
                "this one, or choose another folder."
            ) from None
        except OSError:
            pass  # NFS can't lock folders: https://man7.org/linux/man-pages/man2/flock.2.html
        yield
    finally:
        os.close(descriptor)
