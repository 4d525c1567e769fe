"""Which fields are asked for, and how an answer is brought into the spelling of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_lucca.pagination import Row

# Lower-cased name -> name in the schema, and the fields of its object (or of the objects in its array).
_Fields: TypeAlias = dict[str, tuple[str, "_Fields | None"]]


class Projection:
    """The fields of a stream that were selected.

    A field that the schema does not name is never asked for and never passed on, whatever a catalog says.
    """

    def __init__(self, schema: Mapping[str, object], selected: Mapping[str, object]) -> None:
        """Project onto what both the schema of the stream and its selected part (a subset of it) name."""
        self._fields = _fields(schema, selected) or {}

    def to_v3(self) -> str:
        """Return the value of the `fields` parameter: `id,name,department[id,name,code]`."""
        return _to_v3(self._fields)

    def apply(self, row: Row) -> Row:
        """Return the row with the schema's fields in the schema's spelling: Lucca's own differs in case at times."""
        return _apply(row, self._fields)


def _fields(schema: Mapping[str, object], selected: Mapping[str, object]) -> _Fields | None:
    schema, selected = _object_in(schema), _object_in(selected)
    if "properties" not in schema:
        return None
    properties = cast("Mapping[str, Mapping[str, object]]", schema["properties"])
    chosen = cast("Mapping[str, Mapping[str, object]]", selected.get("properties", {}))
    fields = {name.lower(): (name, _fields(properties[name], chosen[name])) for name in properties if name in chosen}
    # An object of which every field was deselected is not asked for at all: no fields, in contrast to no object.
    return {key: (name, inner) for key, (name, inner) in fields.items() if inner is None or inner}


def _object_in(schema: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", schema.get("items", schema))


def _to_v3(fields: _Fields) -> str:
    return ",".join(name if inner is None else f"{name}[{_to_v3(inner)}]" for name, inner in fields.values())


def _apply(row: Row, fields: _Fields) -> Row:
    projected: Row = {}
    for key, value in row.items():
        field = fields.get(key.lower())
        if field is None:
            continue
        name, inner = field
        if inner is None:
            projected[name] = value
        elif isinstance(value, dict):
            projected[name] = _apply(value, inner)
        elif isinstance(value, list):
            projected[name] = [_apply(item, inner) if isinstance(item, dict) else item for item in value]
        else:
            projected[name] = value
    return projected
