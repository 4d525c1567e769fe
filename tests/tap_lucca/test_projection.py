"""Which fields the tap requests, and which fields of an answer it keeps."""

from typing import Any

from singer_sdk.singerlib.catalog import SelectionMask
from tap_lucca.pagination import Row
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
    """Fields of embedded objects are in brackets, as Lucca's documentation specifies."""
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).to_v3() == "id,managerId,department[id,code],habilitedRoles[name]"


def test_only_selected_fields_are_asked_for() -> None:
    """The tap doesn't request fields that the catalog deselects, or that only the catalog names."""
    selected: dict[str, Any] = {"properties": {"id": {}, "birthDate": {}, "department": {"properties": {"code": {}}}}}
    assert Projection(SCHEMA, selected, EVERYTHING).to_v3() == "id,department[code]"


def test_what_the_metadata_deselects_is_not_asked_for() -> None:
    """A catalog's metadata can deselect a field, a field of an object or a list, even if its schema is complete."""
    mask = SelectionMask(
        {
            ("properties", "managerId"): False,
            ("properties", "department", "properties", "code"): False,
            ("properties", "habilitedRoles"): False,
        }
    )
    assert Projection(SCHEMA, SCHEMA, mask).to_v3() == "id,department[id]"


def test_an_object_without_a_selected_field_is_not_asked_for() -> None:
    """Such an object is left out, because `department[]` isn't a valid field."""
    selected: dict[str, Any] = {"properties": {"id": {}, "department": {"properties": {}}}}
    projection = Projection(SCHEMA, selected, EVERYTHING)
    assert projection.to_v3() == "id"
    assert projection.apply({"id": 1, "department": {"id": 3}}) == {"id": 1}


def test_names_are_met_without_regard_to_case() -> None:
    """Field names are matched without regard to case, because some answers spell id fields `managerID`."""
    row = {"ID": 1, "managerID": 2, "Department": {"Id": 3, "CODE": "X"}, "habilitedRoles": [{"NAME": "R", "url": ""}]}
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).apply(row) == {
        "id": 1,
        "managerId": 2,
        "department": {"id": 3, "code": "X"},
        "habilitedRoles": [{"name": "R"}],
    }


def test_fields_that_are_not_selected_stay_out_of_any_nesting() -> None:
    """Lucca may embed a list in place of an object, or an object or a nested list in place of a list."""
    person = {"name": "R", "id": 1, "iban": "BE71"}
    row: Row = {"department": [[person]], "habilitedRoles": person}
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).apply(row) == {
        "department": [[{"id": 1}]],
        "habilitedRoles": {"name": "R"},
    }


def test_unknown_fields_and_nulls() -> None:
    """Fields that aren't in the schema are dropped silently; null objects and arrays stay null."""
    row = {"id": 1, "iban": "BE71", "department": None, "habilitedRoles": None}
    assert Projection(SCHEMA, SCHEMA, EVERYTHING).apply(row) == {"id": 1, "department": None, "habilitedRoles": None}
