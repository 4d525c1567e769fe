"""Writes a CSV file for *Import from CSV* in a source's Imports tab, for a first import by hand.

The format: https://support.elimity.com/hc/en-us/articles/6839654667538.
"""

import csv
from io import TextIOWrapper
from typing import BinaryIO

from target_elimity.data_model import ATTRIBUTE_TYPES, ENTITY_TYPE
from target_elimity.preview.roster import FIELDS, ORDER_OF_IDS, Roster

COLUMNS = [f"{ENTITY_TYPE}: {column}" for column in ("id", "name", *(attribute.id for attribute in ATTRIBUTE_TYPES))]
_DATES = [number for number, attribute in enumerate(ATTRIBUTE_TYPES, start=2) if attribute.type != "string"]


def write_csv(roster: Roster, file: BinaryIO) -> None:
    """Write the employees of a roster: dates as `2026/01/31`, timestamps as `2026/01/31 08:30:00` in UTC."""
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in roster.select(f"SELECT {', '.join(FIELDS)} FROM employees ORDER BY {ORDER_OF_IDS}"):
        # Many programs don't accept a text file with a NUL character.
        values = [value and value.replace("\0", "\ufffd") for value in row]
        for number in _DATES:
            if values[number] is not None:
                values[number] = values[number].replace("-", "/").replace("T", " ")
        writer.writerow(values)
    text.detach()
