"""The record types that the target expects.

Field names are Lucca's, as in the stream schemas of tap-lucca. Dates stay text here. Unknown fields are ignored.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias, cast

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from msgspec import UNSET, UnsetType
from msgspec.inspect import BoolType, IntType, ListType, NoneType, StrType, StructType, UnionType, type_info

# Ids are the keys of the temporary database, which holds 64 bits.
Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Reference(msgspec.Struct, gc=False):
    """An object embedded in a record: a department, a legal entity, a manager, a role, a contract type."""

    id: Id | None = None
    name: str | None = None
    code: str | None = None
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
    department: Reference | None = None
    legalEntity: Reference | None = None  # noqa: N815
    manager: Reference | None = None
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


_PATH = re.compile(r" - at `\$\.([\w.\[\]]+)`$", re.ASCII)

USERS, WORK_CONTRACTS = "users", "work_contracts"
RECORD_TYPES: dict[str, type[User | WorkContract]] = {USERS: User, WORK_CONTRACTS: WorkContract}
# Null means "none" in these fields. If the field itself is absent, status or contract cannot be derived.
REQUIRED_FIELDS = {
    stream: tuple(field.name for field in msgspec.structs.fields(record_type) if field.default is UNSET)
    for stream, record_type in RECORD_TYPES.items()
}


class UnusableStreamError(ConnectorError):
    """A stream or a record cannot be imported. The message names stream, id and field, never a value."""


def read_record(stream: str, record: object) -> User | WorkContract:
    """Convert a record.

    Raises:
        UnusableStreamError: A field has another type than expected.
    """
    try:
        return msgspec.convert(record, RECORD_TYPES[stream])
    except msgspec.ValidationError as error:
        identifier = record.get("id") if isinstance(record, dict) else None
        which = f"The record {identifier}" if type(identifier) is int and abs(identifier) < 2**63 else "A record"
        # Of msgspec's text, only the path is safe to show: it consists of our own field names.
        path = _PATH.search(str(error))
        flaw = f"'{path[1]}' has an unexpected type" if path else "it lacks 'id', or isn't an object"
        raise UnusableStreamError(f"{which} of the stream '{stream}' cannot be imported: {flaw}.") from None


def check_schema(stream: str, schema: Mapping[str, Any]) -> set[str]:
    """Return the known fields in a stream's schema, nested ones as `department.code`.

    Raises:
        UnusableStreamError: A field has another shape than expected, is required and absent, or was flattened.
    """
    properties = schema["properties"]
    fields = _fields(RECORD_TYPES[stream])
    absent = [name for name in ("id", *REQUIRED_FIELDS[stream]) if name not in properties]
    if absent:
        raise UnusableStreamError(
            f"The stream '{stream}' lacks {', '.join(absent)}, which an import needs: select it in the tap's catalog."
        )
    objects = [name.casefold() for name, expected in fields.items() if isinstance(expected, StructType | ListType)]
    flattened = [name for name in properties if name not in fields and _letters(name).startswith(tuple(objects))]
    if flattened:
        raise UnusableStreamError(
            f"The stream '{stream}' is flattened ({ascii(min(flattened))[:60]}): an import needs the objects "
            "as Lucca nests them. Switch off 'flattening_enabled' in the tap, or the mapper that flattens."
        )
    return set(_known(stream, fields, properties))


def _known(
    stream: str, fields: Mapping[str, msgspec.inspect.Type], properties: object, prefix: str = ""
) -> Iterator[str]:
    """Yield the paths of the known fields in a schema. Refuse an unexpected type."""
    if not isinstance(properties, dict):
        return
    for name, expected in fields.items():
        if name not in properties:
            continue
        path = f"{prefix}{name}"
        yield path
        schema = properties[name]
        if _types(schema) - {_JSON_TYPES[type(expected)], "null"}:
            raise UnusableStreamError(
                f"The schema of the stream '{stream}' allows another type for '{path}', which cannot be imported."
            )
        if isinstance(schema, dict):
            inner, embedded = expected, cast("object", schema)
            if isinstance(expected, ListType):
                inner, embedded = expected.item_type, schema.get("items")
            if isinstance(inner, StructType) and isinstance(embedded, dict):
                yield from _known(stream, _fields(inner.cls), embedded.get("properties"), f"{path}.")


def _letters(name: str) -> str:
    """Return a name without separators and case: some mappers write `legal_entity__name`."""
    return "".join(filter(str.isalnum, name)).casefold()


def _types(schema: object) -> set[str]:
    """Return the JSON types that a schema lists."""
    if not isinstance(schema, dict):
        return {"anything"} if schema is not True else set()
    named = schema.get("type", [])
    types = {str(name) for name in (named if isinstance(named, list) else [named])}
    for keyword in ("anyOf", "oneOf"):
        for branch in schema.get(keyword, ()) if isinstance(schema.get(keyword), list) else ():
            types |= _types(branch)
    return types


def _fields(record_type: type[msgspec.Struct]) -> dict[str, msgspec.inspect.Type]:
    """Return the type of each field of a struct, without null and absence."""
    info = cast("StructType", type_info(record_type))
    return {field.name: _without_null(field.type) for field in info.fields}


def _without_null(field: msgspec.inspect.Type) -> msgspec.inspect.Type:
    if isinstance(field, UnionType):
        (field,) = (kind for kind in field.types if not isinstance(kind, NoneType))
    return field


_JSON_TYPES = {BoolType: "boolean", IntType: "integer", ListType: "array", StrType: "string", StructType: "object"}
