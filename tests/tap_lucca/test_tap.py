"""The tap as its users run it: the console script against a Lucca."""

import json
from importlib.metadata import version
from typing import Any

import pytest

from sandbox.awkward import as_manager
from sandbox.lucca import USERS, WORK_CONTRACTS
from tests.harness import ROOT, Run, Sandbox, run

SENSITIVE = ("birth", "iban", "bank", "socialSecurity", "address", "personal", "gender", "nationality", "picture")


def completion(tap: Run, stream: str) -> dict[str, Any] | None:
    """Return the completion mark of a stream in the last STATE."""
    mark: dict[str, Any] | None = tap.state.get("bookmarks", {}).get(stream, {}).get("completion")
    return mark


def test_both_streams_are_read_completely(sandbox: Sandbox) -> None:
    """Every user, former employees included, and every work contract arrive, each once."""
    tap = sandbox.tap()
    assert tap.exit_code == 0
    for stream, rows in (("users", sandbox.lucca.company.users), ("work_contracts", sandbox.contracts)):
        assert sorted(record["id"] for record in tap.records(stream)) == sorted(row["id"] for row in rows)


def test_records_are_what_lucca_holds(sandbox: Sandbox) -> None:
    """Records keep Lucca's names, nesting and values, and contain only fields of the schema."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    schemas = {stream["tap_stream_id"]: stream["schema"]["properties"] for stream in catalog["streams"]}
    users: dict[int, Any] = {user["id"]: user for user in sandbox.lucca.company.users}
    for record in sandbox.tap().records("users"):
        assert set(record) == set(schemas["users"])
        raw = users[record["id"]]
        for name, value in record.items():
            if isinstance(value, dict):
                assert value == {key: raw[name][key] for key in schemas["users"][name]["properties"]}
            elif isinstance(value, list):
                assert value == [{"id": role["id"], "name": role["name"]} for role in raw[name]]
            else:
                assert value == raw[name]


def test_nothing_sensitive_is_asked_for_or_passed_on(sandbox: Sandbox) -> None:
    """The tap never requests bank details, birth dates, addresses …, and drops the other fields of contracts."""
    tap = sandbox.tap()
    asked = "".join(request.query.get("fields", "") for request in sandbox.lucca.requests)
    assert [word for word in SENSITIVE if word.lower() in asked.lower()] == []
    assert {name for record in tap.records("work_contracts") for name in record} <= {
        "id",
        "ownerId",
        "externalId",
        "startsOn",
        "endsOn",
        "isApplicable",
        "typeId",
        "type",
        "establishmentId",
        "createdAt",
        "lastModifiedAt",
    }


def test_requests_are_those_of_the_documentation(sandbox: Sandbox) -> None:
    """The tap requests users ordered by id, former employees included, and contracts that aren't archived."""
    sandbox.tap()
    users, *_ = [request.query for request in sandbox.lucca.requests if request.path == USERS]
    contracts, *_ = [request.query for request in sandbox.lucca.requests if request.path == WORK_CONTRACTS]
    assert users["orderBy"] == "id,asc"
    assert users["formerEmployees"] == "true"
    assert users["fields"].endswith(",collection.count")
    assert contracts == {"page": "1", "limit": "1000", "fields.root": "count", "isArchived": "false"}


def test_former_employees_can_be_left_out(sandbox: Sandbox) -> None:
    """`former_employees: false` reads fewer people, and only users without a past end date."""
    everybody = len(sandbox.lucca.company.users)
    sandbox.tap_settings = {"former_employees": False}
    assert 0 < len(sandbox.tap().records("users")) < everybody


@pytest.mark.parametrize("settings", [{"page_size": 1}, {"page_size": 7}, {"page_size": 1000}])
def test_any_page_size_reads_everybody(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    """The page size changes the number of requests, never the result."""
    sandbox.tap_settings = settings
    tap = sandbox.tap()
    assert len(tap.records("users")) == len(sandbox.lucca.company.users)
    assert len(tap.records("work_contracts")) == len(sandbox.contracts)


def test_a_server_that_caps_its_pages_loses_nobody(sandbox: Sandbox) -> None:
    """The tap advances by the rows it received, not by the rows it requested."""
    sandbox.lucca.max_page = 100
    tap = sandbox.tap()
    assert len(tap.records("users")) == len(sandbox.lucca.company.users)
    assert len(tap.records("work_contracts")) == len(sandbox.contracts)


def test_completion_marks_say_run_and_count(sandbox: Sandbox) -> None:
    """Both streams end with the mark of this run, and each run has its own id."""
    first, second = sandbox.tap(), sandbox.tap()
    for tap in (first, second):
        users, contracts = completion(tap, "users"), completion(tap, "work_contracts")
        assert users
        assert contracts
        assert users["records"] == len(tap.records("users"))
        assert contracts["records"] == len(tap.records("work_contracts"))
        assert users["run_id"] == contracts["run_id"]
    assert completion(first, "users") != completion(second, "users")


def test_an_earlier_state_never_looks_like_completion(sandbox: Sandbox) -> None:
    """The SDK emits a loaded state first. By then, the tap has removed the earlier marks, but no other bookmarks."""
    state = {**sandbox.tap().state}
    state["bookmarks"]["target-elimity"] = {"employees": 250, "active": 180}
    sandbox.lucca.forbidden_paths = frozenset({WORK_CONTRACTS})
    tap = sandbox.tap("--state", sandbox.file("state.json", state))
    assert tap.exit_code == 1
    assert tap.messages[0]["type"] == "STATE"
    assert tap.messages[0]["value"]["bookmarks"] == {
        "users": {},
        "work_contracts": {},
        "target-elimity": {"employees": 250, "active": 180},
    }
    assert completion(tap, "users")
    assert completion(tap, "work_contracts") is None


def test_what_the_catalog_deselects_is_never_requested(sandbox: Sandbox) -> None:
    """Deselected properties, nested ones and whole objects too, appear in no request, record or schema."""
    catalog = json.loads(run("tap-lucca", "--discover").stdout)
    deselected = (
        ["properties", "mail"],
        ["properties", "manager"],
        ["properties", "department", "properties", "code"],
    )
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = entry["breadcrumb"] not in deselected
    tap = sandbox.tap("--catalog", sandbox.file("catalog.json", catalog))
    assert tap.exit_code == 0
    fields = next(request.query["fields"] for request in sandbox.lucca.requests if request.path == USERS)
    assert "department[id,name]," in fields
    assert "mail" not in fields
    assert "manager" not in fields
    assert all("mail" not in record and "manager" not in record for record in tap.records("users"))
    assert "BTL" not in tap.stdout
    schema = next(message["schema"] for message in tap.messages if message["type"] == "SCHEMA")
    assert not {"mail", "manager"} & set(schema["properties"])


def test_a_field_that_only_the_catalog_names_is_not_requested(sandbox: Sandbox) -> None:
    """Editing a catalog can't make the tap read sensitive data."""
    catalog = json.loads(run("tap-lucca", "--discover").stdout)
    for stream in catalog["streams"]:
        stream["schema"]["properties"]["birthDate"] = {"type": ["string", "null"]}
    tap = sandbox.tap("--catalog", sandbox.file("catalog.json", catalog))
    assert tap.exit_code == 0
    assert all("birthDate" not in request.query.get("fields", "") for request in sandbox.lucca.requests)


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ({"api_key": "wrong"}, "the API key is wrong or revoked; check the setting 'api_key'"),
        ({"forbidden_paths": frozenset({USERS})}, "must be given the right to read users"),
        ({"forbidden_paths": frozenset({WORK_CONTRACTS})}, "must be given the right to read work contracts"),
    ],
)
def test_a_refusal_says_what_to_do(sandbox: Sandbox, flaw: dict[str, Any], told: str) -> None:
    """401 and 403 end the run with a message that names the setting to check or the missing right."""
    if "api_key" in flaw:
        sandbox.tap_settings = flaw
    else:
        sandbox.lucca.forbidden_paths = flaw["forbidden_paths"]
    tap = sandbox.tap()
    assert tap.exit_code == 1
    assert told in tap.log
    assert "Traceback" not in tap.log


def test_a_host_that_is_no_lucca(sandbox: Sandbox) -> None:
    """After a 404, the tap fails and names the setting 'host'."""
    sandbox.tap_settings = {"host": sandbox.elimity_url}
    tap = sandbox.tap()
    assert tap.exit_code == 1
    assert "check the setting 'host'" in tap.log


@pytest.mark.parametrize("host", ["{bare}", "{url}", "{url}/"], ids=["without scheme", "with scheme", "with a slash"])
def test_the_host_is_accepted_as_people_write_it(sandbox: Sandbox, host: str) -> None:
    """A host may have a scheme and a trailing slash. http is accepted only for loopback."""
    bare = sandbox.lucca_url.removeprefix("http://")
    sandbox.tap_settings = {"host": host.format(bare=bare, url=sandbox.lucca_url), "max_retry_seconds": 0}
    tap = sandbox.tap()
    if host == "{bare}":  # the tap uses https, which the sandbox doesn't serve: the error proves it
        assert tap.exit_code == 1
        assert "TLS" in tap.log
    else:
        assert tap.exit_code == 0


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": "http://acme.ilucca.net"}, "'host' is not the URL of a Lucca instance: it must be https"),
        ({"host": "https://acme.ilucca.net/timmi"}, "it must not contain a path"),
        ({"host": "https://me:secret@acme.ilucca.net"}, "it must not contain credentials"),
        ({"host": "https://acme.ilucca.net?x=1"}, "it must not contain a query"),
        ({"host": "ftp://acme.ilucca.net"}, "it must begin with https://"),
        ({"host": "https://"}, "'host' is not the URL of a Lucca instance"),
        ({"host": "acme.ilucca.net:99999"}, "its port must be a number"),
        ({"host": ""}, "'host' is missing: it is empty"),
        ({"api_key": ""}, "'api_key' is missing: it is empty"),
        ({"api_key": 12345.6789}, "'api_key' must be "),
        ({"api_key": "a newline behind\n"}, "'api_key' must be "),
        ({"api_key": "two\nlines"}, "'api_key' must be "),
        ({"page_size": 0}, "'page_size' must be "),
        ({"page_size": 1001}, "'page_size' must be "),
        ({"requests_per_minute": 0}, "'requests_per_minute' must be "),
        ({"request_timeout": "soon"}, "'request_timeout' must be "),
        ({"former_employees": "perhaps"}, "'former_employees' must be "),
        ({"start_date": "2026-01-31"}, "'start_date' is unknown"),
    ],
)
def test_a_bad_setting_is_refused_by_name(sandbox: Sandbox, settings: dict[str, Any], told: str) -> None:
    """The tap names the setting, never its value, and sends no request to Lucca."""
    sandbox.tap_settings = settings
    for arguments in ((), ("--test",)):
        tap = sandbox.tap(*arguments)
        assert tap.exit_code == 1
        assert told in tap.log
        assert not any(str(secret) in tap.log for secret in (123456789, "me:secret"))
        assert "Traceback" not in tap.log
    assert sandbox.lucca.requests == []


def test_missing_settings_are_named(sandbox: Sandbox) -> None:
    """The tap refuses to run without a host and a key. There is no default host."""
    tap = run("tap-lucca", "--config", sandbox.file("empty.json", {}))
    assert tap.exit_code == 1
    assert "The setting 'host' is missing" in tap.log
    assert "The setting 'api_key' is missing" in tap.log


@pytest.mark.parametrize("content", ["{", "not json"])
def test_a_configuration_file_that_is_none(sandbox: Sandbox, content: str) -> None:
    """The tap refuses a malformed or missing file with one message."""
    broken = sandbox.folder / "broken.json"
    broken.write_text(content)
    for path, told in ((broken, "is not valid JSON"), (sandbox.folder / "absent.json", "was not found")):
        tap = run("tap-lucca", "--config", path)
        assert tap.exit_code == 1
        assert told in tap.log
        assert "Traceback" not in tap.log


@pytest.mark.parametrize("option", ["--state", "--catalog"])
@pytest.mark.parametrize(
    "content",
    [
        {"bookmarks": None, "streams": None},
        {"bookmarks": {"users": []}, "streams": [{}]},
        {"bookmarks": {"users": {"partitions": [{}]}}},
        {"bookmarks": {"users": {"progress_markers": None}}, "streams": {}},
        {"bookmarks": [], "streams": [{"tap_stream_id": "users", "metadata": {}}]},
        {"bookmarks": [], "streams": [{"tap_stream_id": "users", "metadata": [{"breadcrumb": [], "metadata": []}]}]},
        {
            "bookmarks": [],
            "streams": [{"tap_stream_id": "users", "metadata": [
                {"breadcrumb": ["properties", "mail"], "metadata": {"selected": "false"}}
            ]}],
        },
    ],
)  # fmt: skip
def test_a_file_of_another_form(sandbox: Sandbox, option: str, content: dict[str, Any]) -> None:
    """The tap refuses JSON that isn't a state or a catalog with one message."""
    tap = sandbox.tap(option, sandbox.file("odd.json", content))
    assert tap.exit_code == 1
    assert "not of the form that Singer gives it" in tap.log
    assert "Traceback" not in tap.log
    assert sandbox.lucca.requests == []


@pytest.mark.parametrize(
    "state", [{"singer_state": {"bookmarks": {}}}, {"type": "STATE", "value": {"bookmarks": {}}}, {"completed": {}}]
)
def test_a_state_in_another_wrapping_is_refused(sandbox: Sandbox, state: dict[str, Any]) -> None:
    """A state that is neither empty nor has bookmarks would count as no state. The tap says what it must be."""
    tap = sandbox.tap("--state", sandbox.file("state.json", state))
    assert (tap.exit_code, tap.stdout) == (1, "")
    assert "The state has no 'bookmarks'" in tap.log
    assert "'singer_state'" in tap.log
    assert sandbox.lucca.requests == []


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}, {"bookmarks": {}, "currently_syncing": "users"}])
def test_a_state_that_remembers_nothing_is_accepted(sandbox: Sandbox, state: dict[str, Any]) -> None:
    """An empty state is a state, and so is one with other keys beside its bookmarks."""
    assert sandbox.tap("--state", sandbox.file("state.json", state)).exit_code == 0


@pytest.mark.parametrize("flaw", ["another name", "depth", "no id", "id deselected"])
def test_a_catalog_that_the_tap_did_not_write(sandbox: Sandbox, flaw: str) -> None:
    """The tap refuses a stream under another name or without its key, and endless nesting, with one message."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    if flaw == "depth":
        catalog["streams"][0]["schema"] = "…"
    elif flaw == "no id":
        del catalog["streams"][1]["schema"]["properties"]["id"]
    elif flaw == "id deselected":
        (entry,) = (row for row in catalog["streams"][0]["metadata"] if row["breadcrumb"] == ["properties", "id"])
        entry["metadata"] = {"inclusion": "available", "selected": False}
    else:
        catalog["streams"][0]["stream"] = "people"
    file = sandbox.file("catalog.json", catalog)
    deep = '{"properties": {"inner": ' * 5000 + "{}" + "}}" * 5000
    file.write_text(file.read_text().replace(json.dumps("…"), deep))
    tap = sandbox.tap("--catalog", file)
    assert tap.exit_code == 1
    assert "The catalog" in tap.log
    assert "Traceback" not in tap.log


@pytest.mark.parametrize(
    ("entry", "metadata"),
    [
        ({"replication_method": "INCREMENTAL", "replication_key": "modifiedAt"}, {}),
        ({"replication_method": None}, {"replication-method": "INCREMENTAL", "replication-key": "modifiedAt"}),
        ({"replication_method": "FULL_TABLE"}, {"replication-method": "INCREMENTAL"}),
        ({"replication_method": "FULL_TABLE"}, {"forced-replication-method": "INCREMENTAL"}),
        ({"replication_method": None, "replication_key": "modifiedAt"}, {}),
        ({"replication_method": None}, {"replication-key": "modifiedAt"}),
    ],
)
@pytest.mark.parametrize("stream", ["users", "work_contracts"])
def test_a_catalog_that_asks_for_incremental_is_refused(
    sandbox: Sandbox, stream: str, entry: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """The tap refuses INCREMENTAL wherever a catalog may say so, and a replication key alone, which means the same."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    (changed,) = (row for row in catalog["streams"] if row["tap_stream_id"] == stream)
    changed.update(entry)
    next(row for row in changed["metadata"] if not row["breadcrumb"])["metadata"].update(metadata)
    tap = sandbox.tap("--catalog", sandbox.file("catalog.json", catalog))
    assert (tap.exit_code, tap.stdout) == (1, "")
    assert f"The catalog asks for INCREMENTAL replication of '{stream}'" in tap.log
    assert sandbox.lucca.requests == []


def test_a_key_of_a_full_table_is_not_declared(sandbox: Sandbox) -> None:
    """If a catalog has a replication key beside FULL_TABLE, SCHEMA has no bookmark, and the stream is complete."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    for entry in catalog["streams"]:
        entry["replication_key"] = "id"
    tap = sandbox.tap("--catalog", sandbox.file("catalog.json", catalog))
    assert tap.exit_code == 0
    assert all("bookmark_properties" not in message for message in tap.messages)
    assert completion(tap, "users")


def test_the_key_stays_although_a_catalog_names_none(sandbox: Sandbox) -> None:
    """A catalog that names no key, as one written by hand, gets streams with their key: targets merge by it."""
    schema = {"properties": {"id": {"type": "integer"}}}
    catalog = {"streams": [{"tap_stream_id": stream, "schema": schema} for stream in ("users", "work_contracts")]}
    tap = sandbox.tap("--catalog", sandbox.file("catalog.json", catalog))
    assert tap.exit_code == 0
    assert [message["key_properties"] for message in tap.messages if message["type"] == "SCHEMA"] == [["id"]] * 2


@pytest.mark.parametrize(
    ("schema", "flattened"), [({"type": "string", "maxLength": 80}, 0), ({"anyOf": 5}, 0), ({"anyOf": [5]}, 1)]
)
def test_the_schema_of_a_property_is_the_catalogs(sandbox: Sandbox, schema: dict[str, Any], flattened: int) -> None:
    """SCHEMA has it as the catalog does. The tap refuses one that it can't flatten, with one message."""
    catalog = json.loads((ROOT / "tap-lucca/catalog.json").read_text())
    catalog["streams"][0]["schema"]["properties"]["mail"] = schema
    file = sandbox.file("catalog.json", catalog)
    tap = sandbox.tap("--catalog", file)
    assert tap.exit_code == 0
    announced = next(message["schema"] for message in tap.messages if message["type"] == "SCHEMA")
    assert announced["properties"]["mail"] == schema
    sandbox.tap_settings = {"flattening_enabled": True, "flattening_max_depth": 1}
    tap = sandbox.tap("--catalog", file)
    assert tap.exit_code == flattened
    assert ("The catalog has a schema that can't be used" in tap.log) == bool(flattened)
    assert "Traceback" not in tap.log


def test_an_unknown_kind_of_test_is_refused(sandbox: Sandbox) -> None:
    """The tap doesn't take it for `--test=all`, as the SDK does."""
    tap = sandbox.tap("--test=schemas")
    assert (tap.exit_code, tap.stdout) == (2, "")
    assert "'schema'" in tap.log
    assert sandbox.lucca.requests == []


def test_settings_from_the_environment(sandbox: Sandbox) -> None:
    """`--config=ENV` reads TAP_LUCCA_… variables; `--test` reads one record of each stream and logs that it worked."""
    tap = run(
        "tap-lucca",
        "--config=ENV",
        "--test",
        env={
            "TAP_LUCCA_HOST": sandbox.lucca_url,
            "TAP_LUCCA_API_KEY": sandbox.lucca.api_key,
            "TAP_LUCCA_PAGE_SIZE": "5",
        },
    )
    assert tap.exit_code == 0
    assert len(tap.records("users")) == len(tap.records("work_contracts")) == 1
    assert tap.state == {} or "completion" not in json.dumps(tap.state)
    (told,) = [line for line in tap.log.splitlines() if "users and work contracts" in line]
    assert sandbox.lucca_url.removeprefix("http://") in told
    assert "Skipping" not in tap.log  # the SDK would log that it skips these variables


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("jobTitle", "View employee jobs"),
        ("manager", "View employee managers"),
        ("manager.mail", "View employee managers"),
        ("department.code", "department"),
        ("habilitedRoles.name", "roles"),
        ("dtContractEnd", "the start and end dates of contracts"),
        ("mail", "users of the directory"),
    ],
)
def test_the_check_names_what_the_key_cannot_see(sandbox: Sandbox, field: str, right: str) -> None:
    """`--test` names a field that Lucca omits, at any depth, and the right in the words of the setup guide."""
    with sandbox.lucca.changing() as company:
        company.users[0]["manager"] = as_manager(company.users[1])
    sandbox.lucca.hidden_fields = frozenset({field})
    tap = sandbox.tap("--test")
    assert tap.exit_code == 0
    (warning,) = [line for line in tap.log.splitlines() if "WARNING" in line]
    assert f"Lucca shows no {field} to this API key" in warning
    assert right in warning
    assert right in (ROOT / "docs/setup.md").read_text(encoding="utf-8")
    assert "users and work contracts can be read" in tap.log
    assert '"failed"' not in tap.log


def test_the_check_asks_for_one_row_of_each_stream(sandbox: Sandbox) -> None:
    """`--test` requests one user and one work contract, whatever the page size, because it discards them."""
    sandbox.tap_settings = {"page_size": 1000}
    assert sandbox.tap("--test").exit_code == 0
    users, contracts = [request.query for request in sandbox.lucca.requests]
    assert users["paging"] == "0,1"
    assert (contracts["page"], contracts["limit"]) == ("1", "1")


def test_the_check_says_nothing_of_optional_fields_of_contracts(sandbox: Sandbox) -> None:
    """Lucca omits some fields of contracts whatever the rights are. Null objects of users have no fields to miss."""
    sandbox.lucca.embed_contract_types = False
    with sandbox.lucca.changing() as company:
        company.users[0]["manager"] = company.users[0]["department"] = None
    tap = sandbox.tap("--test")
    assert tap.exit_code == 0
    assert "WARNING" not in tap.log


@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
def test_a_test_that_fails_says_so_alone(sandbox: Sandbox, path: str) -> None:
    """If either stream can't be read, `--test` fails and doesn't log that it worked."""
    sandbox.lucca.forbidden_paths = frozenset({path})
    tap = sandbox.tap("--test")
    assert tap.exit_code == 1
    assert "users and work contracts" not in tap.log


def test_a_variable_that_is_not_what_its_setting_must_be(sandbox: Sandbox) -> None:
    """The tap names a malformed variable, without its value or a traceback."""
    credentials = {"TAP_LUCCA_HOST": sandbox.lucca_url, "TAP_LUCCA_API_KEY": sandbox.lucca.api_key}
    tap = run("tap-lucca", "--config=ENV", env={**credentials, "TAP_LUCCA_PAGE_SIZE": "many"})
    assert tap.exit_code == 1
    assert "TAP_LUCCA_PAGE_SIZE" in tap.log.splitlines()[-1]
    assert "many" not in tap.log
    assert "Traceback" not in tap.log


def test_discovery_needs_no_settings() -> None:
    """`--discover` without settings prints the catalog, and no warning about missing ones."""
    tap = run("tap-lucca", "--discover")
    assert tap.exit_code == 0
    assert json.loads(tap.stdout)["streams"]
    assert not [line for line in tap.log.splitlines() if "| INFO " not in line]


def test_about_and_version() -> None:
    """`--about` lists settings and capabilities, and `--version` prints the package's version."""
    about = json.loads(run("tap-lucca", "--about", "--format=json").stdout)
    assert about["settings"]["required"] == ["host", "api_key"]
    assert about["settings"]["properties"]["api_key"]["secret"] is True
    assert version("tap-lucca") in run("tap-lucca", "--version").stdout


def test_an_emptied_company_is_read_as_empty(sandbox: Sandbox) -> None:
    """Without users and contracts, the tap marks the streams complete with 0 records."""
    sandbox.lucca.delete_users({int(str(user["id"])) for user in sandbox.lucca.company.users})
    sandbox.lucca.delete_contracts({int(str(row["id"])) for row in sandbox.lucca.company.work_contracts})
    tap = sandbox.tap()
    assert tap.exit_code == 0
    mark = completion(tap, "users")
    assert mark
    assert mark["records"] == 0
