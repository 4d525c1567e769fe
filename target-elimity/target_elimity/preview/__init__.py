"""The preview of an import: the files of a dry run, with who would join, leave and move.

`roster` holds the employees. `changes` and `findings` query it, `report` and `manual_import` format it, and `folder`
writes the files. Nothing here decides whether an import takes place.
"""

from target_elimity.preview.preview import Preview

__all__ = ["Preview"]
