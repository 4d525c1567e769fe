"""Work contracts of the v4 API."""

from random import Random

import pytest

from sandbox.lucca import EMBEDDED, WORK_CONTRACTS

from .conftest import LuccaClient


def test_contracts_come_whole_and_in_id_order(client: LuccaClient) -> None:
    """Contracts have all properties. Without the filter, archived contracts are included."""
    assert client.work_contracts(limit="1000") == client.lucca.company.work_contracts


def test_pages_make_up_the_whole(client: LuccaClient) -> None:
    """Pages are numbered from 1; the page after the last is empty."""
    total = len(client.lucca.company.work_contracts)
    pages = [client.work_contracts(page=str(page), limit="50") for page in (1, 2, 3, 4)]
    assert [contract for page in pages for contract in page] == client.lucca.company.work_contracts
    assert [len(page) for page in pages] == [50, 50, total - 100, 0]
    assert client.work_contracts(limit="50") == pages[0]


def test_a_cap_changes_the_size_of_every_page(client: LuccaClient) -> None:
    """With a cap under the limit, page N is the N-th slice of the capped size."""
    client.lucca.max_page = 20
    assert client.work_contracts(page="2", limit="50") == client.lucca.company.work_contracts[20:40]


def test_the_count_comes_when_asked_for(client: LuccaClient) -> None:
    """`fields.root=count` counts all pages."""
    assert list(client.get(WORK_CONTRACTS).json()) == ["items"]
    answer = client.get(WORK_CONTRACTS, fields_root="count", limit="0").json()
    assert answer == {"items": [], "count": len(client.lucca.company.work_contracts)}


def test_archived_contracts_can_be_left_out(client: LuccaClient) -> None:
    """`isArchived` selects archived or other contracts, although no field of a contract shows it."""
    archived = client.work_contracts(isArchived="true", limit="1000")
    others = client.work_contracts(isArchived="false", limit="1000")
    assert {contract["id"] for contract in archived} == client.lucca.company.archived_contracts
    assert len(archived) + len(others) == len(client.lucca.company.work_contracts)
    assert set(archived[0]) == set(others[0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", ""),
        ("page", "0"),
        ("page", "-1"),
        ("page", "1.5"),
        ("page", "\u0661"),
        ("fields.root", "total"),
        ("isArchived", "no"),
        ("fields", "id"),
        ("paging", "0,10"),
        ("orderBy", "id,asc"),
    ],
)
def test_mistakes_are_refused_with_problem_details(client: LuccaClient, name: str, text: str) -> None:
    """An invalid parameter answers 400 with problem details (RFC 7807), and is never ignored."""
    response = client.get(WORK_CONTRACTS, **{name: text})
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 400
    assert name in problem["title"]
    assert problem["errors"]


def test_some_tenants_get_ids_only(client: LuccaClient) -> None:
    """Without embedded objects, a contract has only ids, as in the documentation."""
    client.lucca.embed_contract_types = False
    contracts = client.work_contracts(limit="1000")
    assert not set(EMBEDDED) & {name for contract in contracts for name in contract}
    assert all(contract["typeId"] for contract in contracts)


def test_fields_outside_the_role_are_silently_missing(client: LuccaClient) -> None:
    """A hidden field is omitted without an error."""
    client.lucca.hidden_fields = frozenset({"Type"})
    assert all("type" not in contract and "spc" in contract for contract in client.work_contracts())


def test_contracts_change_while_they_are_read(client: LuccaClient) -> None:
    """The next answer shows which contracts were created and deleted."""
    created = client.lucca.create_contracts(5, Random(1))
    client.lucca.delete_contracts({client.lucca.company.work_contracts[0]["id"]})
    contracts = client.work_contracts(limit="1000")
    assert contracts == client.lucca.company.work_contracts
    assert contracts[-5:] == created
