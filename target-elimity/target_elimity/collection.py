"""Collects the two streams of an import in the temporary database, and joins them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from msgspec import UNSET

from target_elimity.database import Database
from target_elimity.records import (
    RECORD_TYPES,
    REQUIRED_FIELDS,
    USERS,
    WORK_CONTRACTS,
    User,
    WorkContract,
    read_record,
    read_schema,
)

RECORDS_TABLES = """
    CREATE TABLE users (id INTEGER PRIMARY KEY, record BLOB);
    CREATE TABLE work_contracts (id INTEGER PRIMARY KEY, record BLOB, owner INTEGER);
"""
_COLUMNS = {USERS: 2, WORK_CONTRACTS: 3}
# Inserting each record by itself would take a third of the target's time.
_RECORDS_AT_ONCE = 500
_NEEDED_FOR = {
    USERS: "leavers would look active",
    WORK_CONTRACTS: "it is unknown whose contract it is, or which contract counts",
}


class Collection:
    """The users and work contracts of one import."""

    def __init__(self, database: Database) -> None:
        """Collect into the tables `users` and `work_contracts` of a database."""
        self.announced: dict[str, set[str]] = {}
        """By stream: the fields of its schemas."""
        self.received: Counter[str] = Counter()
        """By stream: how many records were added, including repeated ones."""
        self.shown_fields: set[str] = set()
        """The fields of users that at least one user has, even as null. Embedded fields are named `department.code`."""
        self._unseen: set[str] = set()
        self._database = database
        self._lacking: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[str, list[tuple[object, ...]]] = {stream: [] for stream in RECORD_TYPES}

    def schema_received(self, stream: str, schema: Mapping[str, Any]) -> None:
        """Check the schema of a stream.

        Raises:
            ConnectorError: Its records can't be imported.
        """
        # A later schema takes nothing back: the records before it were read by the earlier one.
        announced = self.announced.setdefault(stream, set())
        announced |= read_schema(stream, schema)
        if stream == USERS:
            self._unseen = announced - self.shown_fields

    def add(self, stream: str, record: Mapping[str, object]) -> None:
        """Add a record. It replaces an earlier one with the same id.

        Raises:
            ConnectorError: A field has another type than expected.
        """
        row = read_record(stream, record)
        self.received[stream] += 1
        for field in REQUIRED_FIELDS[stream]:
            if getattr(row, field) is UNSET:
                self._lacking[stream, field] += 1
        waiting = self._waiting[stream]
        if isinstance(row, User):
            # After a few users, only the fields that Lucca hides are left to look for.
            if found := [field for field in self._unseen if _has(record, field)]:
                self.shown_fields.update(found)
                self._unseen.difference_update(found)
            waiting.append((row.id, _encode(row)))
        else:
            waiting.append((row.id, _encode(row), None if row.ownerId is UNSET else row.ownerId))
        if len(waiting) == _RECORDS_AT_ONCE:
            self._insert(stream)

    def check(self) -> None:
        """Check that every record has the fields from which status and contract are derived.

        Raises:
            ConnectorError: There are no users, or records lack a field.
        """
        if absent := [stream for stream in RECORD_TYPES if stream not in self.announced]:
            raise ConnectorError(
                f"The stream '{absent[0]}' never came: select it in the tap's catalog, or remove the stream map or "
                "mapper that drops it."
            )
        if not self.rows(USERS):
            raise ConnectorError("Lucca shows no user to this API key: check the rights of its role.")
        problems = [
            f"{count} of {self.rows(stream)} records of the stream '{stream}' lack '{name}'. "
            f"Without it {_NEEDED_FOR[stream]}. Give the role of the API key the right to see it."
            for (stream, name), count in self._lacking.items()
        ]
        if problems:
            raise ConnectorError(" ".join(problems))

    def people(self) -> Iterator[tuple[User, list[WorkContract]]]:
        """Yield every user, in the order of their ids, with their work contracts."""
        self._insert(*RECORD_TYPES)
        self._database.execute("CREATE INDEX IF NOT EXISTS contracts_by_owner ON work_contracts (owner)")
        rows = self._database.select(
            "SELECT users.id, users.record, work_contracts.record FROM users "
            "LEFT JOIN work_contracts ON work_contracts.owner = users.id ORDER BY users.id, work_contracts.id"
        )
        for _, group in groupby(rows, key=lambda row: row[0]):
            pairs = list(group)  # without contracts, one pair with None
            yield _decode_user(pairs[0][1]), [_decode_contract(row) for _, _, row in pairs if row is not None]

    @property
    def hidden_fields(self) -> list[str]:
        """The fields of users that no user has, because Lucca silently omits those that the API key may not see.

        Fields of an embedded object count only if at least one such object arrived.
        """
        parents = {field.partition(".")[0] for field in self.shown_fields if "." in field}
        return sorted(field for field in self._unseen if "." not in field or field.partition(".")[0] in parents)

    def rows(self, stream: str) -> int:
        """Return the number of distinct records of a stream."""
        self._insert(stream)
        return int(self._database.only(f"SELECT count(*) FROM {stream}")[0])

    def ownerless_contracts(self) -> int:
        """Return the number of work contracts whose owner is no user of this import."""
        query = "SELECT count(*) FROM work_contracts WHERE owner IS NULL OR owner NOT IN (SELECT id FROM users)"
        return int(self._database.only(query)[0])

    def _insert(self, *streams: str) -> None:
        """Insert the records that wait."""
        for stream in streams:
            self._database.insert(stream, _COLUMNS[stream], self._waiting[stream], replace=True)
            self._waiting[stream].clear()


def _has(user: Mapping[str, object], field: str) -> bool:
    name, dot, embedded = field.partition(".")
    if not dot:
        return name in user
    value = user.get(name)
    return any(isinstance(item, dict) and embedded in item for item in (value if isinstance(value, list) else (value,)))


_encode = msgspec.msgpack.Encoder().encode
_decode_user = msgspec.msgpack.Decoder(User).decode
_decode_contract = msgspec.msgpack.Decoder(WorkContract).decode
