"""Authorization, rights and the rate limit of Lucca."""

import time

import pytest
import requests

from sandbox.company import Company, generate_company
from sandbox.lucca import USERS, WORK_CONTRACTS, Lucca
from sandbox.rate_limit import RateLimit
from sandbox.server import serve

from .conftest import TODAY, LuccaClient


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "sandbox-api-key",
        "lucca application=wrong",
        "lucca application=sandbox-api-key-and-more",
        "Lucca application=sandbox-api-key",
        "lucca  application=sandbox-api-key",
        "Bearer sandbox-api-key",
    ],
)
@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
def test_any_other_authorization_is_refused(client: LuccaClient, path: str, authorization: str | None) -> None:
    """Any header other than exactly `lucca application=<key>` answers 401."""
    headers = {} if authorization is None else {"Authorization": authorization}
    assert requests.get(client.url + path, headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
def test_a_resource_outside_the_role_is_forbidden(client: LuccaClient, path: str) -> None:
    """A forbidden path answers 403; the other path still answers 200."""
    client.lucca.forbidden_paths = frozenset({path})
    statuses = {asked: client.get(asked).status_code for asked in (USERS, WORK_CONTRACTS)}
    assert statuses == {USERS: 200, WORK_CONTRACTS: 200} | {path: 403}


@pytest.mark.parametrize("path", ["/", "/api/v3/departments", f"{USERS}/416", "/directory/api/4.0/employees"])
def test_there_is_nothing_else(client: LuccaClient, path: str) -> None:
    """An unknown path answers 404."""
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("path", [USERS, WORK_CONTRACTS])
def test_lucca_is_read_only(client: LuccaClient, path: str, method: str) -> None:
    """Any method but GET answers 405."""
    response = requests.request(method, client.url + path, timeout=10)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"


def test_every_request_is_logged(client: LuccaClient) -> None:
    """The log has path, query and time of each request, including refused ones."""
    client.get(USERS, paging="0,1")
    client.get("/nowhere")
    (first, second) = client.lucca.requests
    assert (first.path, first.query) == (USERS, {"paging": "0,1"})
    assert (second.path, second.query) == ("/nowhere", {})
    assert first.time <= second.time


def test_the_51st_request_in_a_minute_is_turned_away() -> None:
    """Both endpoints share the limit. A 429 has the wait in whole seconds in Retry-After."""
    lucca = Lucca(Company(TODAY))
    with serve(lucca.app) as url, requests.Session() as session:
        client = LuccaClient(lucca, url, session)
        paths = [USERS, WORK_CONTRACTS] * 25
        assert [client.get(path).status_code for path in paths] == [200] * 50
        for path in (USERS, WORK_CONTRACTS):
            refused = client.get(path)
            assert refused.status_code == 429
            assert 55 <= int(refused.headers["Retry-After"]) <= 60
        lucca.retry_after = False
        assert "Retry-After" not in client.get(USERS).headers


def test_after_the_time_told_a_request_passes() -> None:
    """After the window has passed, a request is allowed again."""
    lucca = Lucca(generate_company(1, 1, TODAY), requests_per_window=2, window_seconds=0.3)
    with serve(lucca.app) as url, requests.Session() as session:
        client = LuccaClient(lucca, url, session)
        assert [client.get(USERS).status_code for _ in range(3)] == [200, 200, 429]
        time.sleep(0.3)
        assert client.get(USERS).status_code == 200


def test_no_window_of_a_minute_has_over_the_limit() -> None:
    """The window slides with the clock, and refused requests do not count."""
    moments = iter([0.0, 30.0, 59.0, 60.0, 61.0, 89.0, 90.0])
    limit = RateLimit(2, 60.0, clock=lambda: next(moments))
    assert [limit.seconds_to_wait() for _ in range(7)] == [0.0, 0.0, 1.0, 0.0, 29.0, 1.0, 0.0]
