"""The parameter `fields` of the v3 API: it selects fields of rows and of their embedded objects."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TypeAlias, get_args, get_origin, get_type_hints, is_typeddict

Selection: TypeAlias = "dict[str, Selection]"
Project: TypeAlias = Callable[[Mapping[str, object]], dict[str, object]]
Schema: TypeAlias = "Mapping[str, Field]"

DEFAULT: Selection = {"id": {}, "name": {}, "url": {}}


@dataclass(frozen=True, slots=True)
class Field:
    """A field, with its name as Lucca spells it. Embedded objects, and lists of them, have fields of their own."""

    name: str
    fields: Schema


def schema_of(row: type) -> dict[str, Field]:
    """Return the fields of a row type by lower-case name, because Lucca ignores the case of names."""
    hints = get_type_hints(row)
    return {name.lower(): _field(name, hint) for name, hint in hints.items()}


def parse_fields(text: str) -> Selection:
    """Parse `id,department[id,name],manager.mail`. Raises ValueError if it is malformed."""
    tokens = deque(re.findall(r"[^,\[\]]+|[,\[\]]", text))
    selection = _parse(tokens, text)
    if tokens:
        raise ValueError(f"fields is malformed: {text}")
    return selection


def projector(selection: Selection, schema: Schema, hidden: frozenset[str], path: str = "") -> Project:
    """Return a function that reduces a row to the selected fields. Raises ValueError for an unknown field.

    Fields in `hidden` (dotted, in lower case) are silently omitted.
    """
    plan: list[tuple[str, Callable[[object], object] | None]] = []
    for name, nested in selection.items():
        field = schema.get(name)
        if field is None:
            raise ValueError(f"unknown field: {path}{name}")
        if nested and not field.fields:
            raise ValueError(f"field has no fields of its own: {path}{name}")
        if path + name in hidden:
            continue
        if field.fields:
            project_nested = projector(nested or DEFAULT, field.fields, hidden, f"{path}{name}.")
            plan.append((field.name, _embedded(project_nested)))
        else:
            plan.append((field.name, None))

    def project(row: Mapping[str, object]) -> dict[str, object]:
        return {name: embed(row[name]) if embed else row[name] for name, embed in plan if name in row}

    return project


def _field(name: str, hint: object) -> Field:
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is list:
        hint = get_args(hint)[0]
    if isinstance(hint, type) and is_typeddict(hint):
        return Field(name, schema_of(hint))
    return Field(name, {})


def _parse(tokens: deque[str], text: str) -> Selection:
    selection: Selection = {}
    while True:
        path = tokens.popleft().lower().split(".") if tokens else [""]
        if not all(re.fullmatch(r"\w+", part) for part in path):
            raise ValueError(f"fields is malformed: {text}")
        node = selection
        for part in path:
            node = node.setdefault(part, {})
        if tokens and tokens[0] == "[":
            tokens.popleft()
            node.update(_parse(tokens, text))
            if not tokens or tokens.popleft() != "]":
                raise ValueError(f"fields is malformed: {text}")
        if not tokens or tokens[0] != ",":
            return selection
        tokens.popleft()


def _embedded(project: Project) -> Callable[[object], object]:
    def embed(value: object) -> object:
        if isinstance(value, list):
            return [project(item) for item in value]
        return project(value) if isinstance(value, Mapping) else value

    return embed
