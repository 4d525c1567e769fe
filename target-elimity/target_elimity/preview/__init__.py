"""The preview of an import: the files of a dry run, with who would join, leave and move.

`changes` and `findings` query the temporary database, `report` and `manual_import` format what they find, and `folder`
writes the files. Nothing here decides whether an import takes place.
"""

from target_elimity.preview.changes import Changes
from target_elimity.preview.folder import REPORT, check_folder, write_folder
from target_elimity.preview.report import Report

__all__ = ["REPORT", "Changes", "Report", "check_folder", "write_folder"]
