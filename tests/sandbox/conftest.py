"""Fixtures: a served Lucca with a small company, and a served Elimity Insights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
import requests

from sandbox.company import generate_company
from sandbox.elimity import Elimity
from sandbox.lucca import USERS, WORK_CONTRACTS, Lucca
from sandbox.server import serve

TODAY = date(2026, 3, 14)
DATA_MODEL: dict[str, Any] = {
    "entityTypes": [
        {"anonymized": False, "icon": "person", "id": "employee", "plural": "Employees", "singular": "Employee"},
        {"anonymized": False, "icon": "group", "id": "team", "plural": "Teams", "singular": "Team"},
    ],
    "entityAttributeTypes": [
        {
            "archived": identifier == "old",
            "description": "",
            "entityTypeId": "employee",
            "id": identifier,
            "name": identifier.title(),
            "type": value_type,
        }
        for identifier, value_type in [
            ("old", "string"),
            ("login", "string"),
            ("status", "string"),
            ("endDate", "date"),
            ("lastModified", "dateTime"),
            ("level", "number"),
            ("remote", "boolean"),
            ("shift", "time"),
        ]
    ],
    "relationshipAttributeTypes": [
        {
            "archived": False,
            "childType": "team",
            "description": "",
            "id": "since",
            "name": "Since",
            "parentType": "employee",
            "type": "date",
        }
    ],
}


@dataclass
class LuccaClient:
    """A served Lucca with 60 employees, and a session to call it with its key."""

    lucca: Lucca
    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **query: str) -> requests.Response:
        """Send a GET request to Lucca; an underscore in a parameter's name stands for a dot."""
        parameters = {name.replace("_", "."): value for name, value in query.items()}
        headers = {"Authorization": f"lucca application={self.lucca.api_key}"}
        return self.session.get(self.url + path, params=parameters, headers=headers, timeout=10, allow_redirects=False)

    def users(self, **query: str) -> list[dict[str, Any]]:
        """Return the users in an answer, which must have status 200."""
        response = self.get(USERS, **query)
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["data"]["items"]
        return items

    def work_contracts(self, **query: str) -> list[dict[str, Any]]:
        """Return the work contracts in an answer, which must have status 200."""
        response = self.get(WORK_CONTRACTS, **query)
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items


@dataclass
class ElimityClient:
    """A served Elimity Insights, called with the credentials of its source."""

    elimity: Elimity
    url: str

    def request(
        self,
        method: str,
        path: str,
        *,
        auth: tuple[str, str] | None = ("1", "sandbox-source-token"),
        data: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a request about source 1 to Elimity Insights."""
        url = f"{self.url}/api/sources/1/{path}"
        return requests.request(method, url, auth=auth, data=data, headers=headers, timeout=10)

    def upload(
        self, body: bytes | Iterable[bytes], content_type: str = "application/octet-stream"
    ) -> requests.Response:
        """Send a body as a snapshot, unchanged."""
        return self.request("POST", "snapshots", data=body, headers={"Content-Type": content_type})


@pytest.fixture
def client() -> Iterator[LuccaClient]:
    """Serve a Lucca without a rate limit."""
    lucca = Lucca(generate_company(60, 1, TODAY), requests_per_window=None)
    with serve(lucca.app) as url, requests.Session() as session:
        yield LuccaClient(lucca, url, session)


@pytest.fixture
def insights() -> Iterator[ElimityClient]:
    """Serve an Elimity Insights."""
    elimity = Elimity(DATA_MODEL)
    with serve(elimity.app) as url:
        yield ElimityClient(elimity, url)
