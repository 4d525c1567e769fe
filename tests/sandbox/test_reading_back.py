"""Elimity Insights: reading back what a source holds."""

import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock
from typing import Any

import elimity_insights_client as vendor
import pytest
import requests
from elimity_insights_client import api
from elimity_insights_client.api.entities import EntityType, entities
from elimity_insights_client.api.query_results_page import (
    BooleanValue,
    DateTimeValue,
    DateValue,
    NumberValue,
    StringValue,
    TimeValue,
)
from elimity_insights_client.api.source import AbsentLastReloadTimestamp, PresentLastReloadTimestamp

from sandbox.elimity import Elimity, Snapshot
from sandbox.faults import Fault
from sandbox.server import STOP_SECONDS, serve

from .conftest import DATA_MODEL

QUERY = "/api/agent/query"
SOURCES = "/api/agent/sources"
# The sandbox doesn't support reading links between entity types, so this model has one type.
ONE_TYPE = {**DATA_MODEL, "entityTypes": DATA_MODEL["entityTypes"][:1], "relationshipAttributeTypes": []}
TYPES = {
    attribute["id"]: attribute["type"] for attribute in DATA_MODEL["entityAttributeTypes"] if not attribute["archived"]
}


@dataclass
class Reader:
    """A served Elimity Insights, called with its API token."""

    elimity: Elimity
    url: str

    @property
    def auth(self) -> tuple[str, str]:
        """The API token."""
        return self.elimity.api_token_id, self.elimity.api_token_secret

    @property
    def config(self) -> api.Config:
        """The API token, for the vendor's client."""
        return api.Config(*self.auth, self.url, verify_ssl=True)

    def upload(self, *people: vendor.Entity) -> None:
        """Import people with the vendor's client."""
        config = vendor.Config(int(self.elimity.source_id), self.url, self.elimity.source_token)
        vendor.Client(config).reload_domain_graph(vendor.DomainGraph(list(people), []))

    def post(self, body: object, timeout: float = 10) -> requests.Response:
        """Send the body of a query."""
        return requests.post(self.url + QUERY, json=body, auth=self.auth, timeout=timeout)

    def page(self, **changes: object) -> dict[str, Any]:
        """Return the page of a query, which must have status 200."""
        response = self.post([_query(**changes)])
        assert response.status_code == 200, response.text
        (page,) = response.json()
        assert set(page) == {"count", "results"}
        return dict(page)

    def ids(self, **changes: object) -> list[str]:
        """Return the ids of a page, in its order."""
        return [result["entity"]["id"] for result in self.page(**changes)["results"]]


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Serve an Elimity Insights."""
    elimity = Elimity(ONE_TYPE)
    with serve(elimity.app) as url:
        yield Reader(elimity, url)


def _expression(attribute: str, kind: str, **changes: object) -> dict[str, object]:
    return {"attributeType": attribute, "reference": "", "type": kind, **changes}


def _inclusions(attribute: str) -> list[dict[str, object]]:
    """Return the inclusions with which the vendor's client requests an attribute."""
    return [
        {"expr": _expression(attribute, "assigned"), "type": "boolean"},
        {"expr": _expression(attribute, "attribute"), "type": TYPES[attribute]},
    ]


def _query(**changes: object) -> dict[str, object]:
    return {
        "alias": "",
        "condition": {"boolean": True, "type": "literal"},
        "directLinkGroupByQueries": [],
        "directLinkQueries": [],
        "entityType": "employee",
        "include": [],
        "limit": 999999,
        "linkGroupByQueries": [],
        "linkQueries": [],
        "offset": 0,
        "orderBy": [],
        "sourceId": 1,
        **changes,
    }


def _person(identifier: str, **values: vendor.Value) -> vendor.Entity:
    assignments = [vendor.AttributeAssignment(name, value) for name, value in values.items()]
    return vendor.Entity(assignments, identifier, f"Name of {identifier}", "employee")


def _people(count: int) -> list[vendor.Entity]:
    return [_person(str(number)) for number in range(count)]


def test_the_client_of_the_vendor_reads_back_what_it_uploaded(reader: Reader) -> None:
    """The vendor's client reads back the values of each type, and no value where none was assigned."""
    moment = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
    uploaded = [
        _person(
            "1",
            login=vendor.StringValue("jdoe"),
            status=vendor.StringValue(""),
            endDate=vendor.DateValue(2026, 1, 31),
            lastModified=vendor.DateTimeValue(vendor.DateTime(2026, 1, 31, 8, 30, 0)),
            level=vendor.NumberValue(3),
            remote=vendor.BooleanValue(value=True),
            shift=vendor.TimeValue(8, 30, 5),
        ),
        _person(
            "2",
            login=vendor.StringValue('\0\n"<script>🦊 محمد 王'),
            endDate=vendor.DateValue(1, 1, 1),
            level=vendor.NumberValue(-0.1),
            remote=vendor.BooleanValue(value=False),
        ),
        _person("3", endDate=vendor.DateValue(9999, 12, 31), level=vendor.NumberValue(1e300)),
        _person("nobody"),
    ]
    reader.upload(*uploaded)
    read = entities(reader.config, EntityType("employee", 1), set())
    assert {person.id: person.name for person in read} == {person.id: person.name for person in uploaded}
    assert {person.id: person.attribute_assignments for person in read} == {
        "1": {
            "login": StringValue("jdoe"),
            "status": StringValue(""),
            "endDate": DateValue(date(2026, 1, 31)),
            "lastModified": DateTimeValue(moment),
            "level": NumberValue(3),
            "remote": BooleanValue(value=True),
            "shift": TimeValue(clock(8, 30, 5)),
        },
        "2": {
            "login": StringValue('\0\n"<script>🦊 محمد 王'),
            "endDate": DateValue(date(1, 1, 1)),
            "level": NumberValue(-0.1),
            "remote": BooleanValue(value=False),
        },
        "3": {"endDate": DateValue(date(9999, 12, 31)), "level": NumberValue(1e300)},
        "nobody": {},
    }


def test_the_client_of_the_vendor_lists_the_sources(reader: Reader) -> None:
    """The source is listed after another one, with its data model and the time of its last import."""
    other, source = api.sources(reader.config)
    assert (source.id, source.archived) == (1, False)
    assert other.id != 1
    config = vendor.Config(1, reader.url, reader.elimity.source_token)
    assert source.domain_graph_schema == vendor.Client(config).get_domain_graph_schema()
    assert source.last_reload_timestamp == AbsentLastReloadTimestamp()

    reader.upload()
    _, source = api.sources(reader.config)
    assert isinstance(source.last_reload_timestamp, PresentLastReloadTimestamp)
    assert abs(datetime.now(UTC) - source.last_reload_timestamp.value) < timedelta(minutes=1)


def test_the_client_of_the_vendor_is_told_that_links_are_not_read(reader: Reader) -> None:
    """With two entity types, the vendor's client requests links, which the sandbox refuses."""
    reader.elimity.data_model = DATA_MODEL
    with pytest.raises(requests.HTTPError) as refused:
        entities(reader.config, EntityType("employee", 1), set())
    assert refused.value.response.status_code == 400
    assert "linkQueries" in refused.value.response.text


def test_a_page_as_it_is_documented(reader: Reader) -> None:
    """Every value is text, and every result has all the keys."""
    reader.upload(
        _person(
            "416",
            status=vendor.StringValue("active"),
            lastModified=vendor.DateTimeValue(vendor.DateTime(2026, 1, 31, 8, 30, 0)),
            level=vendor.NumberValue(3),
        )
    )
    include = [inclusion for name in ("status", "lastModified", "level", "endDate") for inclusion in _inclusions(name)]
    page = reader.page(include=include)
    assert isinstance(page["results"][0]["entity"].pop("active"), bool)
    assert page == {
        "count": 1,
        "results": [
            {
                "entity": {"id": "416", "name": "Name of 416"},
                "inclusions": [
                    {"type": "boolean", "value": "true"},
                    {"type": "string", "value": "active"},
                    {"type": "boolean", "value": "true"},
                    {"type": "dateTime", "value": "2026-01-31T08:30:00Z"},
                    {"type": "boolean", "value": "true"},
                    {"type": "number", "value": "3"},
                    {"type": "boolean", "value": "false"},
                    {"type": "date", "value": ""},
                ],
                "linkGroupByPages": [],
                "linkPages": [],
            }
        ],
    }
    assert [inclusion.expr.attribute_type for inclusion in reader.elimity.queries[0].include[::2]] == [
        "status",
        "lastModified",
        "level",
        "endDate",
    ]


def test_active_is_not_the_status(reader: Reader) -> None:
    """Elimity Insights' `active` is independent of the snapshot's status."""
    reader.upload(*[_person(str(number), status=vendor.StringValue("active")) for number in range(50)])
    assert {result["entity"]["active"] for result in reader.page()["results"]} == {True, False}


def test_an_empty_source_has_an_empty_page(reader: Reader) -> None:
    """Before the first import, a page has no results."""
    assert reader.page() == {"count": 0, "results": []}


def test_several_queries_are_answered_in_order(reader: Reader) -> None:
    """The pages come in the order of the queries; entities of another type are not counted."""
    reader.elimity.data_model = DATA_MODEL
    reader.upload(*_people(3), vendor.Entity([], "7", "Team", "team"))
    answer = reader.post([_query(entityType="team"), _query(limit=0), _query()]).json()
    assert [(page["count"], len(page["results"])) for page in answer] == [(1, 1), (3, 0), (3, 3)]
    assert reader.post([]).json() == []


def test_pages_are_parts_of_one_order(reader: Reader) -> None:
    """Limit and offset return everybody once, not in the snapshot's order; the count is always the total."""
    everybody = [person.id for person in _people(50)]
    reader.upload(*_people(50))
    ids = reader.ids()
    assert ids != everybody
    assert sorted(ids) == sorted(everybody)
    assert reader.ids(limit=30) + reader.ids(limit=30, offset=30) == ids
    assert reader.page(limit=30, offset=30)["count"] == 50
    assert reader.page(offset=50) == {"count": 50, "results": []}


def test_the_order_may_change_from_query_to_query(reader: Reader) -> None:
    """Without a stable order, two pages may contain the same people."""
    reader.elimity.paging.stable_order = False
    reader.upload(*_people(50))
    first, second = reader.ids(), reader.ids()
    assert first != second
    assert sorted(first) == sorted(second)


def test_a_page_may_be_capped(reader: Reader) -> None:
    """A page with fewer results than requested still has the total count."""
    reader.elimity.paging.max_results = 20
    reader.upload(*_people(50))
    page = reader.page()
    assert (page["count"], len(page["results"])) == (50, 20)
    assert len(reader.ids(limit=10)) == 10
    assert len({*reader.ids(), *reader.ids(offset=20), *reader.ids(offset=40)}) == 50


def test_unassigned_values_and_time_zones_may_be_others(reader: Reader) -> None:
    """The value of an unassigned attribute may be anything, and timestamps may be in another zone."""
    reader.elimity.paging.unassigned |= {"string": "active", "date": None}
    reader.elimity.paging.time_zone = timezone(timedelta(hours=1))
    reader.upload(_person("1", lastModified=vendor.DateTimeValue(vendor.DateTime(2026, 1, 31, 23, 30, 0))))
    include = [inclusion for name in ("status", "endDate", "lastModified") for inclusion in _inclusions(name)]
    (result,) = reader.page(include=include)["results"]
    assert [inclusion["value"] for inclusion in result["inclusions"]] == [
        "false",
        "active",
        "false",
        None,
        "true",
        "2026-02-01T00:30:00+01:00",
    ]


def test_a_source_that_the_token_may_not_see(reader: Reader) -> None:
    """A source that the token may not see isn't listed, and seems empty."""
    reader.upload(*_people(3))
    reader.elimity.listed = False
    assert 1 not in [source.id for source in api.sources(reader.config)]
    assert reader.page() == {"count": 0, "results": []}


def test_an_archived_source(reader: Reader) -> None:
    """The source is listed as archived."""
    reader.elimity.archived = True
    assert [source.archived for source in api.sources(reader.config) if source.id == 1] == [True]


def _unsupported() -> Iterator[tuple[str, Any]]:
    yield "no list", _query()
    yield "null", [None]
    for key in _query():
        yield f"no {key}", [{name: value for name, value in _query().items() if name != key}]
    changes: dict[str, Any]
    for changes in (
        {"extra": 1},
        {"alias": "e"},
        {"alias": None},
        {"condition": {"boolean": False, "type": "literal"}},
        {"condition": {"boolean": "true", "type": "literal"}},
        {"condition": {"type": "literal"}},
        {"condition": {"reference": "", "type": "active"}},
        {"condition": {"exprs": [], "type": "all"}},
        {"condition": None},
        {"directLinkGroupByQueries": [{}]},
        {"directLinkQueries": [{}]},
        {"linkGroupByQueries": [{}]},
        {"linkQueries": [_query(entityType="team")]},
        {"linkQueries": None},
        {"entityType": "team"},
        {"entityType": "Employee"},
        {"limit": -1},
        {"limit": "10"},
        {"limit": None},
        {"offset": -1},
        {"offset": 0.5},
        {"orderBy": [{"anyExpression": {}, "direction": "asc"}]},
        {"sourceId": "1"},
        {"sourceId": 2},
        {"sourceId": 99},
        {"include": None},
        {"include": ["login"]},
    ):
        yield f"{changes}", [_query(**changes)]
    for inclusion in (
        {"expr": _expression("login", "attribute"), "type": "date"},
        {"expr": _expression("login", "attribute"), "type": "text"},
        {"expr": _expression("login", "assigned"), "type": "string"},
        {"expr": _expression("shoeSize", "attribute"), "type": "string"},
        {"expr": _expression("shoeSize", "assigned"), "type": "boolean"},
        {"expr": _expression("old", "attribute"), "type": "string"},
        {"expr": _expression("login", "attribute", reference="e"), "type": "string"},
        {"expr": _expression("login", "attribute", extra=1), "type": "string"},
        {"expr": {"attributeType": "login", "type": "attribute"}, "type": "string"},
        {"expr": {"reference": "", "type": "name"}, "type": "string"},
        {"expr": _expression("login", "attribute")},
        {"expr": _expression("login", "attribute"), "type": "string", "extra": 1},
    ):
        yield f"{inclusion}", [_query(include=[inclusion])]
    yield "a mistake in the second query", [_query(), _query(sourceId=2)]


def test_queries_that_are_not_supported_are_refused_with_words(reader: Reader) -> None:
    """A request with one mistake answers 400 with a message, and none of its queries is answered."""
    for mistake, body in _unsupported():
        response = reader.post(body)
        assert response.status_code == 400, mistake
        assert response.text, mistake
    assert reader.elimity.queries == []


@pytest.mark.parametrize("path", [QUERY, SOURCES])
@pytest.mark.parametrize(
    "auth",
    [
        None,
        ("1", "sandbox-source-token"),
        ("sandbox-api-token", "wrong"),
        ("wrong", "sandbox-api-token-secret"),
        ("", ""),
        ("sandbox-api-token:sandbox-api-token-secret", ""),
    ],
)
def test_other_credentials_than_the_api_token_are_refused(
    reader: Reader, path: str, auth: tuple[str, str] | None
) -> None:
    """Wrong or missing credentials, and the source's own, answer 401 with the expected scheme."""
    method, body = ("POST", [_query()]) if path == QUERY else ("GET", None)
    response = requests.request(method, reader.url + path, json=body, auth=auth, timeout=10)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "domain-graph-schema"), ("POST", "snapshots"), ("POST", "connector-logs")]
)
def test_the_api_token_imports_nothing(reader: Reader, method: str, path: str) -> None:
    """The endpoints of an import answer 401 to the API token."""
    response = requests.request(method, f"{reader.url}/api/sources/1/{path}", auth=reader.auth, timeout=10)
    assert response.status_code == 401


def test_queries_are_posted_as_json(reader: Reader) -> None:
    """Another method, another content type and a body without a length are refused."""
    body = json.dumps([_query()]).encode()
    url, kind = reader.url + QUERY, {"Content-Type": "application/json"}
    assert requests.get(url, auth=reader.auth, timeout=10).status_code == 405
    assert requests.post(reader.url + SOURCES, auth=reader.auth, timeout=10).status_code == 405
    assert requests.post(url, data=body, auth=reader.auth, timeout=10).status_code == 415
    assert requests.post(url, data=iter([body]), headers=kind, auth=reader.auth, timeout=10).status_code == 411
    assert requests.post(url, data=body[:-1], headers=kind, auth=reader.auth, timeout=10).status_code == 400


def test_an_answer_may_come_late_or_in_drops(reader: Reader) -> None:
    """An answer can come too late, or in drops that arrive in time and are complete in the end."""
    reader.elimity.faults.add(Fault(QUERY, "hang"), Fault(QUERY, "drip", nth=2, seconds=0.1))
    with pytest.raises(requests.ReadTimeout):
        reader.post([_query()], timeout=0.5)
    reader.upload(*_people(1))
    began = time.monotonic()
    response = reader.post([_query()])
    assert len(response.json()[0]["results"]) == 1
    assert time.monotonic() - began > 0.5


def test_nobody_waits_for_an_answer_in_drops_that_was_given_up(reader: Reader) -> None:
    """If the client gives up an answer in drops, the server stops at once, not after minutes."""
    reader.elimity.faults.add(Fault(SOURCES, "drip", seconds=30))
    with serve(reader.elimity.app) as url:
        with requests.get(url + SOURCES, auth=reader.auth, timeout=10, stream=True) as response:
            assert response.raw.read(1)
        given_up = time.monotonic()
    assert time.monotonic() - given_up < STOP_SECONDS


def test_an_answer_may_be_spoiled(reader: Reader) -> None:
    """An answer can be truncated, cut JSON, an error or any given JSON."""
    reader.upload(*_people(50))
    reader.elimity.faults.add(
        Fault(QUERY, "truncate"),
        Fault(QUERY, "cut", nth=2),
        Fault(QUERY, 503, nth=3),
        Fault(QUERY, "answer", nth=4, body='[{"count": "many"}]', content_type="application/json"),
    )
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        reader.post([_query()])
    with pytest.raises(requests.exceptions.JSONDecodeError):
        reader.post([_query()]).json()
    assert reader.post([_query()]).status_code == 503
    answer = reader.post([_query()])
    assert (answer.status_code, answer.json()) == (200, [{"count": "many"}])
    assert len(reader.ids()) == 50


def test_a_large_answer_is_made_while_it_is_sent(reader: Reader) -> None:
    """A page isn't held in memory as a whole."""
    person = {"attributeAssignments": [], "name": "n" * 2000, "type": "employee"}
    document = json.dumps({"entities": [person | {"id": str(n)} for n in range(5_000)], "relationships": []})
    reader.elimity.accept_snapshot(Snapshot(zlib.compress(document.encode()), {}))
    pages = reader.elimity.answer_queries(json.dumps([_query()]).encode())
    sent = len(next(pages))
    tracemalloc.start()
    try:
        sent += sum(map(len, pages))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 10_000_000
    assert peak < sent / 4
    assert reader.post([_query()]).headers["Transfer-Encoding"] == "chunked"
