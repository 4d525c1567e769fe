"""Imports through a real gateway process, requested by the vendor's generated clients in both generations."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from elimity.insights.customgateway.v1alpha2 import customgateway_connect, customgateway_pb2
from google.protobuf.struct_pb2 import Value as StructValue

from sandbox.elimity import Elimity
from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS
from sandbox.pulling import GATEWAY, GENERATIONS, GatewayProcess, Generation, pull, responses, running_gateway
from tests.e2e.expected import expected_entities
from tests.harness import Sandbox, open_sandbox
from tests.lucca_gateway.support import ENVIRONMENT, configuration, employees_of, failure

both_generations = pytest.mark.parametrize("generation", GENERATIONS)


@both_generations
def test_the_employees_are_those_of_the_agent_based_import(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """The gateway streams the same employees, with the same attributes, as the tap and the target upload."""
    sandbox.pipeline()
    pulled = Elimity()
    pull(pulled, gateway.url, generation, configuration(sandbox))
    uploaded = employees_of(sandbox.elimity)
    assert len(uploaded) == 250
    assert employees_of(pulled) == uploaded
    company = sandbox.lucca.company
    assert uploaded == expected_entities(company.users, sandbox.contracts, company.today)


@both_generations
def test_the_employees_are_the_same_with_a_time_zone_and_labels(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """Gateway and target agree if contracts have only a type id; the gateway's machine has no time zone database."""
    del gateway
    sandbox.lucca.embed_contract_types = False
    sandbox.target_settings = {"timezone": "Pacific/Auckland", "contract_type_names": {"1": "Permanent"}}
    sandbox.pipeline()
    settings = {
        "LUCCA_GATEWAY_TIMEZONE": "Pacific/Auckland",
        "PYTHONTZPATH": "/nonexistent",
        "LUCCA_GATEWAY_CONTRACT_TYPE_NAMES": '{"1": "Permanent"}',
    }
    pulled = Elimity()
    with running_gateway({**ENVIRONMENT, **settings}) as own:
        pull(pulled, own.url, generation, configuration(sandbox))
    assert employees_of(pulled) == employees_of(sandbox.elimity)
    assert "Permanent" in {values.get("contractType") for _, values in employees_of(pulled).values()}


@both_generations
def test_dates_at_the_ends_of_the_calendar_pass_as_they_stand(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """The first and last day that protobuf can express, which mean "always" and "never", arrive unchanged."""
    with sandbox.lucca.changing() as company:
        never, ever = company.users[:2]
        never["dtContractEnd"], never["modifiedAt"] = "9999-12-31T00:00:00", "9999-12-31T23:59:59.997"
        ever["seniorityDate"], ever["modifiedAt"] = "0001-01-01T00:00:00", "0001-01-01T00:00:00"
    sandbox.pipeline()
    pulled = Elimity()
    pull(pulled, gateway.url, generation, configuration(sandbox))
    assert employees_of(pulled) == employees_of(sandbox.elimity)
    assert "9999-12-31T23:59:59" in {values.get("lastModified") for _, values in employees_of(pulled).values()}


@both_generations
def test_the_logs_tell_start_progress_and_counts(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """The logs have totals, and all but the last come before the first employee."""
    streamed = list(responses(gateway.url, generation, configuration(sandbox)))
    logs = [response.log for response in streamed if response.HasField("log")]
    assert all(log.level.HasField("info") for log in logs)
    start, users, contracts, compared, importing, complete = [log.message for log in logs]
    assert start.startswith("Import from Lucca started (lucca-gateway ")
    assert users == "Read 250 of 250 users."
    assert contracts == f"Read {len(sandbox.contracts)} of {len(sandbox.contracts)} work contracts."
    assert compared.startswith("Nothing was compared")
    assert importing.startswith("Importing 250 employees: ")
    assert complete == importing.replace("Importing", "Import complete.")
    entities = [response.HasField("entity") for response in streamed]
    assert entities == [False] * 5 + [True] * 250 + [False]


def test_the_logs_tell_that_lucca_announces_its_end(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """The Logs tab has a warning for each endpoint that Lucca will turn off, with the date."""
    sandbox.lucca.headers = {"Sunset": "Wed, 31 Mar 2027 23:59:59 GMT"}
    pull(sandbox.elimity, gateway.url, "v1alpha2", configuration(sandbox))
    warnings = [log.message for log in sandbox.elimity.connector_logs if log.message.startswith("Warning: ")]
    assert [" on 2027-03-31" in warning for warning in warnings] == [True, True]
    assert [path in warning for path, warning in zip((USERS, WORK_CONTRACTS), warnings, strict=True)] == [True, True]


def test_messages_may_be_json(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """The vendor's client gets the same employees if it encodes both calls as JSON."""
    values = configuration(sandbox)
    fields = {name: StructValue(string_value=value) for name, value in values.items()}
    with customgateway_connect.ServiceClientSync(gateway.url, proto_json=True) as client:
        version = client.meta(customgateway_pb2.MetaRequest()).version
        request = customgateway_pb2.PerformImportRequest(fields=fields, version=version)
        as_json = [response.entity for response in client.perform_import(request) if response.HasField("entity")]
    streamed = responses(gateway.url, "v1alpha2", values)
    assert as_json == [response.entity for response in streamed if response.HasField("entity")]
    assert len(as_json) == 250


def test_blanks_around_the_values_do_no_harm(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """Blanks around a value are ignored, because copied values often end with one."""
    values = configuration(sandbox, host=f" {sandbox.lucca_url}/ ", api_key=f"{sandbox.lucca.api_key}\n")
    pull(sandbox.elimity, gateway.url, "v1alpha2", values)
    assert len(sandbox.entities) == 250


@both_generations
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": None}, "'host' is missing"),
        ({"api_key": None}, "'api_key' is missing"),
        ({"host": "", "api_key": ""}, "'host' is missing"),
        ({"host": 7}, "'host' must be "),
        ({"api_key": ["a"]}, "'api_key' must be "),
        ({"api_key": "a key"}, "'api_key' must be "),
        ({"host": "https://acme.ilucca.net/login"}, "it must not contain a path"),
        ({"host": "http://acme.ilucca.net"}, "it must be https"),
        ({"host": "https://me:secret@acme.ilucca.net"}, "it must not contain credentials"),
    ],
)
def test_missing_and_malformed_values_are_named_before_anything_is_streamed(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation, changes: dict[str, Any], words: str
) -> None:
    """The gateway names the value, and sends no request to Lucca."""
    failed = failure(gateway.url, generation, configuration(sandbox, **changes))
    assert failed.streamed == []
    assert failed.code == "invalid_argument"
    assert words in failed.message
    assert sandbox.lucca.requests == []


@both_generations
def test_a_key_that_lucca_refuses_is_told_before_anything_is_streamed(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """The error is written for the administrator and doesn't contain the key."""
    failed = failure(gateway.url, generation, configuration(sandbox, api_key="Xk3-wrong"))
    assert failed.streamed == []
    assert failed.code == "unauthenticated"
    assert "the API key is wrong or revoked" in failed.message
    assert "Xk3-wrong" not in failed.message + gateway.log_text


@both_generations
def test_a_lucca_that_is_down_is_told_before_anything_is_streamed(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """If Lucca refuses the connection (nothing listens on the discard port), the error is `unavailable`."""
    failed = failure(gateway.url, generation, configuration(sandbox, host="http://127.0.0.1:9"))
    assert failed.streamed == []
    assert failed.code == "unavailable"
    assert "refuses the connection" in failed.message


@both_generations
@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
@pytest.mark.parametrize("fault", [(403, "permission_denied"), (500, "unavailable"), ("cut", "unavailable")])
def test_a_failure_in_the_middle_ends_the_stream_with_an_error_and_no_employee(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation, path: str, fault: tuple[Any, str]
) -> None:
    """The gateway reads Lucca to the end before it streams the first employee, so the source keeps what it has."""
    kind, code = fault
    sandbox.lucca.faults.add(Fault(path, kind, nth=2, count=None))
    failed = failure(gateway.url, generation, configuration(sandbox))
    assert failed.code == code
    assert not any(response.HasField("entity") for response in failed.streamed)


@both_generations
@pytest.mark.parametrize("field", ["dtContractEnd", "dtContractStart"])
def test_a_date_that_is_none_stops_the_import_before_the_first_employee(
    sandbox: Sandbox, gateway: GatewayProcess, generation: Generation, field: str
) -> None:
    """The date may be that of the last user: the gateway builds all employees before it streams the first."""
    with sandbox.lucca.changing() as company:
        company.users[-1][field] = "soon"  # type: ignore[literal-required]
    failed = failure(gateway.url, generation, configuration(sandbox))
    assert failed.code == "failed_precondition"
    assert f"The user {company.users[-1]['id']}" in failed.message
    assert "soon" not in failed.message
    assert not any(response.HasField("entity") for response in failed.streamed)


def test_a_record_of_another_form_stops_the_import(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """The gateway checks every record like the target, and names the stream and the field."""
    with sandbox.lucca.changing() as company:
        company.work_contracts[3]["ownerId"] = "Jane"  # type: ignore[typeddict-item]
    failed = failure(gateway.url, "v1alpha2", configuration(sandbox))
    assert failed.code == "failed_precondition"
    assert "'work_contracts'" in failed.message
    assert "'ownerId'" in failed.message
    assert "Jane" not in failed.message


@both_generations
def test_hidden_end_dates_are_refused(sandbox: Sandbox, gateway: GatewayProcess, generation: Generation) -> None:
    """The gateway refuses an import without end dates, because all leavers would look active."""
    sandbox.lucca.hidden_fields = frozenset({"dtContractEnd"})
    failed = failure(gateway.url, generation, configuration(sandbox))
    assert failed.code == "failed_precondition"
    assert "'dtContractEnd'" in failed.message
    assert not any(response.HasField("entity") for response in failed.streamed)


@both_generations
def test_a_company_without_a_user_is_refused(sandbox: Sandbox, gateway: GatewayProcess, generation: Generation) -> None:
    """The gateway refuses to import a company without users, because that would empty the source."""
    with sandbox.lucca.changing() as company:
        company.users.clear()
    failed = failure(gateway.url, generation, configuration(sandbox))
    assert not any(response.HasField("entity") for response in failed.streamed)
    assert failed.code == "failed_precondition"


@both_generations
def test_a_redirect_is_not_followed(
    sandbox: Sandbox, other: Sandbox, gateway: GatewayProcess, generation: Generation
) -> None:
    """The gateway sends the key only to the configured host, and names the value 'host'."""
    sandbox.lucca.faults.add(Fault("/", "redirect", location=f"{other.lucca_url}{USERS}", count=None))
    failed = failure(gateway.url, generation, configuration(sandbox))
    assert failed.streamed == []
    assert failed.code == "invalid_argument"
    assert "'host'" in failed.message
    assert other.lucca.requests == []


def test_warnings_are_streamed(sandbox: Sandbox, gateway: GatewayProcess) -> None:
    """If a right is probably missing, the gateway imports and streams a warning."""
    sandbox.lucca.allow_former = False
    with sandbox.lucca.changing() as company:
        company.work_contracts.clear()
    pull(sandbox.elimity, gateway.url, "v1alpha1", configuration(sandbox))
    warnings = [log.message for log in sandbox.elimity.connector_logs if log.message.startswith("Warning: ")]
    assert len(warnings) == 2


def test_people_who_come_and_go_meanwhile_are_neither_lost_nor_doubled(
    sandbox: Sandbox, gateway: GatewayProcess
) -> None:
    """The gateway reads pages that change in the same way as the tap."""
    sandbox.lucca.faults.add(Fault(USERS, "mutate", nth=2, changes=3))
    before = {str(user["id"]) for user in sandbox.lucca.company.users}
    pull(sandbox.elimity, gateway.url, "v1alpha2", configuration(sandbox))
    after = {str(user["id"]) for user in sandbox.lucca.company.users}
    assert before & after <= employees_of(sandbox.elimity).keys()


def test_the_version_must_be_the_one_of_the_gateway(gateway: GatewayProcess, sandbox: Sandbox) -> None:
    """The gateway refuses another version, in which a cursor has another meaning, and doesn't echo it."""
    with customgateway_connect.ServiceClientSync(gateway.url) as client:
        stream = client.perform_import(customgateway_pb2.PerformImportRequest(version="canary" * 10_000))
        with pytest.raises(ConnectError) as caught:
            list(stream)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert len(caught.value.message) < 200
    assert sandbox.lucca.requests == []


def test_a_company_of_2345_is_streamed_in_pages(tmp_path: Path, gateway: GatewayProcess) -> None:
    """Every attribute arrives if both streams take many pages."""
    with ExitStack() as stack:
        large = open_sandbox(stack, tmp_path, employees=2345, seed=7)
        pull(large.elimity, gateway.url, "v1alpha2", configuration(large))
        company = large.lucca.company
        assert employees_of(large.elimity) == expected_entities(company.users, large.contracts, company.today)


@both_generations
def test_a_full_temporary_folder_is_an_error_for_the_operator(tmp_path: Path, generation: Generation) -> None:
    """If a company doesn't fit into memory and the temporary file can't grow, the error names the temporary folder."""
    script = tmp_path / "lucca-gateway"
    script.write_text(f'#!/bin/sh\nulimit -f 8\nexec "{GATEWAY}" "$@"\n')
    script.chmod(0o700)
    with ExitStack() as stack:
        large = open_sandbox(stack, tmp_path, employees=5000, seed=7)
        settings = {**ENVIRONMENT, "LUCCA_GATEWAY_PAGE_SIZE": "1000"}
        with running_gateway(settings, script) as gateway:
            failed = failure(gateway.url, generation, configuration(large))
    assert failed.code == "unavailable"
    assert "temporary folder" in failed.message
    assert not any(response.HasField("entity") for response in failed.streamed)
    assert "traceback" not in gateway.log_text.lower()
