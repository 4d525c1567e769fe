"""Finds missing fields and the attributes that need them. Lucca silently omits fields that the API key may not see."""

from collections.abc import Collection, Mapping

from target_elimity.records import USERS, WORK_CONTRACTS


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
