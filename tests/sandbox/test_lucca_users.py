"""Users of the v3 API."""

from random import Random

import pytest

from sandbox.company import has_left
from sandbox.lucca import USERS, Lucca
from sandbox.rows import SENSITIVE_FIELDS

from .conftest import TODAY, LuccaClient


def test_without_fields_a_user_has_three(client: LuccaClient) -> None:
    """Without `fields`, as in an administrator's check, a user has id, name and url."""
    (user,) = client.users(paging="0,1")
    assert list(user) == ["id", "name", "url"]


def test_only_fields_asked_for_come_back(client: LuccaClient) -> None:
    """Brackets and dots select within an embedded object; null stays null."""
    fields = "ID,department[id,name,code],manager.mail,habilitedroles[name],managerid"
    users = client.users(fields=fields, orderBy="id,asc", formerEmployees="true")
    for user, row in zip(users, client.lucca.company.users, strict=True):
        department, manager = row["department"], row["manager"]
        assert user == {
            "id": row["id"],
            "department": department and {key: department[key] for key in ("id", "name", "code")},
            "manager": manager and {"mail": manager["mail"]},
            "habilitedRoles": [{"name": role["name"]} for role in row["habilitedRoles"]],
            "managerID": row["managerID"],
        }
    assert None in [user["department"] for user in users]
    assert None in [user["manager"] for user in users]


def test_an_embedded_object_has_three_fields_of_its_own(client: LuccaClient) -> None:
    """An object that is requested as a whole has id, name and url."""
    users = client.users(fields="legalEntity,habilitedRoles", formerEmployees="true")
    assert all(list(user["legalEntity"]) == ["id", "name", "url"] for user in users)
    assert {tuple(role) for user in users for role in user["habilitedRoles"]} == {("id", "name", "url")}


def test_paths_into_the_same_object_add_up(client: LuccaClient) -> None:
    """A dot and brackets may select different fields of one object."""
    (user,) = client.users(fields="legalEntity.id,legalEntity[name]", paging="0,1")
    assert list(user["legalEntity"]) == ["id", "name"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("id,shoeSize", "shoesize"),
        ("department[id,colour]", "department.colour"),
        ("manager.shoeSize", "manager.shoesize"),
        ("name[id]", "name"),
        ("login.id", "login"),
        ("department[id", "malformed"),
        ("department]id", "malformed"),
        ("id,,name", "malformed"),
        ("id,", "malformed"),
        ("", "malformed"),
        ("department[]", "malformed"),
        ("collection.total", "collection"),
        ("collection", "collection"),
    ],
)
def test_fields_there_are_not_are_refused(client: LuccaClient, fields: str, message: str) -> None:
    """An unknown field answers 400 and is named."""
    response = client.get(USERS, fields=fields)
    assert response.status_code == 400
    assert message in response.json()["message"]


def test_the_count_comes_when_asked_for(client: LuccaClient) -> None:
    """`collection.count` counts all pages, and selects no field by itself."""
    assert "count" not in client.get(USERS).json()["data"]
    data = client.get(USERS, fields="collection.count", paging="0,2", formerEmployees="true").json()["data"]
    assert data["count"] == 60
    assert [list(user) for user in data["items"]] == [["id", "name", "url"]] * 2


def test_pages_make_up_the_whole(client: LuccaClient) -> None:
    """Offset pages in id order contain everyone once; the page after the last is empty."""
    pages = [
        client.users(paging=f"{offset},25", orderBy="id,asc", formerEmployees="true") for offset in (0, 25, 50, 75)
    ]
    assert [len(page) for page in pages] == [25, 25, 10, 0]
    assert [user["id"] for page in pages for user in page] == [user["id"] for user in client.lucca.company.users]


def test_a_page_may_be_capped(client: LuccaClient) -> None:
    """The server may return fewer rows than requested."""
    client.lucca.max_page = 7
    assert len(client.users(paging="0,50")) == 7
    assert client.users(paging="7,50", orderBy="id,asc")[0]["id"] > client.users(orderBy="id,asc")[6]["id"]


@pytest.mark.parametrize("paging", ["0,1001", "-1,10", "0,-1", "0", "0,10,20", "a,b", "", " 0,1", "0;1", "1.0,2"])
def test_malformed_paging_is_refused(client: LuccaClient, paging: str) -> None:
    """`paging` must be an offset and a limit of at most 1000; anything else answers 400."""
    assert client.get(USERS, paging=paging).status_code == 400


def test_a_page_of_1000_and_one_of_0_are_fine(client: LuccaClient) -> None:
    """The limit may be anything from 0 to 1000."""
    assert client.users(paging="0,0") == []
    assert len(client.users(paging="0,1000", formerEmployees="true")) == 60


def test_without_an_order_users_are_not_in_that_of_their_ids(client: LuccaClient) -> None:
    """Without `orderBy`, users come in an order that isn't that of their ids, but is stable."""
    ids = [user["id"] for user in client.users(formerEmployees="true")]
    assert ids not in (sorted(ids), sorted(ids, reverse=True))
    assert ids == [user["id"] for user in client.users(formerEmployees="true")]


@pytest.mark.parametrize("order", ["shoeSize,asc", "id", "id,up", "department,asc", "", "id,asc,name,asc"])
def test_an_order_there_is_not_is_refused(client: LuccaClient, order: str) -> None:
    """An order by anything but the id, or without a direction, answers 400."""
    assert client.get(USERS, orderBy=order).status_code == 400


def test_former_employees_come_when_asked_for(client: LuccaClient) -> None:
    """By default, people who have left are omitted; those whose last day is today are not."""
    present = {user["id"] for user in client.users()}
    assert present == {user["id"] for user in client.lucca.company.users if not has_left(user, TODAY)}
    assert present == {user["id"] for user in client.users(formerEmployees="false")}
    assert len(client.users(formerEmployees="true")) == 60 > len(present)
    assert client.get(USERS, formerEmployees="yes").status_code == 400


def test_without_the_right_former_employees_stay_out(client: LuccaClient) -> None:
    """If the key lacks the right, former employees are silently omitted."""
    client.lucca.allow_former = False
    assert client.users(formerEmployees="true") == client.users()


def test_fields_outside_the_role_are_silently_missing(client: LuccaClient) -> None:
    """A hidden field is omitted without an error, even within an embedded object."""
    client.lucca.hidden_fields = frozenset({"mail", "Manager.Mail"})
    users = client.users(fields="id,mail,manager[id,mail]", formerEmployees="true")
    assert {tuple(user) for user in users} == {("id", "manager")}
    assert {tuple(user["manager"]) for user in users if user["manager"]} == {("id",)}


@pytest.mark.parametrize(("name", "text"), [("shoeSize", "40"), ("page", "1"), ("former", "true"), ("id", "1")])
def test_parameters_there_are_not_are_refused(client: LuccaClient, name: str, text: str) -> None:
    """An unknown parameter answers 400 and is never ignored. The sandbox has no filters: the tap sends none."""
    assert client.get(USERS, **{name: text}).status_code == 400


def test_a_parameter_given_twice_is_refused(client: LuccaClient) -> None:
    """A parameter with two values answers 400."""
    assert client.get(f"{USERS}?paging=0,1&paging=1,1").status_code == 400


def test_sensitive_fields_can_be_asked_for(client: LuccaClient) -> None:
    """Lucca returns sensitive fields, so a test notices if the tap requests them."""
    (user,) = client.users(fields=",".join(SENSITIVE_FIELDS), paging="0,1")
    assert tuple(user) == SENSITIVE_FIELDS


def test_a_hook_changes_the_company_between_pages(client: LuccaClient) -> None:
    """A hook gets the path and the number of each allowed request before the answer."""
    seen: list[tuple[str, int]] = []

    def hook(lucca: Lucca, path: str, nth: int) -> None:
        seen.append((path, nth))
        if nth == 2:
            lucca.delete_users({lucca.company.users[0]["id"]})
            lucca.hire(3, Random(1))

    client.lucca.on_request.append(hook)
    pages = [client.get(USERS, fields="id,collection.count", formerEmployees="true").json()["data"] for _ in range(2)]
    assert seen == [(USERS, 1), (USERS, 2)]
    assert [page["count"] for page in pages] == [60, 62]


def test_a_changed_company_shows_at_once(client: LuccaClient) -> None:
    """The next answer has the rows that were changed within `changing`, in their new order."""
    last = client.users(orderBy="id,asc")[-1]["id"]
    with client.lucca.changing() as company:
        next(user for user in company.users if user["id"] == last)["id"] = 1
    assert client.users(orderBy="id,asc")[0]["id"] == 1
