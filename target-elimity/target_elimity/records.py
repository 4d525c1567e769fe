"""The record types: what an import uses of the streams of tap-lucca, with Lucca's names. Dates stay text here."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from msgspec import UNSET, UnsetType
from msgspec.inspect import ListType, StructType, UnionType, type_info

# Ids are the keys of the temporary database, which holds 64 bits.
Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Reference(msgspec.Struct, gc=False):
    """An object embedded in a record: a legal entity, a role, a contract type."""

    id: Id | None = None
    name: str | None = None


class Department(Reference, gc=False):
    """The department of a user."""

    code: str | None = None


class Manager(Reference, gc=False):
    """The manager of a user."""

    mail: str | None = None


class User(msgspec.Struct, gc=False):
    """A record of the stream `users`."""

    id: Id
    name: str | None = None
    firstName: str | None = None  # noqa: N815 - the names are Lucca's
    lastName: str | None = None  # noqa: N815
    login: str | None = None
    mail: str | None = None
    jobTitle: str | None = None  # noqa: N815
    employeeNumber: str | None = None  # noqa: N815
    department: Department | None = None
    legalEntity: Reference | None = None  # noqa: N815
    manager: Manager | None = None
    rolePrincipal: Reference | None = None  # noqa: N815
    habilitedRoles: list[Reference] | None = None  # noqa: N815
    seniorityDate: str | None = None  # noqa: N815
    dtContractStart: str | None = None  # noqa: N815
    dtContractEnd: str | UnsetType | None = UNSET  # noqa: N815
    modifiedAt: str | None = None  # noqa: N815


class WorkContract(msgspec.Struct, gc=False):
    """A record of the stream `work_contracts`."""

    id: Id
    ownerId: Id | UnsetType | None = UNSET  # noqa: N815
    startsOn: str | UnsetType | None = UNSET  # noqa: N815
    endsOn: str | UnsetType | None = UNSET  # noqa: N815
    isApplicable: bool | UnsetType | None = UNSET  # noqa: N815
    typeId: Id | None = None  # noqa: N815
    type: Reference | None = None


USERS, WORK_CONTRACTS = "users", "work_contracts"
RECORD_TYPES: dict[str, type[User | WorkContract]] = {USERS: User, WORK_CONTRACTS: WorkContract}
# Null means "none" in these fields. If the field itself is absent, status or contract cannot be derived.
REQUIRED_FIELDS = {
    stream: tuple(field.name for field in msgspec.structs.fields(record_type) if field.default is UNSET)
    for stream, record_type in RECORD_TYPES.items()
}

Fields: TypeAlias = Mapping[str, "Fields"]
# What the tap emits besides. Whatever these fields hold, it is no reason to refuse an import.
_UNUSED: dict[str, Fields] = {
    USERS: {},
    WORK_CONTRACTS: {"externalId": {}, "establishmentId": {}, "createdAt": {}, "lastModifiedAt": {}},
}


def _fields_in(kind: msgspec.inspect.Type) -> Fields:
    """Return the fields of the struct in a type, and the fields in those; none if there is no struct."""
    if isinstance(kind, UnionType):
        return next(filter(None, map(_fields_in, kind.types)), {})
    if isinstance(kind, ListType):
        return _fields_in(kind.item_type)
    return {field.name: _fields_in(field.type) for field in kind.fields} if isinstance(kind, StructType) else {}


FIELDS: dict[str, Fields] = {
    stream: {**_fields_in(type_info(record_type)), **_UNUSED[stream]} for stream, record_type in RECORD_TYPES.items()
}
_PATH = re.compile(r" - at `\$\.([\w.\[\]]+)`$", re.ASCII)
# A property whose name begins with this is metadata that a tap or mapper may add: https://sdk.meltano.com (_sdc).
_METADATA = "_sdc_"
_MOST_NAMES = 5


def read_record(stream: str, record: object) -> User | WorkContract:
    """Convert a record.

    Raises:
        ConnectorError: A field has another type than expected.
    """
    try:
        return msgspec.convert(record, RECORD_TYPES[stream])
    except msgspec.ValidationError as error:
        identifier = record.get("id") if isinstance(record, dict) else None
        which = f"The record {identifier}" if type(identifier) is int and abs(identifier) < 2**63 else "A record"
        # Of msgspec's text, only the path is safe to show: it consists of our own field names.
        path = _PATH.search(str(error))
        flaw = f"'{path[1]}' has an unexpected type" if path else "it lacks 'id', or isn't an object"
        raise ConnectorError(f"{which} of the stream '{stream}' cannot be imported: {flaw}.") from None


def read_schema(stream: str, schema: Mapping[str, Any]) -> set[str]:
    """Return the fields in a stream's schema, embedded ones as `department.code`.

    Raises:
        ConnectorError: It has a property that the record type doesn't know, or lacks one that an import needs.
    """
    try:
        paths = {*_paths(schema["properties"], FIELDS[stream])}
    except RecursionError:
        raise ConnectorError(f"The schema of the stream '{stream}' is nested too deeply.") from None
    fields = {path for path, is_known in paths if is_known}
    flaws = []
    if unknown := sorted(path for path, is_known in paths if not is_known):
        names = ", ".join(ascii(path)[:60] for path in unknown[:_MOST_NAMES])
        more = f" and {len(unknown) - _MOST_NAMES:,} more" if len(unknown) > _MOST_NAMES else ""
        flaws.append(
            f"The stream '{stream}' has properties that an import doesn't know: {names}{more}. Does the tap flatten "
            "objects ('flattening_enabled')? Does a stream map or mapper add or rename properties? Or is the tap newer "
            "than the target? Import the streams as the tap emits them."
        )
    if absent := [name for name in ("id", *REQUIRED_FIELDS[stream]) if name not in fields]:
        flaws.append(
            f"The stream '{stream}' lacks {', '.join(absent)}, which an import needs: select it in the tap's catalog."
        )
    if flaws:
        raise ConnectorError(" ".join(flaws))
    return fields


def _paths(properties: Mapping[str, object], fields: Fields, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of each property, and whether it is a field. An embedded object that lists none may have all."""
    for name, schema in properties.items():
        if name.startswith(_METADATA):
            continue
        yield f"{prefix}{name}", name in fields
        if embedded := fields.get(name):
            yield from _paths(_listed(schema) or embedded, embedded, f"{prefix}{name}.")


def _listed(schema: object) -> dict[str, object]:
    """Return the properties of the objects that a schema describes: itself, in a list, or as one of several forms."""
    if not isinstance(schema, dict):
        return {}
    properties = schema.get("properties")
    listed = {**properties} if isinstance(properties, dict) else {}
    for keyword in ("items", "anyOf", "oneOf", "allOf"):
        inner = schema.get(keyword)
        for part in inner if isinstance(inner, list) else [inner]:
            listed |= _listed(part)
    return listed
