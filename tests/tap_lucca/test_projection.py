"""Which fields are asked for, and what becomes of an answer."""

from __future__ import annotations

from typing import Any

from singer_sdk.singerlib.catalog import SelectionMask
from tap_lucca.projection import Projection

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {"type": ["integer"]},
        "managerId": {"type": ["integer", "null"]},
        "department": {"type": ["object", "null"], "properties": {"id": {}, "code": {}}},
        "habilitedRoles": {"type": ["array", "null"], "items": {"type": "object", "properties": {"name": {}}}},
    }
}

EVERYTHING = SelectionMask()


def test_nested_fields_are_asked_for_in_brackets() -> None:
    """The form the documentation gives for embedded objects."""
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).to_v3() == "id,managerId,department[id,code],habilitedRoles[name]"


def test_only_selected_fields_are_asked_for() -> None:
    """What the catalog deselects is never requested, nor is what only the catalog names."""
    selected: dict[str, Any] = {"properties": {"id": {}, "birthDate": {}, "department": {"properties": {"code": {}}}}}
    assert Projection(SCHEMA, selected, EVERYTHING).to_v3() == "id,department[code]"


def test_what_the_metadata_deselects_is_not_asked_for() -> None:
    """The schema of a catalog may be whole, and its metadata deselect a field, a field of an object, or a list."""
    mask = SelectionMask(
        {
            ("properties", "managerId"): False,
            ("properties", "department", "properties", "code"): False,
            ("properties", "habilitedRoles"): False,
        }
    )
    assert Projection(SCHEMA, SCHEMA, mask).to_v3() == "id,department[id]"


def test_an_object_without_a_selected_field_is_not_asked_for() -> None:
    """`department[]` would be no field."""
    selected: dict[str, Any] = {"properties": {"id": {}, "department": {"properties": {}}}}
    projection = Projection(SCHEMA, selected, EVERYTHING)
    assert projection.to_v3() == "id"
    assert projection.apply({"id": 1, "department": {"id": 3}}) == {"id": 1}


def test_names_are_met_without_regard_to_case() -> None:
    """Some answers spell id fields `managerID`."""
    row = {"ID": 1, "managerID": 2, "Department": {"Id": 3, "CODE": "X"}, "habilitedRoles": [{"NAME": "R", "url": ""}]}
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).apply(row) == {
        "id": 1,
        "managerId": 2,
        "department": {"id": 3, "code": "X"},
        "habilitedRoles": [{"name": "R"}],
    }


def test_unknown_fields_and_nulls() -> None:
    """What the schema does not name is dropped quietly; null objects and arrays stay null."""
    row = {"id": 1, "iban": "BE71", "department": None, "habilitedRoles": None}
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).apply(row) == {"id": 1, "department": None, "habilitedRoles": None}
