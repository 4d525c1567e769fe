"""The target as its users run it: the console script reads Singer messages and uploads a snapshot, or nothing."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from target_elimity.attributes import ATTRIBUTES

from sandbox.elimity import values_of
from sandbox.faults import Fault
from tests.harness import Sandbox, run

USERS: dict[str, Any] = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "mail": {"type": ["string", "null"]},
    "dtContractEnd": {"type": ["string", "null"], "format": "date-time"},
    "modifiedAt": {"type": ["string", "null"], "format": "date-time"},
}
CONTRACTS: dict[str, Any] = {
    "id": {"type": "integer"},
    "ownerId": {"type": ["integer", "null"]},
    "startsOn": {"type": ["string", "null"], "format": "date"},
    "endsOn": {"type": ["string", "null"], "format": "date"},
    "isApplicable": {"type": ["boolean", "null"]},
    "typeId": {"type": ["integer", "null"]},
}
JANE = {"id": 1, "name": "Jane", "mail": "jane@acme.example", "dtContractEnd": None, "modifiedAt": None}
JOHN = {"id": 2, "name": "John", "mail": None, "dtContractEnd": "2020-01-31T00:00:00", "modifiedAt": None}
HERS = {"id": 9, "ownerId": 1, "startsOn": "2019-01-01", "endsOn": None, "isApplicable": True, "typeId": 1}


def schema(stream: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a SCHEMA message."""
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": ["id"],
        **more,
    }


def record(stream: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": row}


def state(run_id: str = "run", bookmark: Any = None, **counts: int) -> dict[str, Any]:
    """Return a STATE message with completion marks."""
    bookmarks: dict[str, Any] = {
        stream: {"completion": {"run_id": run_id, "records": count}} for stream, count in counts.items()
    }
    if bookmark is not None:
        bookmarks["target-elimity"] = bookmark
    return {"type": "STATE", "value": {"bookmarks": bookmarks}}


WHOLE = [
    schema("users", USERS),
    record("users", JANE),
    record("users", JOHN),
    state(users=2),
    schema("work_contracts", CONTRACTS),
    record("work_contracts", HERS),
    state(users=2, work_contracts=1),
]


def deep(levels: int) -> str:
    """Return JSON that is nested this deeply."""
    return '{"x":' * levels + "{}" + "}" * levels


def lines(messages: Iterable[dict[str, Any]]) -> str:
    """Return messages as a tap writes them."""
    return "".join(json.dumps(message) + "\n" for message in messages)


def refused(sandbox: Sandbox, text: str, told: str) -> str:
    """Assert that the target uploads nothing, emits no STATE, and says why in log and Logs tab; return the reason."""
    target = sandbox.target(text)
    assert target.exit_code == 1
    assert told in target.log
    assert "Traceback" not in target.log
    assert target.stdout == ""
    assert sandbox.elimity.snapshots == []
    (alert,) = sandbox.alerts
    assert alert.startswith("Nothing was imported: ")
    assert told in alert
    return alert


def test_a_whole_import_is_uploaded_once(sandbox: Sandbox) -> None:
    """The target uploads one snapshot, emits STATE with the new counts, and writes start and counts to the Logs tab."""
    target = sandbox.target(lines(WHOLE))
    assert target.exit_code == 0
    assert len(sandbox.elimity.snapshots) == 1
    assert [(entity["id"], entity["name"]) for entity in sandbox.entities] == [("1", "Jane"), ("2", "John")]
    (emitted,) = target.messages
    remembered = emitted["bookmarks"]["target-elimity"]
    assert (remembered["employees"], remembered["active"]) == (2, 1)
    assert emitted["bookmarks"]["users"] == WHOLE[-1]["value"]["bookmarks"]["users"]
    logs = [(log.level, log.message) for log in sandbox.elimity.connector_logs]
    assert logs[0][1].startswith("Import from Lucca started")
    assert ("info", "Import complete. 2 employees: 1 active, 1 inactive, 1 without contract.") in logs
    assert not sandbox.alerts


def test_streams_may_come_in_any_order(sandbox: Sandbox) -> None:
    """Contracts first, or both streams interleaved, give the same snapshot."""
    users, contracts = WHOLE[0], WHOLE[4]
    orders = (
        WHOLE,
        [contracts, WHOLE[5], users, WHOLE[1], WHOLE[2], WHOLE[6]],
        [users, contracts, WHOLE[2], WHOLE[5], users, WHOLE[1], WHOLE[6]],
    )
    for order in orders:
        assert sandbox.target(lines(order)).exit_code == 0
    first, *others = [snapshot.body for snapshot in sandbox.elimity.snapshots]
    assert others == [first, first]


def test_a_later_record_replaces_an_earlier_one(sandbox: Sandbox) -> None:
    """Two records with the same key make one employee, as they make one row in any other target."""
    messages = [*WHOLE[:3], record("users", {**JANE, "name": "Janet"}), *WHOLE[4:]]
    assert sandbox.target(lines(messages)).exit_code == 0
    assert [entity["name"] for entity in sandbox.entities] == ["Janet", "John"]


def test_unknown_streams_are_ignored_with_one_warning_each(sandbox: Sandbox) -> None:
    """If a tap also emits departments, the target warns once and imports the rest."""
    departments = [schema("departments", {"id": {"type": "integer"}})] + [
        record("departments", {"id": number}) for number in range(5)
    ]
    target = sandbox.target(lines([*departments, *WHOLE]))
    assert target.exit_code == 0
    assert target.log.count("is ignored") == 1


def test_schemas_may_be_repeated_and_change(sandbox: Sandbox) -> None:
    """A second SCHEMA message doesn't drop the records before it."""
    wider = schema("users", {**USERS, "jobTitle": {"type": ["string", "null"]}})
    messages = [*WHOLE[:2], WHOLE[0], wider, *WHOLE[2:]]
    assert sandbox.target(lines(messages)).exit_code == 0
    assert len(sandbox.entities) == 2


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "'users'"),
        (WHOLE[:2], "'users'"),
        (WHOLE[:4], "'work_contracts'"),
        (WHOLE[:6], "'work_contracts'"),
        ([*WHOLE[:1], *WHOLE[2:]], "'users'"),
        ([*WHOLE[:1], WHOLE[2], *WHOLE[2:]], "'users'"),
        ([WHOLE[6], *WHOLE[:3], *WHOLE[4:6]], "'users'"),
        ([*WHOLE, record("users", {**JANE, "id": 3})], "'users'"),
        ([*WHOLE[:3], record("users", {**JANE, "id": 3}), *WHOLE[3:]], "'users'"),
        ([*WHOLE[:3], state(users=2), *WHOLE[4:6], state("x", users=2, work_contracts=1)], None),
        (
            [schema("users", USERS), schema("work_contracts", CONTRACTS), state(users=0, work_contracts=0)],
            "no user",
        ),
    ],
)
def test_a_partial_import_is_refused(sandbox: Sandbox, messages: list[dict[str, Any]], told: str | None) -> None:
    """The target uploads nothing unless one run marked both streams complete."""
    if told is None:  # another run marked the stream again after all its records had arrived
        assert sandbox.target(lines(messages)).exit_code == 0
        return
    refused(sandbox, lines(messages), told)


def test_a_filtered_stream_is_a_choice(sandbox: Sandbox) -> None:
    """The target refuses a stream that something filtered, unless `accept_filtered` is set."""
    filtered = lines([*WHOLE[:2], *WHOLE[3:]])
    refused(sandbox, filtered, "'accept_filtered'")
    sandbox.target_settings = {"accept_filtered": True}
    assert sandbox.target(filtered).exit_code == 0
    assert [entity["id"] for entity in sandbox.entities] == ["1"]
    nobody = sandbox.target(lines([*WHOLE[:1], *WHOLE[3:]]))
    assert nobody.exit_code == 1
    assert "'users'" in nobody.log
    assert len(sandbox.elimity.snapshots) == 1


def test_an_incremental_stream_is_refused(sandbox: Sandbox) -> None:
    """The target refuses an incremental stream, even if a run marked it complete."""
    incremental = schema("users", USERS, bookmark_properties=["modifiedAt"])
    refused(sandbox, lines([incremental, *WHOLE[1:]]), "The stream 'users' is incremental")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not json\n", "not valid JSON"),
        (lines(WHOLE)[:-30], "not valid JSON: the tap was stopped in the middle of it"),
        ("[]\n", "not a Singer message"),
        ('{"type": "RECORD", "stream": "users"}\n', "RECORD"),
        ('{"stream": "users"}\n', "not a Singer message"),
        ('{"type": ["RECORD"], "stream": "users"}\n', "not a Singer message"),
        (lines([WHOLE[0], {"type": "RECORD", "stream": "users", "record": []}]), "RECORD"),
        ('{"type": "STATE", "value": null}\n', "STATE"),
        ('{"type": "STATE", "value": {"bookmarks": {"users": "2020-01-01"}}}\n', "STATE"),
        ('{"type": "SCHEMA", "stream": "users", "schema": []}\n', "SCHEMA"),
        ('{"type": "SCHEMA", "stream": "users", "schema": true}\n', "SCHEMA"),
        ('{"type": "SCHEMA", "stream": "users", "schema": {"properties": 5}}\n', "SCHEMA"),
        ('{"type": "SCHEMA", "stream": "users", "schema": {"properties": {"id": 5}}}\n', "SCHEMA"),
        (f'{{"type": "SCHEMA", "stream": "users", "schema": {{"properties": {{"x": {deep(900)}}}}}}}\n', "'x'"),
        (f'{{"type": "RECORD", "stream": "users", "record": {{"x": {deep(100_000)}}}}}\n', "not valid JSON"),
        ('{"type": "Jane Doe"}\n', "RECORD"),
        ('{"type": "BATCH", "stream": "users", "encoding": {}, "manifest": []}\n', "BATCH messages are not supported"),
        (lines([record("users", JANE)]), "before the SCHEMA"),
    ],
)
def test_input_that_is_no_singer_is_refused(sandbox: Sandbox, text: str, told: str) -> None:
    """Input that isn't Singer, or is cut because the tap was killed, ends the run and isn't quoted."""
    refused(sandbox, text, told)


def test_a_schema_that_is_nested_too_deeply_is_refused(sandbox: Sandbox) -> None:
    """Whether Python's limit of recursion is met while decoding, as in 3.11, or afterwards, as since 3.12."""
    department = deep(3000).replace("x", "items")
    refused(
        sandbox, f'{{"type":"SCHEMA","stream":"users","schema":{{"properties":{{"department":{department}}}}}}}\n', ""
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**JANE, "mail": 7}, "'mail'"),
        ({**JANE, "mail": {"jane@acme.example": "x"}}, "'mail'"),
        ({**JANE, "name": True}, "'name'"),
        ({**JANE, "id": "one"}, "'id'"),
        ({**JANE, "id": True}, "'id'"),
        ({**JANE, "id": 2**70}, "'id'"),
        ({**JANE, "id": 1.0}, "'id'"),
        ({**JANE, "manager": "jane@acme.example"}, "'manager'"),
        ({**JANE, "department": {"id": 1, "name": ["x"]}}, "'department.name'"),
        ({**JANE, "habilitedRoles": [{"id": 1}, {"id": "jane@acme.example"}]}, "'habilitedRoles[1].id'"),
        ({**JANE, "dtContractEnd": "soon"}, "'dtContractEnd'"),
        ({**JANE, "dtContractEnd": 1420070400}, "'dtContractEnd'"),
        ({"name": "Nobody", "dtContractEnd": None}, "'id'"),
    ],
)
def test_a_record_that_breaks_the_schema_fails_the_run(sandbox: Sandbox, row: dict[str, Any], told: str) -> None:
    """The target names the field, but not the value, which is personal."""
    refused(sandbox, lines([WHOLE[0], record("users", row), *WHOLE[2:]]), told)
    assert "jane@acme.example" not in "".join(sandbox.alerts)


@pytest.mark.parametrize(("stream", "field"), [("users", "dtContractEnd"), ("work_contracts", "ownerId")])
def test_a_field_that_an_import_needs_may_not_be_deselected(sandbox: Sandbox, stream: str, field: str) -> None:
    """The target refuses a schema without such a field. Without end dates, every leaver would look active."""
    properties = {**(USERS if stream == "users" else CONTRACTS)}
    del properties[field]
    for left in (properties, {}):
        sandbox.elimity.connector_logs.clear()
        refused(sandbox, lines([schema(stream, left)]), field)


@pytest.mark.parametrize(
    ("stream", "field", "lacking"),
    [
        ("users", "dtContractEnd", "1 of 2"),
        ("users", "dtContractEnd", "2 of 2"),
        ("work_contracts", "ownerId", "1 of 1"),
        ("work_contracts", "startsOn", "1 of 1"),
        ("work_contracts", "endsOn", "1 of 1"),
        ("work_contracts", "isApplicable", "1 of 1"),
    ],
)
def test_absent_is_not_null(sandbox: Sandbox, stream: str, field: str, lacking: str) -> None:
    """Lucca omits fields that the key may not see. The target counts the records without a needed field and refuses."""
    left = int(lacking[0])
    messages = []
    for message in WHOLE:
        changed = message
        if message["type"] == "RECORD" and message["stream"] == stream and left:
            changed = record(stream, {name: value for name, value in message["record"].items() if name != field})
            left -= 1
        messages.append(changed)
    reason = refused(sandbox, lines(messages), f"'{field}'")
    assert lacking in reason


@pytest.mark.parametrize(
    ("stream", "properties", "named"),
    [
        ("users", {"work_mail": {"type": ["string", "null"]}}, "'work_mail'"),
        ("users", {"department__name": {"type": ["string", "null"]}}, "'department__name'"),
        ("users", {"legalEntity.name": {"type": ["string", "null"]}}, "'legalEntity.name'"),
        ("users", {"department": {"type": "object", "properties": {"title": {}}}}, "'department.title'"),
        ("users", {"legalEntity": {"type": "object", "properties": {"code": {}}}}, "'legalEntity.code'"),
        ("users", {"habilitedRoles": {"items": {"properties": {"id": {}, "label": {}}}}}, "'habilitedRoles.label'"),
        ("users", {"manager": {"anyOf": [{"properties": {"boss": {}}}, {"type": "null"}]}}, "'manager.boss'"),
        (
            "users",
            {"habilitedRoles": {"oneOf": [{"items": [{"properties": {"label": {}}}]}]}},
            "'habilitedRoles.label'",
        ),
        ("work_contracts", {"type": {"properties": {"label": {}}}}, "'type.label'"),
        ("users", {f"more{number}": {"type": "string"} for number in range(20_000)}, "'more0'"),
    ],
)
def test_a_property_that_an_import_does_not_know_is_refused_by_name(
    sandbox: Sandbox, stream: str, properties: dict[str, Any], named: str
) -> None:
    """At any depth. Something between Lucca and the target renamed a field, which would empty an attribute silently."""
    known = USERS if stream == "users" else CONTRACTS
    reason = refused(sandbox, lines([schema(stream, {**known, **properties})]), named)
    for cause in ("flattening_enabled", "stream map or mapper", "newer than the target"):
        assert cause in reason
    assert len(reason) < 1000


def test_a_field_that_a_map_renames_is_refused(sandbox: Sandbox) -> None:
    """Renaming the mail address would import everybody without one."""
    sandbox.tap_settings = {"stream_maps": {"users": {"work_mail": "mail", "mail": "__NULL__"}}}
    tap, target = sandbox.pipeline()
    assert (tap.exit_code, target.exit_code) == (0, 1)
    assert "'work_mail'" in target.log
    assert sandbox.elimity.snapshots == []


def test_masks_metadata_and_unused_fields_do_no_harm(sandbox: Sandbox) -> None:
    """The target takes fields under their own names, whatever their schema says; unused ones may hold anything."""
    properties = {
        **USERS,
        "mail": {},
        "name": {"type": ["string", "null"], "pattern": "(["},
        "department": {"type": ["object", "null"]},
        "_sdc_extracted_at": {"type": "string"},
    }
    rows = [record("users", {**JANE, "mail": "5f4dcc3b", "_sdc_extracted_at": "2026-01-31T00:00:00Z"}), WHOLE[2]]
    unused = {"externalId": 2**70, "establishmentId": "13", "createdAt": [], "lastModifiedAt": {"x": 1}}
    contracts = [
        schema("work_contracts", CONTRACTS | {name: {} for name in unused}),
        record("work_contracts", HERS | unused),
    ]
    messages = [schema("users", properties), *rows, WHOLE[3], *contracts, WHOLE[6]]
    assert sandbox.target(lines(messages)).exit_code == 0


def test_deselected_fields_are_not_assigned(sandbox: Sandbox) -> None:
    """The snapshot lacks the fields that the tap's catalog deselects, and nothing else."""
    properties = {name: kind for name, kind in USERS.items() if name != "mail"}
    rows = [record("users", {name: value for name, value in JANE.items() if name != "mail"})]
    messages = [schema("users", properties), *rows, *WHOLE[4:6], state(users=1, work_contracts=1)]
    assert sandbox.target(lines(messages)).exit_code == 0
    (entity,) = sandbox.entities
    assert [row["attributeTypeId"] for row in entity["attributeAssignments"]] == ["status", "contractType"]


def test_hostile_strings_arrive_as_they_are(sandbox: Sandbox) -> None:
    """Markup, quotes, control characters, right-to-left text and long names arrive unchanged."""
    names = ["<script>alert(1)</script>", 'O\'Hara "x"', "\u0000\u0001\n\t", "شركة", "王小明", "🦊", "=1+1", "x" * 5000]
    rows = [record("users", {**JANE, "id": number, "name": name}) for number, name in enumerate(names, 1)]
    messages = [WHOLE[0], *rows, *WHOLE[4:6], state(users=len(names), work_contracts=1)]
    assert sandbox.target(lines(messages)).exit_code == 0
    assert [entity["name"] for entity in sandbox.entities] == names


def test_a_dry_run_writes_the_snapshot_and_uploads_nothing(sandbox: Sandbox) -> None:
    """A dry run needs no credentials, applies the same checks, and emits no STATE because nothing was accepted."""
    folder = sandbox.folder / "new" / "output"
    config = sandbox.file("dry.json", {"output_path": str(folder)})
    target = run("target-elimity", "--config", config, text=lines(WHOLE))
    assert target.exit_code == 0
    assert target.stdout == ""
    snapshot = json.loads((folder / "snapshot.json").read_bytes())
    assert sandbox.target(lines(WHOLE)).exit_code == 0
    assert sandbox.elimity.current
    assert snapshot == sandbox.elimity.current.body
    assert run("target-elimity", "--config", config, text=lines(WHOLE[:-1])).exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["employees.csv", "report.html", "snapshot.json"]


def test_the_data_model_is_checked_before_the_first_record(sandbox: Sandbox) -> None:
    """Before it reads its input, the target names all differences at once, and the command that helps."""
    sandbox.elimity.data_model = {
        **sandbox.elimity.data_model,
        "entityAttributeTypes": sandbox.elimity.data_model["entityAttributeTypes"][2:],
    }
    target = sandbox.target("this is never read")
    assert target.exit_code == 1
    assert "the attribute Login (login) is missing; the attribute Email (email) is missing" in target.log
    assert "`target-elimity --data-model`" in target.log


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"source_token": "wrong"}, "'source_id' or 'source_token' is wrong"),
        ({"source_id": "77"}, "answers 40"),
    ],
)
def test_wrong_credentials_are_told_at_once(sandbox: Sandbox, settings: dict[str, Any], told: str) -> None:
    """The target checks the credentials before it reads its input."""
    sandbox.target_settings = settings
    target = sandbox.target("this is never read")
    assert target.exit_code == 1
    assert told in target.log
    assert "Traceback" not in target.log


def test_check(sandbox: Sandbox) -> None:
    """`--check` reports that credentials and data model are right, or what is wrong, and uploads nothing."""
    well = sandbox.target("", "--check")
    assert well.exit_code == 0
    assert "accepts the credentials of source 1" in well.stdout
    assert f"all {len(ATTRIBUTES)} attributes" in well.stdout
    sandbox.target_settings = {"source_token": "wrong"}
    ill = sandbox.target("", "--check")
    assert ill.exit_code == 1
    assert "'source_token' is wrong" in ill.log
    assert sandbox.elimity.snapshots == []
    assert sandbox.elimity.connector_logs == []


@pytest.mark.parametrize("model", [{}, [], None, "x", {"entityTypes": [{}]}])
def test_a_data_model_that_is_none(sandbox: Sandbox, model: Any) -> None:
    """If the answer isn't a data model, the target fails and names the setting 'url'."""
    sandbox.elimity.data_model = model
    target = sandbox.target("", "--check")
    assert target.exit_code == 1
    assert "answers with something that is no data model; check the setting 'url'" in target.log
    assert "Traceback" not in target.log


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=str)
@pytest.mark.parametrize(
    ("dry", "told"),
    [(False, "no data model; check the setting 'url'"), (True, "no list of sources; check the URL of the server")],
)
def test_a_url_that_answers_with_a_web_page(sandbox: Sandbox, arguments: tuple[str, ...], dry: bool, told: str) -> None:
    """The target fails at once, before the first record, and names the URL: no retry makes it the right one."""
    sandbox.elimity.faults.add(Fault("/", "html", count=None))
    sandbox.target_settings = {"output_path": str(sandbox.folder / "output"), **sandbox.api_token} if dry else {}
    target = sandbox.target("this is never read", *arguments)
    assert target.exit_code == 1
    assert told in target.log
    assert "waiting" not in target.log
    assert "JSON" not in target.log


@pytest.mark.parametrize("bookmark", ["x", {"employees": 50}, {"employees": None, "active": 1}, []])
def test_a_bookmark_that_cannot_be_read_compares_nothing(sandbox: Sandbox, bookmark: Any) -> None:
    """The target imports as if nothing had been imported before."""
    assert sandbox.target(lines([*WHOLE[:-1], state(bookmark=bookmark, users=2, work_contracts=1)])).exit_code == 0


def test_only_2xx_is_success(sandbox: Sandbox) -> None:
    """The target treats any redirect, even one without an address, as a failed upload."""
    sandbox.elimity.faults.add(Fault("/api/sources/1/snapshots", "redirect", location=""))
    target = sandbox.target(lines(WHOLE))
    assert (target.exit_code, target.stdout) == (1, "")
    assert "answers 302" in target.log


def test_a_log_line_that_cannot_be_written_fails_nothing(sandbox: Sandbox) -> None:
    """If a line can't be written to the Logs tab, the target logs that and imports anyway."""
    sandbox.elimity.faults.add(Fault("/api/sources/1/connector-logs", 500, count=None))
    target = sandbox.target(lines(WHOLE))
    assert target.exit_code == 0
    assert len(sandbox.elimity.snapshots) == 1
    assert "Logs tab failed" in target.log


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"url": "http://elimity.example"}, "'url'"),
        ({"url": "elimity.example"}, "'url'"),
        ({"url": "https://me:secret@elimity.example"}, "'url'"),
        ({"url": "https://elimity.example?x=1"}, "'url'"),
        ({"url": "https://[::1"}, "'url'"),
        ({"source_id": "../1"}, "'source_id' must be "),
        ({"source_token": 98765.4321}, "'source_token' must be "),
        ({"timezone": "Mars/Olympus"}, "'timezone'"),
        ({"timezone": "../../etc/passwd"}, "'timezone'"),
        ({"max_removed_percent": 101}, "'max_removed_percent' must be "),
        ({"max_deactivated_percent": -1}, "'max_deactivated_percent' must be "),
        ({"contract_type_names": {"1": 2}}, "'contract_type_names' must be "),
        ({"client_private_key": "client.key"}, "'client_certificate' is missing"),
        ({"client_certificate": "absent.pem"}, "'client_certificate' names a file that does not exist"),
        ({"ca_bundle": "absent.pem"}, "'ca_bundle' names a file that does not exist"),
        ({"request_timeout": 0}, "'request_timeout' must be "),
    ],
)
def test_a_bad_setting_is_refused_by_name(sandbox: Sandbox, settings: dict[str, Any], told: str) -> None:
    """The target names the setting, never its value, and sends no request to Elimity Insights."""
    sandbox.target_settings = settings
    target = sandbox.target(lines(WHOLE))
    assert target.exit_code == 1
    assert told in target.log
    assert not any(secret in target.log for secret in ("987654321", "me:secret"))
    assert "Traceback" not in target.log
    assert sandbox.elimity.requests == []


def test_missing_settings_are_named(sandbox: Sandbox) -> None:
    """Without the settings of a dry run, the target requires URL and credentials."""
    target = run("target-elimity", "--config", sandbox.file("empty.json", {}), text=lines(WHOLE))
    assert target.exit_code == 1
    for name in ("url", "source_id", "source_token"):
        assert f"The setting '{name}' is missing" in target.log


def test_a_variable_that_is_not_what_its_setting_must_be() -> None:
    """The target names a variable with a malformed number or object, without a traceback."""
    for name, value in (("REQUEST_TIMEOUT", "soon"), ("CONTRACT_TYPE_NAMES", "{")):
        target = run("target-elimity", "--config=ENV", env={f"TARGET_ELIMITY_{name}": value})
        assert target.exit_code == 1
        assert f"TARGET_ELIMITY_{name}" in target.log
        assert "Traceback" not in target.log


def test_settings_from_the_environment(sandbox: Sandbox) -> None:
    """`--config=ENV` reads TARGET_ELIMITY_… variables, as a Meltano command does."""
    target = run(
        "target-elimity",
        "--config=ENV",
        text=lines(WHOLE),
        env={
            "TARGET_ELIMITY_URL": sandbox.elimity_url + "/",
            "TARGET_ELIMITY_SOURCE_ID": "1",
            "TARGET_ELIMITY_SOURCE_TOKEN": sandbox.elimity.source_token,
            "TARGET_ELIMITY_CONTRACT_TYPE_NAMES": '{"1": "CDI"}',
        },
    )
    assert target.exit_code == 0
    assert sandbox.entities[0]["attributeAssignments"][-1]["value"]["value"] == "CDI"


@pytest.mark.parametrize("label", ["", " "])
def test_a_blank_label_of_a_contract_type_counts_as_none(sandbox: Sandbox, label: str) -> None:
    """The contract type is its id, as without a label, not an empty text."""
    sandbox.target_settings = {"contract_type_names": {"1": label}}
    assert sandbox.target(lines(WHOLE)).exit_code == 0
    assert values_of(sandbox.entities[0])["contractType"] == "1"


def test_time_zones_need_nothing_of_the_system(sandbox: Sandbox) -> None:
    """Without a database of time zones, zones are known, and a wrong one is refused before the first record."""
    messages = [*WHOLE[:1], record("users", JANE | {"modifiedAt": "2026-07-01T12:00:00"}), *WHOLE[2:]]
    without = {"PYTHONTZPATH": "/nonexistent"}
    config = sandbox.file("target.json", {**sandbox.target_config, "timezone": "Pacific/Auckland"})
    assert run("target-elimity", "--config", config, text=lines(messages), env=without).exit_code == 0
    assert values_of(sandbox.entities[0])["lastModified"] == "2026-07-01T00:00:00"
    config = sandbox.file("target.json", {**sandbox.target_config, "timezone": "Europe/Atlantis"})
    target = run("target-elimity", "--config", config, text="this is never read", env=without)
    assert target.exit_code == 1
    assert "'timezone'" in target.log.splitlines()[-1]


def test_a_stream_that_never_came_is_refused(sandbox: Sandbox) -> None:
    """The target refuses a stream with a mark of 0 records but no SCHEMA: its attributes would be emptied."""
    refused(sandbox, lines([*WHOLE[:3], state(users=2, work_contracts=0)]), "'work_contracts'")


def test_two_marks_of_one_run_that_differ_are_refused(sandbox: Sandbox) -> None:
    """The target refuses an import in which one run marked a stream with two different counts."""
    refused(sandbox, lines([*WHOLE[:3], state(users=100), *WHOLE[3:]]), "'users'")


def test_a_state_without_bookmarks_at_the_end_does_no_harm(sandbox: Sandbox) -> None:
    """A last STATE without bookmarks doesn't remove the completion marks before it."""
    target = sandbox.target(lines([*WHOLE, {"type": "STATE", "value": {"bookmarks": None}}]))
    assert target.exit_code == 0
    assert "target-elimity" in target.messages[-1]["bookmarks"]


def test_a_narrower_schema_takes_nothing_back(sandbox: Sandbox) -> None:
    """If no record has a field that the last import had and the first SCHEMA has, a right is lost."""
    wider = schema("users", {**USERS, "jobTitle": {"type": ["string", "null"]}})
    remembered = {"employees": 2, "active": 1, "fields": ["jobTitle"]}
    messages = [wider, *WHOLE[1:3], *WHOLE[:1], *WHOLE[3:-1], state(bookmark=remembered, users=2, work_contracts=1)]
    refused(sandbox, lines(messages), "jobTitle")
