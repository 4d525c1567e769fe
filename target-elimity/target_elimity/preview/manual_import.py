"""Writes a CSV file for *Import from CSV* in a source's Imports tab, for a first import by hand.

The format: https://support.elimity.com/hc/en-us/articles/6839654667538.
"""

import csv
from io import TextIOWrapper
from typing import BinaryIO

from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE
from target_elimity.employees import COLUMNS, Employees

_HEADER = [f"{ENTITY_TYPE}: {column}" for column in COLUMNS]
_DATES = [number for number, attribute in enumerate(ATTRIBUTES, start=2) if attribute.type != "string"]


def write_csv(employees: Employees, file: BinaryIO) -> None:
    """Write the employees: dates as `2026/01/31`, timestamps as `2026/01/31 08:30:00` in UTC."""
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for employee in employees:
        # Many programs don't accept a text file with a NUL character.
        values = [value and value.replace("\0", "\ufffd") for value in (employee.id, employee.name, *employee.values)]
        for number in _DATES:
            if value := values[number]:
                values[number] = value.replace("-", "/").replace("T", " ")
        writer.writerow(values)
    text.detach()
