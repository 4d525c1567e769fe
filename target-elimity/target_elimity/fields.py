"""Finds missing fields and the attributes that need them. Lucca silently omits fields that the API key may not see."""

from collections.abc import Collection, Mapping

from target_elimity.data_model import ATTRIBUTE_TYPES
from target_elimity.records import USERS


class FieldsSeen:
    """Which fields of the schema of users arrived, even as null. Embedded fields are named like `department.code`."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        """The fields that at least one user has."""
        self._unseen: set[str] = set()

    def announce(self, fields: Collection[str]) -> None:
        """Expect these fields in the users that follow."""
        self._unseen.update(field for field in fields if field not in self.seen)

    def add(self, user: Mapping[str, object]) -> None:
        """Add the fields of a user."""
        # After a few users, only the fields that Lucca hides are left to look for.
        if found := [field for field in self._unseen if _has(user, field)]:
            self.seen.update(found)
            self._unseen.difference_update(found)

    @property
    def missing(self) -> list[str]:
        """The fields that no user has. Fields of an embedded object count only if at least one such object arrived."""
        parents = {field.partition(".")[0] for field in self.seen if "." in field}
        return sorted(field for field in self._unseen if "." not in field or field.partition(".")[0] in parents)


def _has(user: Mapping[str, object], field: str) -> bool:
    name, dot, embedded = field.partition(".")
    if not dot:
        return name in user
    value = user.get(name)
    return any(isinstance(item, dict) and embedded in item for item in (value if isinstance(value, list) else (value,)))


def attributes_without(announced: Mapping[str, Collection[str]]) -> set[str]:
    """Return the ids of the attributes that have no field in the schemas, given the fields of each stream's schema."""
    fields = {f"{stream}.{field}" for stream, fields in announced.items() for field in fields}
    return {
        attribute.id
        for attribute in ATTRIBUTE_TYPES
        if not any(_is_announced(source, fields) for source in attribute.sources)
    }


def attributes_of(fields: Collection[str]) -> set[str]:
    """Return the ids of the attributes that come from these fields of users, or from fields within them."""
    hidden = tuple(f"{USERS}.{field}." for field in fields)
    return {attribute.id for attribute in ATTRIBUTE_TYPES if f"{attribute.sources[0]}.".startswith(hidden)}


def _is_announced(source: str, fields: Collection[str]) -> bool:
    """Whether the schemas have a field. An object without listed fields may have all of them."""
    parent = source.rpartition(".")[0]
    return source in fields or (parent in fields and not any(field.startswith(f"{parent}.") for field in fields))
