"""Stores the two streams of an import in a temporary database and joins them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter

import msgspec
from msgspec import UNSET

from target_elimity.database import TemporaryDatabase
from target_elimity.fields import FieldsSeen
from target_elimity.records import REQUIRED_FIELDS, USERS, User, WorkContract, read_record


class Collection(TemporaryDatabase):
    """The users and work contracts of one import."""

    def __init__(self) -> None:
        super().__init__("""
            CREATE TABLE users (id INTEGER PRIMARY KEY, record BLOB);
            CREATE TABLE work_contracts (id INTEGER PRIMARY KEY, owner INTEGER, record BLOB);
        """)
        self.lacking: Counter[tuple[str, str]] = Counter()
        """By stream and required field: how many records lack the field."""
        self.received: Counter[str] = Counter()
        """By stream: how many records were added, including repeated ones."""
        self.user_fields = FieldsSeen()
        """Which fields of users have arrived."""

    def add(self, stream: str, record: Mapping[str, object]) -> None:
        """Add a record. It replaces an earlier one with the same id.

        Raises:
            UnusableStreamError: A field has another type than expected.
        """
        row = read_record(stream, record)
        self.received[stream] += 1
        for field in REQUIRED_FIELDS[stream]:
            if getattr(row, field) is UNSET:
                self.lacking[stream, field] += 1
        if isinstance(row, User):
            self.user_fields.add(record)
            self.execute("INSERT OR REPLACE INTO users VALUES (?, ?)", (row.id, _encode(row)))
        else:
            owner = None if row.ownerId is UNSET else row.ownerId
            self.execute("INSERT OR REPLACE INTO work_contracts VALUES (?, ?, ?)", (row.id, owner, _encode(row)))

    def people(self) -> Iterator[tuple[User, list[WorkContract]]]:
        """Yield every user, in the order of their ids, with their work contracts."""
        self.execute("CREATE INDEX IF NOT EXISTS contracts_by_owner ON work_contracts (owner)")
        rows = self.select(
            "SELECT users.id, users.record, work_contracts.record FROM users "
            "LEFT JOIN work_contracts ON work_contracts.owner = users.id ORDER BY users.id, work_contracts.id"
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            pairs = list(group)  # without contracts, one pair with None
            yield _decode_user(pairs[0][1]), [_decode_contract(row) for _, _, row in pairs if row is not None]

    def rows(self, stream: str) -> int:
        """Return the number of distinct records of a stream."""
        ((count,),) = self.select(f"SELECT count(*) FROM {'users' if stream == USERS else 'work_contracts'}")  # noqa: S608 - two names of our own
        return int(count)

    def ownerless_contracts(self) -> int:
        """Return the number of work contracts whose owner is no user of this import."""
        ((count,),) = self.select(
            "SELECT count(*) FROM work_contracts WHERE owner IS NULL OR owner NOT IN (SELECT id FROM users)"
        )
        return int(count)


_encode = msgspec.msgpack.Encoder().encode
_decode_user = msgspec.msgpack.Decoder(User).decode
_decode_contract = msgspec.msgpack.Decoder(WorkContract).decode
