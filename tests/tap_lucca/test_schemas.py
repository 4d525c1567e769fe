"""The stream schemas: the committed catalog, the documentation's examples, and what the target reads of them."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tap_lucca.streams import UsersStream
from target_elimity.attributes import ATTRIBUTES, deselected
from target_elimity.records import FIELDS, RECORD_TYPES, read_schema

from tests.harness import ROOT, run

CATALOG: dict[str, Any] = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
SCHEMAS: dict[str, Any] = {stream["tap_stream_id"]: stream["schema"] for stream in CATALOG["streams"]}

# The examples of Lucca's documentation, verbatim.
USER = """
{"id": 416, "name": "John Doe", "displayName": "Doe John", "modifiedAt": "2015-09-07T10:20:06.583",
 "lastName": "DOE", "firstName": "John", "login": "jdoe", "mail": "no-reply@lucca.fr", "jobTitle": "Consultant",
 "employeeNumber": "00057", "dtContractStart": "2014-09-01T00:00:00", "dtContractEnd": null,
 "seniorityDate": "2014-09-01T00:00:00", "legalEntity": {"id": 1, "name": "Lucca", "url": "…"},
 "department": {"id": 13, "name": "BU Timmi/Lucca", "code": "BTL", "url": "…"},
 "manager": {"id": 383, "name": "Roger Smith", "mail": "rsmith@example.org", "url": "…"},
 "rolePrincipal": {"id": 55, "name": "User", "url": "…"},
 "habilitedRoles": [{"id": 59, "name": "Employee +", "url": "…"}]}
"""
WORK_CONTRACT = """
{"id": 514, "ownerId": 416, "startsOn": "2021-01-01", "endsOn": null, "isApplicable": true, "establishmentId": 13,
 "spcId": 1, "typeId": 1, "hiringTypeId": 3, "terminationReasonId": null, "trialPeriodDays": 120,
 "renewedTrialPeriodDays": null, "trialPeriodEndDate": "2021-05-01", "trialPeriodEndDate2": null, "authorId": 45,
 "lastModifierId": 45, "createdAt": "2021-11-08T17:48:18.12", "lastModifiedAt": "2024-01-10T12:27:02.22"}
"""


def test_the_discovered_catalog_is_the_committed_one() -> None:
    """`--discover` prints the committed catalog, so a reviewer sees each change of a schema."""
    assert json.loads(run("tap-lucca", "--discover").stdout) == CATALOG


@pytest.mark.parametrize(("stream", "example"), [("users", USER), ("work_contracts", WORK_CONTRACT)])
def test_the_documentations_examples_conform(stream: str, example: str) -> None:
    """The examples in Lucca's documentation are valid under the schemas."""
    Draft202012Validator.check_schema(SCHEMAS[stream])
    Draft202012Validator(SCHEMAS[stream]).validate(json.loads(example))


@pytest.mark.parametrize("stream", ["users", "work_contracts"])
def test_streams_are_keyed_by_id_and_read_in_full(stream: str) -> None:
    """Both streams are FULL_TABLE by default, because a snapshot needs whole streams."""
    (entry,) = [entry for entry in CATALOG["streams"] if entry["tap_stream_id"] == stream]
    assert entry["key_properties"] == ["id"]
    assert entry["replication_method"] == "FULL_TABLE"


def test_every_field_of_users_has_a_right() -> None:
    """The check names the right to each field that it misses. Lucca never omits the id."""
    assert {"id", *UsersStream.rights} == set(SCHEMAS["users"]["properties"])


def test_dates_and_timestamps_have_formats() -> None:
    """The formats let other targets create date and timestamp columns."""
    formats = {
        name: schema["format"]
        for stream in SCHEMAS.values()
        for name, schema in stream["properties"].items()
        if "format" in schema
    }
    assert formats == {
        **dict.fromkeys(("startsOn", "endsOn"), "date"),
        **dict.fromkeys(("seniorityDate", "dtContractStart", "dtContractEnd", "modifiedAt"), "date-time"),
        **dict.fromkeys(("createdAt", "lastModifiedAt"), "date-time"),
    }


def fields_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an object or of the objects in a list, with theirs."""
    properties = schema.get("items", schema).get("properties", {})
    return {name: fields_of(inner) for name, inner in properties.items()}


@pytest.mark.parametrize("stream", RECORD_TYPES)
def test_the_target_knows_exactly_the_fields_of_the_schemas(stream: str) -> None:
    """The record types list every field that the tap emits, at any depth, and no other."""
    assert FIELDS[stream] == fields_of(SCHEMAS[stream])


def test_every_attribute_comes_from_fields_of_the_schemas() -> None:
    """An attribute without fields would never count as deselected; one with an unknown field would always do."""
    assert deselected({}) == {attribute.id for attribute in ATTRIBUTES}
    announced = {stream: read_schema(stream, schema) for stream, schema in SCHEMAS.items()}
    assert deselected(announced) == set()
    assert {field for attribute in ATTRIBUTES for field in attribute.origin.fields} <= {
        f"{stream}.{field}" for stream, fields in announced.items() for field in fields
    }
