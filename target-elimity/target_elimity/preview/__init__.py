"""What people look at before an import: the files of a dry run, and who joined, left and moved since an earlier one.

`roster` holds the employees; `changes` and `findings` look into it; `report` and `manual_import` write it down, and
`folder` puts the files where they belong. Nothing here decides whether an import takes place.
"""

from target_elimity.preview.preview import Preview

__all__ = ["Preview"]
