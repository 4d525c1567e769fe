"""The selected fields of a stream: which ones to request, and how the schema spells them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tap_lucca.pagination import Row


class Projection:
    """The selected fields of an object and of the objects in it.

    A field that the schema doesn't have is never requested and never emitted, even if a catalog selects it.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        offered: Mapping[str, Any],
        selection: Mapping[tuple[str, ...], bool],
        breadcrumb: tuple[str, ...] = (),
    ) -> None:
        """Choose the fields that are in both schemas and selected.

        Args:
            schema: The schema of the stream, or of an object in it.
            offered: The same schema in the catalog, which may have fewer fields.
            selection: Whether the catalog selects a breadcrumb.
            breadcrumb: The breadcrumb of the object.
        """
        self._fields: dict[str, Any] = {}
        self.schema = {**offered, "properties": self._fields}
        """The catalog's schema of the selected fields."""
        self._inner: dict[str, Projection] = {}
        left = offered.get("properties") or {}
        for name, field in schema["properties"].items():
            path = (*breadcrumb, "properties", name)
            if name not in left or not selection[path]:
                continue
            field_offered = left[name]
            embedded, embedded_offered = (part.get("items", part) for part in (field, field_offered))
            if "properties" in embedded:
                inner = Projection(embedded, embedded_offered, selection, path)
                if not inner._fields:  # `department[]` isn't a valid field
                    continue
                self._inner[name] = inner
                field_offered = {**field_offered, "items": inner.schema} if "items" in field_offered else inner.schema
            self._fields[name] = field_offered
        self._spelling = {name.lower(): name for name in self._fields}

    def to_v3(self) -> str:
        """Return the value of the `fields` parameter: `id,name,department[id,name,code]`."""
        return ",".join(
            f"{name}[{self._inner[name].to_v3()}]" if name in self._inner else name for name in self._fields
        )

    def apply(self, row: Row) -> Row:
        """Return only the selected fields of a row, spelled as in the schema. Lucca sometimes changes their case."""
        if not row.keys() <= self._fields.keys():
            spelling = self._spelling
            row = {spelling[key]: row[name] for name in row if (key := name.lower()) in spelling}
        for name, inner in self._inner.items():
            if row.get(name):
                row[name] = _applied(inner, row[name])
        return row

    def missing_from(self, row: Row) -> Iterator[str]:
        """Yield the selected fields that a row lacks, such as `jobTitle` or `manager.mail`; some perhaps twice."""
        for name in self._fields:
            if name not in row:
                yield name
            elif name in self._inner:
                value = row[name]
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        yield from (f"{name}.{inner}" for inner in self._inner[name].missing_from(item))


def _applied(projection: Projection, value: object) -> object:
    """Apply a projection to an object, or to those in a list, whichever Lucca embeds."""
    if isinstance(value, dict):
        return projection.apply(value)
    return [_applied(projection, item) for item in value] if isinstance(value, list) else value
