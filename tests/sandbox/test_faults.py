"""Faults as a client sees them."""

import zlib
from collections.abc import Callable

import msgspec
import pytest
import requests

from sandbox.company import Company
from sandbox.elimity import Elimity
from sandbox.faults import Fault, Faults, Kind
from sandbox.lucca import USERS, WORK_CONTRACTS, Lucca
from sandbox.server import serve

from .conftest import DATA_MODEL, TODAY, ElimityClient, LuccaClient


def test_a_status_with_headers_and_a_body(client: LuccaClient) -> None:
    """A status fault answers once as planned, and the next request succeeds."""
    client.lucca.faults.add(
        Fault(USERS, 429, headers={"Retry-After": "7"}, body='{"a": 1}', content_type="application/json")
    )
    response = client.get(USERS)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "7"
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"a": 1}
    assert client.get(USERS).status_code == 200


def test_a_fault_strikes_from_the_nth_request_on(client: LuccaClient) -> None:
    """`nth` and `count` choose among the requests whose path begins with the prefix."""
    client.lucca.faults.add(Fault(USERS, 500, nth=2, count=2))
    assert client.get(WORK_CONTRACTS).status_code == 200
    assert [client.get(USERS).status_code for _ in range(5)] == [200, 500, 500, 200, 200]


def test_a_fault_may_last_for_ever(client: LuccaClient) -> None:
    """A fault with a count of None ends only with `clear`."""
    client.lucca.faults.add(Fault("/", 503, count=None))
    assert {client.get(path).status_code for path in [USERS, WORK_CONTRACTS] * 5} == {503}
    client.lucca.faults.clear()
    assert client.get(USERS).status_code == 200


def test_the_fault_added_first_wins(client: LuccaClient) -> None:
    """If two faults match a request, the first one applies, and both count the request."""
    client.lucca.faults.add(Fault(USERS, 500), Fault(USERS, 503, count=2))
    assert [client.get(USERS).status_code for _ in range(3)] == [500, 503, 200]


def test_a_faulty_request_counts_like_any_other(client: LuccaClient) -> None:
    """Requests that meet a fault are logged, and count towards the rate limit."""
    client.lucca.requests_per_window = 2
    client.lucca.faults.add(Fault(USERS, 500, count=None))
    assert [client.get(USERS).status_code for _ in range(3)] == [500, 500, 429]
    assert len(client.lucca.requests) == 3


def test_reset_closes_the_connection_without_an_answer(client: LuccaClient) -> None:
    """A reset raises ConnectionError in requests."""
    client.lucca.faults.add(Fault(USERS, "reset"))
    with pytest.raises(requests.ConnectionError):
        client.get(USERS)
    assert client.get(USERS).status_code == 200


def test_truncate_closes_the_connection_in_the_body(client: LuccaClient) -> None:
    """A truncated body raises ChunkedEncodingError in requests."""
    client.lucca.faults.add(Fault(USERS, "truncate"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(USERS)
    assert client.get(USERS).status_code == 200


def test_cut_is_half_an_answer_that_looks_whole(client: LuccaClient) -> None:
    """A cut body has the right length and malformed JSON."""
    client.lucca.faults.add(Fault(USERS, "cut"))
    response = client.get(USERS)
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) == len(response.content)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()
    assert client.get(USERS).json()


def test_html_is_the_page_of_a_proxy(client: LuccaClient) -> None:
    """The page has status 200 and is HTML."""
    client.lucca.faults.add(Fault(USERS, "html"))
    response = client.get(USERS)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")


def test_hang_keeps_the_client_waiting(client: LuccaClient) -> None:
    """An answer after the timeout raises ReadTimeout in requests; an earlier one succeeds."""
    client.lucca.faults.add(Fault(USERS, "hang", seconds=30.0), Fault(USERS, "hang", seconds=0.1, nth=2))
    headers = {"Authorization": f"lucca application={client.lucca.api_key}"}
    with pytest.raises(requests.ReadTimeout):
        requests.get(client.url + USERS, headers=headers, timeout=0.1)
    assert requests.get(client.url + USERS, headers=headers, timeout=10).status_code == 200


def test_redirect_leads_elsewhere(client: LuccaClient) -> None:
    """A redirect answers 302 with the planned location."""
    client.lucca.faults.add(Fault(USERS, "redirect", location="https://attacker.example/"))
    response = client.get(USERS)
    assert response.status_code == 302
    assert response.headers["Location"] == "https://attacker.example/"


def test_mutate_changes_the_company_before_the_answer(client: LuccaClient) -> None:
    """Before the answer, users and contracts are deleted, and as many are created."""
    before = client.users(formerEmployees="true", orderBy="id,asc")
    client.lucca.faults.add(Fault(USERS, "mutate", changes=5, seed=3))
    after = client.users(formerEmployees="true", orderBy="id,asc")
    before_ids, after_ids = ({user["id"] for user in users} for users in (before, after))
    assert len(after) == 60
    assert len(before_ids - after_ids) == len(after_ids - before_ids) == 5


def test_mutate_fills_an_empty_company() -> None:
    """If there is nobody to delete, people are created anyway."""
    lucca = Lucca(Company(TODAY))
    lucca.faults.add(Fault(USERS, "mutate", changes=2))
    with serve(lucca.app) as url:
        requests.get(url + USERS, timeout=10)
    assert len(lucca.company.users) == 2


SNAPSHOT = zlib.compress(b'{"entities": [], "relationships": []}')


@pytest.mark.parametrize(("kind", "accepted"), [("reset", 0), ("truncate", 1), (503, 0)])
def test_an_upload_may_fail_before_or_after_it_is_accepted(
    insights: ElimityClient, kind: Kind | int, accepted: int
) -> None:
    """If an answer without a body is truncated, the connection closes after the upload was accepted."""
    insights.elimity.faults.add(Fault("/api/sources/1/snapshots", kind))
    try:
        assert insights.upload(SNAPSHOT).status_code == 503
    except requests.ConnectionError:
        assert kind != 503
    assert len(insights.elimity.snapshots) == accepted
    assert len(insights.elimity.requests) == 1
    assert insights.upload(SNAPSHOT).status_code == 204


def test_an_upload_that_hangs_arrives_whole(insights: ElimityClient) -> None:
    """After the wait, the whole body has arrived."""
    insights.elimity.faults.add(Fault("/api", "hang", seconds=0.05))
    assert insights.upload(SNAPSHOT).status_code == 204
    assert insights.elimity.current
    assert insights.elimity.current.compressed == SNAPSHOT


def test_both_servers_may_share_their_faults(client: LuccaClient) -> None:
    """Two servers can use one registry of faults."""
    elimity = Elimity(DATA_MODEL, faults=client.lucca.faults)
    client.lucca.faults.add(Fault("/", 500, count=2))
    with serve(elimity.app) as url:
        assert client.get(USERS).status_code == 500
        assert requests.get(f"{url}/api/sources/1/domain-graph-schema", timeout=10).status_code == 500
    assert client.get(USERS).status_code == 200


@pytest.mark.parametrize("of_lucca", [True, False])
def test_another_process_plans_faults_over_http(client: LuccaClient, insights: ElimityClient, of_lucca: bool) -> None:
    """A list of faults can be posted, read and deleted on either server, and faults don't affect these requests."""
    url, faults = (client.url, client.lucca.faults) if of_lucca else (insights.url, insights.elimity.faults)
    control = f"{url}/_sandbox/faults"
    posted = requests.post(
        control,
        json=[{"path_prefix": "/", "kind": 503, "count": None}, {"path_prefix": "/x", "kind": "reset"}],
        timeout=10,
    )
    assert posted.status_code == 200
    assert [planned.fault for planned in faults.planned()] == [Fault("/", 503, count=None), Fault("/x", "reset")]
    assert requests.get(f"{url}{USERS}", timeout=10).status_code == 503
    listed = requests.get(control, timeout=10).json()
    assert [(planned["fault"]["kind"], planned["matched"]) for planned in listed] == [(503, 1), ("reset", 0)]
    assert requests.delete(control, timeout=10).json() == []
    assert faults.planned() == []
    assert client.lucca.requests == client.lucca.requests[: int(of_lucca)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'[{"kind": 500}]',
        b'[{"path_prefix": "/", "kind": "explode"}]',
        b'[{"path_prefix": "/", "kind": 200}]',
        b'[{"path_prefix": "/", "kind": 500, "nth": 0}]',
        b'[{"path_prefix": "/", "kind": 500, "count": 0}]',
        b'[{"path_prefix": "/", "kind": 500, "often": true}]',
    ],
)
def test_impossible_faults_are_refused_over_http(client: LuccaClient, body: bytes) -> None:
    """If a list has an invalid fault, nothing is planned."""
    assert requests.post(f"{client.url}/_sandbox/faults", data=body, timeout=10).status_code == 400
    assert client.lucca.faults.planned() == []


@pytest.mark.parametrize("make", [lambda: Fault("/", 200), lambda: Fault("/", 500, nth=0)])
def test_impossible_faults_are_refused_in_code(make: Callable[[], Fault]) -> None:
    """Adding an invalid fault raises an error."""
    with pytest.raises(msgspec.ValidationError):
        Faults().add(make())
