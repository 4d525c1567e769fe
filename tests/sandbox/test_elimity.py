"""Elimity Insights: the rules of an import."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import elimity_insights_client as vendor
import pytest
import requests

from sandbox.elimity import values_of

from .conftest import DATA_MODEL, ElimityClient

DAY = {"year": 2026, "month": 1, "day": 31}
CLOCK = {"hour": 8, "minute": 30, "second": 0}


def _assignment(attribute: str, value_type: str, value: object) -> dict[str, Any]:
    return {"attributeTypeId": attribute, "value": {"type": value_type, "value": value}}


def _entity(identifier: str = "416", kind: str = "employee", *assignments: object) -> dict[str, Any]:
    return {"attributeAssignments": list(assignments), "id": identifier, "name": "John Doe", "type": kind}


def _relationship(*assignments: object, **changes: object) -> dict[str, Any]:
    ends = {"fromEntityId": "416", "fromEntityType": "employee", "toEntityId": "7", "toEntityType": "team"}
    return {"attributeAssignments": list(assignments), **ends, **changes}


def _snapshot(*entities: object, relationships: Iterable[object] = (), **more: object) -> dict[str, Any]:
    return {"entities": list(entities), "relationships": list(relationships), **more}


def _compressed(snapshot: object) -> bytes:
    return zlib.compress(json.dumps(snapshot).encode())


EVERY_TYPE = [
    _assignment("login", "string", "jdoe"),
    _assignment("endDate", "date", DAY),
    _assignment("lastModified", "dateTime", DAY | CLOCK),
    _assignment("level", "number", 3),
    _assignment("remote", "boolean", value=True),
    _assignment("shift", "time", CLOCK),
]
WHOLE = _snapshot(
    _entity("416", "employee", *EVERY_TYPE),
    _entity("7", "team"),
    relationships=[_relationship(_assignment("since", "date", DAY))],
    historyTimestamp=DAY | CLOCK,
)


def test_a_whole_snapshot_is_accepted(insights: ElimityClient) -> None:
    """A snapshot with every type of value answers 204, and the source then holds it."""
    body = _compressed(WHOLE)
    response = insights.upload(body)
    assert response.status_code == 204, response.text
    current = insights.elimity.current
    assert current
    assert current.body == WHOLE
    assert current.compressed == body
    assert current.headers["content-length"] == str(len(body))


def test_a_new_snapshot_replaces_the_one_before(insights: ElimityClient) -> None:
    """The source holds the last accepted snapshot; a refused one changes nothing."""
    assert insights.elimity.current is None
    for snapshot in (_snapshot(_entity("1")), _snapshot(_entity("2"))):
        assert insights.upload(_compressed(snapshot)).status_code == 204
    assert insights.upload(b"nonsense").status_code == 400
    assert insights.elimity.current
    assert insights.elimity.current.body == _snapshot(_entity("2"))
    assert len(insights.elimity.snapshots) == 2


def test_values_read_as_plain_ones(insights: ElimityClient) -> None:
    """`values_of` returns attributes with dates and times as text."""
    insights.upload(_compressed(WHOLE))
    assert insights.elimity.current
    assert values_of(insights.elimity.current.body["entities"][0]) == {
        "login": "jdoe",
        "endDate": "2026-01-31",
        "lastModified": "2026-01-31T08:30:00",
        "level": 3,
        "remote": True,
        "shift": "08:30:00",
    }


def _refused() -> Iterator[tuple[str, Any]]:
    yield "an unknown key", WHOLE | {"extra": 1}
    yield "no entities", {"relationships": []}
    yield "no relationships", {"entities": []}
    yield "entities that are null", {"entities": None, "relationships": []}
    yield "a list", []
    yield "a history timestamp that is null", WHOLE | {"historyTimestamp": None}
    yield "a history timestamp without a time", WHOLE | {"historyTimestamp": DAY}
    yield "a history timestamp on no day", WHOLE | {"historyTimestamp": DAY | CLOCK | {"month": 2}}
    for change in (
        {"extra": 1},
        {"id": ""},
        {"id": 416},
        {"id": None},
        {"name": None},
        {"name": 1},
        {"type": "robot"},
        {"type": "Employee"},
        {"attributeAssignments": None},
    ):
        yield f"an entity with {change}", _snapshot(_entity() | change)
    for key in _entity():
        yield f"an entity without {key}", _snapshot({name: _entity()[name] for name in _entity() if name != key})
    yield "two entities with an id", _snapshot(_entity("1"), _entity("1"))
    for wrong in (
        _assignment("shoeSize", "string", "43"),
        _assignment("old", "string", "archived"),
        _assignment("login", "text", "jdoe"),
        _assignment("login", "number", 1),
        _assignment("login", "string", None),
        _assignment("login", "string", 1),
        _assignment("level", "number", "3"),
        _assignment("level", "number", value=True),
        _assignment("remote", "boolean", 1),
        _assignment("remote", "boolean", "true"),
        _assignment("endDate", "dateTime", DAY | CLOCK),
        _assignment("endDate", "date", "2026-01-31"),
        _assignment("endDate", "date", DAY | CLOCK),
        _assignment("endDate", "date", {"year": 2026, "month": 1}),
        _assignment("endDate", "date", DAY | {"month": 2}),
        _assignment("endDate", "date", DAY | {"month": 13}),
        _assignment("endDate", "date", DAY | {"day": 0}),
        _assignment("endDate", "date", DAY | {"year": 0}),
        _assignment("endDate", "date", DAY | {"year": 10000}),
        _assignment("endDate", "date", DAY | {"year": 2026.0}),
        _assignment("lastModified", "dateTime", DAY),
        _assignment("lastModified", "dateTime", DAY | CLOCK | {"hour": 24}),
        _assignment("lastModified", "dateTime", DAY | CLOCK | {"second": 60}),
        _assignment("lastModified", "dateTime", DAY | CLOCK | {"month": 2}),
        _assignment("shift", "time", CLOCK | {"minute": 60}),
        _assignment("login", "string", "jdoe") | {"extra": 1},
        {"attributeTypeId": "login", "value": {"type": "string", "value": "jdoe", "extra": 1}},
        {"attributeTypeId": "login", "value": "jdoe"},
        {"attributeTypeId": "login", "value": None},
        {"attributeTypeId": "login", "value": {"type": "string"}},
        {"attributeTypeId": "login"},
    ):
        yield f"the assignment {wrong}", _snapshot(_entity("1", "employee", wrong))
    yield "an attribute twice", _snapshot(_entity("1", "employee", EVERY_TYPE[0], EVERY_TYPE[0]))
    yield "an attribute of another type of entity", _snapshot(_entity("1", "team", EVERY_TYPE[0]))
    ends = (_entity(), _entity("7", "team"))
    for relationship in (
        _relationship(extra=1),
        _relationship(toEntityId=""),
        _relationship(toEntityId="8"),
        _relationship(toEntityType="employee"),
        _relationship(fromEntityType="robot"),
        _relationship(_assignment("login", "string", "jdoe")),
        _relationship(_assignment("since", "string", "2026-01-31")),
        _relationship(_assignment("since", "date", DAY), _assignment("since", "date", DAY)),
    ):
        yield f"the relationship {relationship}", _snapshot(*ends, relationships=[relationship])
    yield "a relationship twice", _snapshot(*ends, relationships=[_relationship(), _relationship()])


def test_snapshots_that_break_a_rule_are_refused_with_words(insights: ElimityClient) -> None:
    """A snapshot that breaks one rule answers 400 with a message, and changes nothing."""
    for breach, snapshot in _refused():
        response = insights.upload(_compressed(snapshot))
        assert response.status_code == 400, breach
        assert response.text, breach
    assert insights.elimity.snapshots == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        json.dumps(WHOLE).encode(),
        zlib.compress(b""),
        zlib.compress(b"{"),
        zlib.compress(b"\xff"),
        zlib.compress(b'{"entities": [], "relationships": [NaN]}'),
        _compressed(WHOLE)[:-1],
        _compressed(WHOLE) + b"x",
        _compressed(WHOLE) + _compressed(WHOLE),
        gzip.compress(json.dumps(WHOLE).encode()),
        _compressed(WHOLE)[2:-4],
    ],
)
def test_anything_but_one_zlib_stream_of_json_is_refused(insights: ElimityClient, body: bytes) -> None:
    """A stream that is cut, is followed by more bytes, or has another format answers 400."""
    assert insights.upload(body).status_code == 400
    assert insights.elimity.snapshots == []


def test_dates_at_the_ends_of_the_calendar_are_accepted(insights: ElimityClient) -> None:
    """Years 1 and 9999 are legal, and so is a leap day."""
    for year, month, day in ((1, 1, 1), (9999, 12, 31), (2024, 2, 29)):
        value = {"year": year, "month": month, "day": day}
        snapshot = _snapshot(_entity("1", "employee", _assignment("endDate", "date", value)))
        assert insights.upload(_compressed(snapshot)).status_code == 204


def test_any_text_is_accepted_as_it_is(insights: ElimityClient) -> None:
    """Control characters, markup and other scripts pass unchanged; two entity types may have the same id."""
    text = "\u0000\n<script>=1+1 🦊 محمد 王"
    snapshot = _snapshot(_entity("1", "employee", _assignment("login", "string", text)), _entity("1", "team"))
    snapshot["entities"][0]["name"] = ""
    assert insights.upload(_compressed(snapshot)).status_code == 204
    assert insights.elimity.current
    assert insights.elimity.current.body == snapshot


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "application/zlib"])
def test_a_snapshot_of_another_content_type_is_refused(insights: ElimityClient, content_type: str) -> None:
    """The content type must be application/octet-stream."""
    assert insights.upload(_compressed(WHOLE), content_type).status_code == 415


def test_a_snapshot_in_chunks_is_refused(insights: ElimityClient) -> None:
    """A body without a length answers 411."""
    assert insights.upload(iter([_compressed(WHOLE)])).status_code == 411


def test_a_large_snapshot_is_refused_where_there_is_a_limit(insights: ElimityClient) -> None:
    """A body over the limit answers 413, even one of megabytes; a body of exactly the limit is accepted."""
    body = _compressed(WHOLE)
    insights.elimity.max_body_bytes = len(body)
    assert insights.upload(body + b"x").status_code == 413
    assert insights.upload(bytes(5_000_000)).status_code == 413
    assert insights.upload(body).status_code == 204


def test_snapshots_may_go_unchecked(insights: ElimityClient) -> None:
    """With `validate` off, any body is kept."""
    insights.elimity.validate = False
    assert insights.upload(b"nonsense").status_code == 204


@pytest.mark.parametrize("path", ["domain-graph-schema", "snapshots", "connector-logs"])
@pytest.mark.parametrize(
    "auth", [None, ("1", "wrong"), ("2", "sandbox-source-token"), ("", ""), ("1:sandbox-source-token", "")]
)
def test_other_credentials_are_refused(insights: ElimityClient, path: str, auth: tuple[str, str] | None) -> None:
    """Wrong or missing credentials answer 401, with the expected scheme."""
    response = insights.request("GET" if path == "domain-graph-schema" else "POST", path, auth=auth)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("authorization", ["Basic ?", "Basic", "Bearer sandbox-source-token", "é"])
def test_malformed_credentials_are_refused(insights: ElimityClient, authorization: str) -> None:
    """An authorization that isn't valid Basic authentication answers 401."""
    headers = {"Authorization": authorization.encode()}
    response = requests.get(f"{insights.url}/api/sources/1/domain-graph-schema", headers=headers, timeout=10)
    assert response.status_code == 401


def test_an_unknown_source_is_not_found(insights: ElimityClient) -> None:
    """There is only one source; any other answers 404."""
    auth = ("2", insights.elimity.source_token)
    url = f"{insights.url}/api/sources/2/domain-graph-schema"
    assert requests.get(url, auth=auth, timeout=10).status_code == 404
    assert insights.request("GET", "entities").status_code == 404


def test_other_methods_are_refused(insights: ElimityClient) -> None:
    """The data model can only be read, and the rest only written."""
    assert insights.request("POST", "domain-graph-schema").status_code == 405
    assert insights.request("GET", "snapshots").status_code == 405
    assert insights.request("PUT", "connector-logs").status_code == 405


def test_the_data_model_is_served(insights: ElimityClient) -> None:
    """The source returns the data model it was created with."""
    response = insights.request("GET", "domain-graph-schema")
    assert response.status_code == 200
    assert response.json() == DATA_MODEL


LOG = {"level": "info", "message": "Imported 3 employees", "timestamp": "2026-01-31T09:30:00+01:00"}


def _send_logs(insights: ElimityClient, logs: object, content_type: str = "application/json") -> int:
    body = json.dumps(logs).encode()
    return insights.request("POST", "connector-logs", data=body, headers={"Content-Type": content_type}).status_code


def test_connector_logs_are_kept(insights: ElimityClient) -> None:
    """Log lines are kept in order."""
    assert _send_logs(insights, [LOG, LOG | {"level": "alert"}]) == 204
    assert _send_logs(insights, []) == 204
    assert (
        _send_logs(insights, [LOG | {"timestamp": "2026-01-31T08:30:00.123Z"}], "application/json; charset=utf-8")
        == 204
    )
    assert [log.level for log in insights.elimity.connector_logs] == ["info", "alert", "info"]
    assert insights.elimity.connector_logs[0].timestamp == datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "logs",
    [
        LOG,
        None,
        [None],
        [LOG | {"extra": 1}],
        [LOG | {"level": "warning"}],
        [LOG | {"message": None}],
        [LOG | {"timestamp": "2026-01-31T09:30:00"}],
        [LOG | {"timestamp": "2026-01-31"}],
        [LOG | {"timestamp": "2026-02-30T09:30:00Z"}],
        [LOG | {"timestamp": 1769848200}],
        [LOG, {"level": "info", "message": "no timestamp"}],
    ],
)
def test_malformed_connector_logs_are_refused(insights: ElimityClient, logs: object) -> None:
    """If one line is malformed, all lines of the request are refused."""
    assert _send_logs(insights, logs) == 400
    assert insights.elimity.connector_logs == []


def test_connector_logs_are_json(insights: ElimityClient) -> None:
    """The content type must be application/json."""
    assert _send_logs(insights, [LOG], "text/plain") == 415


def test_requests_are_logged(insights: ElimityClient) -> None:
    """The log has the method and path of each request, including refused ones."""
    insights.request("GET", "domain-graph-schema", auth=("1", "wrong"))
    assert insights.elimity.requests == [("GET", "/api/sources/1/domain-graph-schema")]


def test_the_client_of_the_vendor_imports(insights: ElimityClient) -> None:
    """The vendor's own client reads the data model, uploads a snapshot and sends a log."""
    client = vendor.Client(vendor.Config(1, insights.url, insights.elimity.source_token))
    schema = client.get_domain_graph_schema()
    assert [entity_type.id for entity_type in schema.entity_types] == ["employee", "team"]
    assert {attribute.id for attribute in schema.attribute_types if attribute.archived} == {"old"}

    moment = vendor.DateTime(2026, 1, 31, 8, 30, 0)
    assignments = [
        vendor.AttributeAssignment("login", vendor.StringValue("jdoe")),
        vendor.AttributeAssignment("endDate", vendor.DateValue(2026, 1, 31)),
        vendor.AttributeAssignment("lastModified", vendor.DateTimeValue(moment)),
        vendor.AttributeAssignment("level", vendor.NumberValue(3)),
        vendor.AttributeAssignment("remote", vendor.BooleanValue(value=True)),
        vendor.AttributeAssignment("shift", vendor.TimeValue(8, 30, 0)),
    ]
    entities = [
        vendor.Entity(assignments, "416", "John Doe", "employee"),
        vendor.Entity([], "7", "John Doe", "team"),
    ]
    since = vendor.AttributeAssignment("since", vendor.DateValue(2026, 1, 31))
    relationships = [vendor.Relationship([since], "416", "employee", "7", "team")]
    client.reload_domain_graph(vendor.DomainGraph(entities, relationships, moment))
    assert insights.elimity.current
    assert insights.elimity.current.body == WHOLE

    client.create_connector_logs([vendor.ConnectorLog(vendor.Level.ALERT, "Refused", datetime.now(UTC))])
    assert [log.message for log in insights.elimity.connector_logs] == ["Refused"]


def test_the_client_of_the_vendor_is_told_of_a_mistake(insights: ElimityClient) -> None:
    """The vendor's client raises an error if its snapshot breaks a rule."""
    client = vendor.Client(vendor.Config(1, insights.url, insights.elimity.source_token))
    with pytest.raises(requests.HTTPError):
        client.reload_domain_graph(vendor.DomainGraph([vendor.Entity([], "1", "R2D2", "robot")], []))
