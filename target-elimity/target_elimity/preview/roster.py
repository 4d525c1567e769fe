"""Stores the employees of this import and of the source as database rows.

Every value is text. Dates and timestamps are ISO 8601: `2026-01-31`, `2026-01-31T08:30:00` (in UTC).
"""

import sqlite3
from collections.abc import Mapping
from datetime import date
from operator import attrgetter
from typing import TypeAlias

from target_elimity.data_model import ATTRIBUTE_TYPES
from target_elimity.database import TemporaryDatabase
from target_elimity.employees import Employee

# An employee: `id`, `name` and the value of each attribute, by field name. None means no value.
Row: TypeAlias = sqlite3.Row

FIELDS = ("id", "name", *(attribute.field for attribute in ATTRIBUTE_TYPES))
# Ids are Lucca's numbers, as text.
ORDER_OF_IDS = "length(id), id"


class Roster(TemporaryDatabase):
    """The tables `employees` (this import) and `previous` (what the source holds)."""

    def __init__(self) -> None:
        columns = ", ".join(f"{field} TEXT" for field in FIELDS if field != "id")
        super().__init__(f"""
            CREATE TABLE employees (id TEXT PRIMARY KEY, {columns}, has_contract INTEGER) WITHOUT ROWID;
            CREATE TABLE previous (id TEXT PRIMARY KEY, {columns}) WITHOUT ROWID;
        """)
        self._database.row_factory = sqlite3.Row
        self._database.create_function("casefold", 1, _casefold, deterministic=True)

    def add(self, employee: Employee, *, has_contract: bool) -> None:
        """Add an employee of this import."""
        values = [None if value is None else _iso(value) for value in _values(employee)]
        self.execute(_INSERT.format("employees", ", ?"), (*values, has_contract))

    def add_previous(self, row: Mapping[str, str]) -> None:
        """Add an employee that the source holds by `id`, `name` and the fields that have a value."""
        self.execute(_INSERT.format("previous", ""), [row.get(field) for field in FIELDS])

    def keep(self, table: str, query: str) -> None:
        """Store the result of a query as a temporary table."""
        self.execute(f"CREATE TEMPORARY TABLE {table} AS {query}")


def _iso(value: str | date) -> str:
    return value if isinstance(value, str) else value.isoformat()[: len("2026-01-31T08:30:00")]


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


_values = attrgetter(*FIELDS)
_INSERT = f"INSERT OR REPLACE INTO {{}} VALUES ({', '.join('?' * len(FIELDS))}{{}})"
