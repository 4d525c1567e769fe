"""Stream maps in the tap, with the recipes of its README: their effect on records, schemas, keys and STATE."""

import json
import re
from typing import Any

import pytest

from tests.harness import ROOT, Run, Sandbox

README = (ROOT / "tap-lucca/README.md").read_text(encoding="utf-8")
RENAME_STREAM, RENAME_AND_DROP, ONE_LEGAL_ENTITY = (
    json.loads(block) for block in re.findall(r'```json\n(\{"stream_maps".*?)```', README, re.DOTALL)
)


def marks(tap: Run) -> dict[str, int]:
    """Return the number of records in the completion mark of each stream."""
    return {name: row["completion"]["records"] for name, row in tap.state["bookmarks"].items()}


def schema_message(tap: Run, stream: str) -> dict[str, Any]:
    """Return the SCHEMA message of a stream."""
    return next(message for message in tap.messages if (message["type"], message["stream"]) == ("SCHEMA", stream))


@pytest.fixture
def everything(sandbox: Sandbox) -> Run:
    """Run the tap without stream maps, on a company in which one person has no legal entity."""
    with sandbox.lucca.changing() as company:
        company.users[7]["legalEntity"] = None  # type: ignore[typeddict-item] # Lucca's rows may have null anywhere
    return sandbox.tap()


def test_without_stream_maps_all_that_is_read_is_written(everything: Run) -> None:
    """Without stream maps, the mark's count equals the number of records."""
    contracts = len(everything.records("work_contracts"))
    assert marks(everything) == {"users": 250, "work_contracts": contracts}


def test_a_stream_is_renamed(sandbox: Sandbox, everything: Run) -> None:
    """Schema, key and records have the new name; the completion mark keeps the old one."""
    sandbox.tap_settings = RENAME_STREAM
    tap = sandbox.tap()
    assert tap.exit_code == 0
    assert tap.records("users") == []
    assert tap.records("people") == everything.records("users")
    assert schema_message(tap, "people") == {**schema_message(everything, "users"), "stream": "people"}
    assert marks(tap) == marks(everything)


def test_properties_are_renamed_and_dropped(sandbox: Sandbox, everything: Run) -> None:
    """The schema and every record have the change, types stay the same, and everything else is unchanged."""
    sandbox.tap_settings = RENAME_AND_DROP
    tap = sandbox.tap()
    assert tap.exit_code == 0
    schemas = [schema_message(run, "users") for run in (everything, tap)]
    before, after = (message["schema"]["properties"] for message in schemas)
    assert schemas[1]["key_properties"] == ["id"]
    for unmapped, mapped in ((before, after), *zip(everything.records("users"), tap.records("users"), strict=True)):
        expected = {**unmapped, "surname": unmapped["lastName"]}
        del expected["lastName"], expected["manager"]
        assert mapped == expected
    assert marks(tap) == marks(everything)


@pytest.mark.parametrize(
    "expression",
    [
        ONE_LEGAL_ENTITY["stream_maps"]["users"]["__filter__"],
        "legalEntity and legalEntity.id == 1",
        "(legalEntity or {}).get('id') == 1",
        "legalEntity is not None and legalEntity['name'] in ['Sandbox SAS', 'Another']",
    ],
)
def test_people_are_filtered_by_legal_entity(sandbox: Sandbox, everything: Run, expression: str) -> None:
    """People of other legal entities, or of none, are left out. The mark counts them, so the target notices."""
    sandbox.tap_settings = {"stream_maps": {"users": {"__filter__": expression}}}
    tap = sandbox.tap()
    assert tap.exit_code == 0
    chosen = [row for row in everything.records("users") if row["legalEntity"] and row["legalEntity"]["id"] == 1]
    assert tap.records("users") == chosen
    assert tap.records("work_contracts") == everything.records("work_contracts")
    assert marks(tap) == marks(everything)
    assert 0 < len(chosen) < 250


@pytest.mark.parametrize(
    ("stream_maps", "written"),
    [
        ({"users": None}, 0),
        ({"users": "__NULL__"}, 0),
        ({"users": {"__filter__": "False"}}, 0),
        ({"users": {"__source__": "users"}}, 500),
        ({"people": {"__source__": "users"}}, 250),
    ],
    ids=["removed", "removed for Meltano", "all filtered", "repeated", "copied"],
)
def test_the_mark_counts_what_is_read(sandbox: Sandbox, stream_maps: dict[str, Any], written: int) -> None:
    """The mark counts the records that the tap read from Lucca, whatever stream maps do with them."""
    sandbox.tap_settings = {"stream_maps": stream_maps}
    tap = sandbox.tap()
    assert tap.exit_code == 0
    assert len(tap.records("users")) == written
    assert marks(tap)["users"] == 250


@pytest.mark.parametrize(
    "users", [None, {"__filter__": "False"}, {"__alias__": "people"}], ids=["removed", "all filtered", "renamed"]
)
def test_an_import_that_a_stream_map_empties_is_refused(sandbox: Sandbox, users: dict[str, str] | None) -> None:
    """Nothing is uploaded, and the target doesn't blame the rights of the API key."""
    sandbox.tap_settings = {"stream_maps": {"users": users}}
    tap, target = sandbox.pipeline()
    assert tap.exit_code == 0
    assert target.exit_code == 1
    assert sandbox.elimity.snapshots == []
    last = target.log.splitlines()[-1]
    assert "right" not in last
    assert "API key" not in last


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("legalEntity['id'] == 1", "fails on the record {id} of 'users' (TypeError): does it allow for values that"),
        ("int(legalEntity['name']) == 1", "of 'users' (ValueError)"),
        ("legalEntity.colour == 1", "'stream_maps' can't be used"),
        ("legalEntity[", "'stream_maps' can't be used"),
    ],
)
def test_an_expression_that_fails_is_told(sandbox: Sandbox, everything: Run, expression: str, told: str) -> None:
    """The tap fails with one message, without a traceback and without the value that the expression failed on."""
    sandbox.tap_settings = {"stream_maps": {"users": {"__filter__": expression}}}
    tap = sandbox.tap()
    assert tap.exit_code == 1
    assert told.format(id=everything.records("users")[7]["id"]) in tap.log
    assert "Traceback" not in tap.log
    assert "Sandbox SAS" not in tap.log
    assert "completion" not in tap.stdout


def test_maps_see_absent_objects_where_they_are_flattened(sandbox: Sandbox) -> None:
    """An expression can test whether somebody has a department: maps run before absent objects are left out."""
    maps = {"users": {"departmentName": "department['name'] if department else None"}}
    sandbox.tap_settings = {"flattening_enabled": True, "flattening_max_depth": 1, "stream_maps": maps}
    tap = sandbox.tap()
    assert tap.exit_code == 0
    names = {user["id"]: user["department"] and user["department"]["name"] for user in sandbox.lucca.company.users}
    assert None in names.values()
    assert {user["id"]: user.get("departmentName") for user in tap.records("users")} == names
    assert all("department" not in user for user in tap.records("users"))


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"users": {"__alias__": None}}},
        {"stream_maps": {"users": {"mail": "1" + "+1" * 600}}},
        {"stream_maps": {"users": {"mail": r"'\ud83d'"}}},
        {"stream_maps": {"users": {"department__name": "name"}}, "flattening_enabled": True, "flattening_max_depth": 2},
        {"stream_maps": {"user": {"__filter__": "False"}}},
        {"stream_maps": {"people": {"__source__": "user"}}},
    ],
    ids=["no alias", "too long", "half a surrogate pair", "a name that flattening takes", "no stream", "no source"],
)
def test_maps_that_cannot_be_used_are_refused_in_one_sentence(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    """The tap names the setting or the record, without a traceback."""
    sandbox.tap_settings = settings
    run = sandbox.tap()
    assert run.exit_code == 1
    assert "'stream_maps'" in run.log or "record" in run.log
    assert "Traceback" not in run.log
