"""The data model: the table of attributes, the export file and the comparison with the source's model."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from elimity_insights_client._decode_domain_graph_schema import DomainGraphSchemaDict, decode_domain_graph_schema
from msgspec import convert
from target_elimity.attributes import ATTRIBUTES
from target_elimity.data_model import DataModel, differences, export_file

from tests.harness import ROOT, run

MODEL: dict[str, Any] = json.loads(export_file())

# The specification's attributes: name, id and type, letter for letter.
SPECIFIED = """
Login login string, Email email string, First Name firstName string, Last Name lastName string,
Job Title jobTitle string, Employee Number employeeNumber string, Department department string,
Department Code departmentCode string, Legal Entity legalEntity string, Manager Id managerId string,
Manager Name managerName string, Manager Email managerEmail string, Seniority Date seniorityDate date,
Contract Start Date contractStartDate date, End Date endDate date, Last Modified lastModified dateTime,
Status status string, Primary Role primaryRole string, Secondary Roles secondaryRoles string,
Contract Type contractType string
"""


def test_the_attributes_are_those_specified() -> None:
    """The attributes have the specification's order, ids and types, and the names that an administrator sees."""
    rows = [tuple(row.strip().rsplit(" ", 2)) for row in re.sub(r"\s+", " ", SPECIFIED).split(",")]
    assert [(row.name, row.id, row.type) for row in ATTRIBUTES] == rows


def test_the_committed_export_file_is_what_the_command_prints() -> None:
    """`--data-model` needs no settings and prints exactly the committed export file."""
    committed = (ROOT / "target-elimity/insights-client-lucca-data-model-export.json").read_text()
    printed = run("target-elimity", "--data-model")
    assert printed.exit_code == 0
    assert printed.stdout == committed == export_file()


def test_the_vendors_client_reads_the_export_file() -> None:
    """The vendor's client reads the export file as a domain graph schema."""
    schema = decode_domain_graph_schema(cast("DomainGraphSchemaDict", MODEL))
    assert [entity_type.id for entity_type in schema.entity_types] == ["employee"]
    assert len(schema.attribute_types) == len(ATTRIBUTES)
    assert schema.relationship_attribute_types == []


def attribute(model: dict[str, Any], identifier: str) -> dict[str, Any]:
    """Return an attribute of a data model."""
    (found,) = (row for row in model["entityAttributeTypes"] if row["id"] == identifier)
    return cast("dict[str, Any]", found)


def without_attribute(model: dict[str, Any]) -> None:
    """Delete the login."""
    model["entityAttributeTypes"].remove(attribute(model, "login"))


def of_wrong_type(model: dict[str, Any]) -> None:
    """Make the end date a string."""
    attribute(model, "endDate")["type"] = "string"


def archived(model: dict[str, Any]) -> None:
    """Archive the status."""
    attribute(model, "status")["archived"] = True


def of_other_entity_type(model: dict[str, Any]) -> None:
    """Give the mail address to another entity type."""
    attribute(model, "email")["entityTypeId"] = "contractor"


def without_entity_type(model: dict[str, Any]) -> None:
    """Delete the entity type."""
    model["entityTypes"] = []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_attribute, "the attribute Login (login) is missing"),
        (of_wrong_type, "the attribute End Date (endDate) has another type than date"),
        (archived, "the attribute Status (status) is archived"),
        (of_other_entity_type, "the attribute Email (email) is missing"),
        (without_entity_type, "the entity type Employee (employee) is missing"),
    ],
)
def test_a_difference_is_named(change: Callable[[dict[str, Any]], None], told: str) -> None:
    """Each difference that makes the target refuse an import is described by name."""
    model = copy.deepcopy(MODEL)
    change(model)
    assert differences(convert(model, DataModel)) == [told]


def test_all_differences_are_named_at_once_and_additions_are_none() -> None:
    """All differences are listed at once, and additional attributes are not a difference."""
    model = copy.deepcopy(MODEL)
    for change in (archived, of_wrong_type, without_attribute):
        change(model)
    model["entityAttributeTypes"].append({**MODEL["entityAttributeTypes"][0], "id": "theirOwn", "type": "number"})
    assert len(differences(convert(model, DataModel))) == 3
    assert differences(convert(MODEL, DataModel)) == []
