"""Finds missing fields and the attributes that need them. Lucca silently omits fields that the API key may not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_elimity.records import OBJECT_FIELDS, USER_FIELDS, USERS, WORK_CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# Records have few shapes. The limit keeps a stream with many from filling the memory.
MOST_NAMES = 200
MOST_SHAPES = 1_000


class FieldsSeen:
    """The fields of all records so far, including null ones. Embedded fields are named like `department.code`."""

    def __init__(self) -> None:
        self._shapes: set[tuple[str, ...]] = set()
        self.seen: set[str] = set()

    def add(self, record: Mapping[str, object]) -> None:
        """Add the fields of a record."""
        self._add_shape("", record)
        for name in OBJECT_FIELDS:
            value = record.get(name)
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, dict):
                    self._add_shape(f"{name}.", item)

    def _add_shape(self, prefix: str, record: Mapping[str, object]) -> None:
        # Most records have the same fields in the same order.
        shape = (prefix, *record)
        if shape in self._shapes:
            return
        if len(self._shapes) < MOST_SHAPES and len(shape) <= MOST_NAMES:
            self._shapes.add(shape)
        self.seen.update(known for name in record if (known := f"{prefix}{name}") in USER_FIELDS)

    def missing(self, announced: Iterable[str]) -> list[str]:
        """Return the fields of the schema that no record has.

        Fields of an embedded object count only if at least one such object arrived.
        """
        return sorted(field for field in announced if field not in self.seen and self._could_be_seen(field))

    def _could_be_seen(self, field: str) -> bool:
        parent, dot, _ = field.rpartition(".")
        return not dot or any(seen.startswith(f"{parent}.") for seen in self.seen)


def attributes_without(announced: Mapping[str, Collection[str]]) -> set[str]:
    """Return the ids of the attributes that have no field in the schemas.

    Args:
        announced: By stream: the fields of its schema.
    """
    return {
        attribute
        for attribute, (stream, *fields) in _FIELDS_OF.items()
        if not any(_is_announced(field, announced.get(stream, ())) for field in fields)
    }


def attributes_of(fields: Collection[str]) -> set[str]:
    """Return the ids of the attributes that come from these fields of users, or from fields within them."""
    return {
        attribute
        for attribute, (stream, field, *_) in _FIELDS_OF.items()
        if stream == USERS and (field in fields or field.partition(".")[0] in fields)
    }


def _is_announced(field: str, announced: Collection[str]) -> bool:
    """Whether a schema has a field. An object without listed fields may have all of them."""
    parent, dot, _ = field.rpartition(".")
    return field in announced or (
        bool(dot) and parent in announced and not any(name.startswith(f"{parent}.") for name in announced)
    )


# By attribute: its stream and the possible fields of its value.
_FIELDS_OF = {
    "login": (USERS, "login"),
    "email": (USERS, "mail"),
    "firstName": (USERS, "firstName"),
    "lastName": (USERS, "lastName"),
    "jobTitle": (USERS, "jobTitle"),
    "employeeNumber": (USERS, "employeeNumber"),
    "department": (USERS, "department.name"),
    "departmentCode": (USERS, "department.code"),
    "legalEntity": (USERS, "legalEntity.name"),
    "managerId": (USERS, "manager.id"),
    "managerName": (USERS, "manager.name"),
    "managerEmail": (USERS, "manager.mail"),
    "seniorityDate": (USERS, "seniorityDate"),
    "contractStartDate": (USERS, "dtContractStart"),
    "endDate": (USERS, "dtContractEnd"),
    "lastModified": (USERS, "modifiedAt"),
    "status": (USERS, "dtContractEnd"),
    "primaryRole": (USERS, "rolePrincipal.name"),
    "secondaryRoles": (USERS, "habilitedRoles.name"),
    "contractType": (WORK_CONTRACTS, "type", "typeId"),
}
