"""Selection minimises data: the tap doesn't request deselected properties from Lucca, and none of them arrives."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.elimity import values_of
from sandbox.lucca import USERS
from tests.e2e.expected import expected_entities
from tests.harness import ROOT, Sandbox
from tests.project import new_project, settings, shell

MAIL_AND_MANAGER = {"email", "managerId", "managerName", "managerEmail"}


def assert_all_arrived_but(sandbox: Sandbox, attributes: set[str]) -> None:
    """Assert that everybody arrived without these attributes, and with all others unchanged."""
    company = sandbox.lucca.company
    everything = expected_entities(company.users, sandbox.contracts, company.today)
    assert attributes <= {attribute for _, values in everything.values() for attribute in values}
    assert {entity["id"]: (entity["name"], values_of(entity)) for entity in sandbox.entities} == {
        identifier: (name, {key: value for key, value in values.items() if key not in attributes})
        for identifier, (name, values) in everything.items()
    }


def requested_fields(sandbox: Sandbox) -> str:
    """Return the `fields` of the requests for users, which must be the same in every request."""
    (fields,) = {request.query["fields"] for request in sandbox.lucca.requests if request.path == USERS}
    return fields


def deselect(sandbox: Sandbox, *paths: str) -> Path:
    """Write the repository's catalog with these properties of users deselected."""
    catalog: dict[str, Any] = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            is_deselected = stream["stream"] == "users" and ".".join(entry["breadcrumb"][1::2]) in paths
            entry["metadata"]["selected"] = not is_deselected
    return sandbox.file("catalog.json", catalog)


@pytest.mark.parametrize(
    ("deselected", "attributes", "asked"),
    [
        ((), set(), ",mail,"),
        (("mail", "manager"), MAIL_AND_MANAGER, None),
        (("manager.mail",), {"managerEmail"}, ",manager[id,name],"),
    ],
    ids=["nothing", "mail and manager", "the manager's mail"],
)
def test_what_a_catalog_deselects(
    sandbox: Sandbox, deselected: tuple[str, ...], attributes: set[str], asked: str | None
) -> None:
    """A deselected property, object or property of an object is in no request, record or snapshot."""
    tap, target = sandbox.pipeline("--catalog", deselect(sandbox, *deselected))
    assert target.exit_code == 0, tap.log + target.log
    assert_all_arrived_but(sandbox, attributes)
    fields = requested_fields(sandbox)
    if asked:
        assert asked in fields
    else:
        assert "mail" not in fields
        assert "manager" not in fields
        assert "mail.example" not in tap.stdout


def test_what_is_deselected_in_meltano(sandbox: Sandbox) -> None:
    """The documented variable in `.env` makes Meltano deselect the same properties."""
    project = new_project(sandbox.folder)
    (project / ".env").write_text('TAP_LUCCA__SELECT=["*.*", "!users.mail", "!users.manager"]\n')
    run = shell("meltano --environment=sandbox run tap-lucca target-elimity", project, settings(sandbox))
    assert run.exit_code == 0, run.log
    assert_all_arrived_but(sandbox, MAIL_AND_MANAGER)
    assert "mail" not in requested_fields(sandbox)
    assert "manager" not in requested_fields(sandbox)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("department", {"department", "departmentCode"}), ("habilitedRoles", {"secondaryRoles"})],
)
def test_an_object_whose_properties_are_all_deselected(sandbox: Sandbox, name: str, attributes: set[str]) -> None:
    """The tap doesn't announce the object. So the target doesn't take it for a right that the key lost."""
    _, first = sandbox.pipeline()
    catalog = json.loads(deselect(sandbox).read_text())
    for embedded in ("id", "name", "code"):
        breadcrumb = ["properties", name, "properties", embedded]
        entries = catalog["streams"][0]["metadata"]
        entries[:] = [entry for entry in entries if entry["breadcrumb"] != breadcrumb]
        entries.append({"breadcrumb": breadcrumb, "metadata": {"selected": False}})
    state = sandbox.file("state.json", first.messages[-1])
    tap, target = sandbox.pipeline("--catalog", sandbox.file("catalog.json", catalog), "--state", state)
    schema = next(message["schema"] for message in tap.messages if message["type"] == "SCHEMA")
    assert name not in schema["properties"]
    assert target.exit_code == 0, target.log
    assert_all_arrived_but(sandbox, attributes)
