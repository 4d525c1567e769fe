"""The comparison with what the source holds, with the real programs and the sandbox's Elimity Insights."""

import json
from collections.abc import Callable
from html import escape
from typing import Any, cast

import pytest
from target_elimity.attributes import ATTRIBUTES

from sandbox.faults import Fault
from sandbox.queries import Assigned
from tests.harness import Run, Sandbox

SOURCES, QUERY = "/api/agent/sources", "/api/agent/query"
NEVER_READ = "this is never read"


def imported(sandbox: Sandbox, **settings: Any) -> Run:
    """Run the tap and the target with the API token and without STATE; return the target's run."""
    sandbox.target_settings = {**sandbox.api_token, **settings}
    tap, target = sandbox.pipeline()
    assert tap.exit_code == 0, tap.log
    return target


def refused_at_start(sandbox: Sandbox, **settings: Any) -> str:
    """Return the log of a target that fails before it reads its first line."""
    before = len(sandbox.elimity.snapshots)
    sandbox.target_settings = {"max_retry_seconds": 0, **sandbox.api_token, **settings}
    target = sandbox.target(NEVER_READ)
    assert (target.exit_code, target.stdout) == (1, "")
    assert "Traceback" not in target.log
    assert "JSON" not in target.log  # the target would log this if it read the line
    assert len(sandbox.elimity.snapshots) == before
    return target.log


def change(sandbox: Sandbox, positions: slice, **fields: object) -> None:
    """Change fields of some users in Lucca."""
    with sandbox.lucca.changing() as company:
        for user in company.users[positions]:
            cast("dict[str, object]", user).update(fields)


def replace_users(sandbox: Sandbox, count: int) -> None:
    """Replace this many users with other people."""
    with sandbox.lucca.changing() as company:
        for user in company.users[:count]:
            company.last_user_id += 1
            cast("dict[str, object]", user)["id"] = company.last_user_id


def test_an_import_that_changes_little(sandbox: Sandbox) -> None:
    """The target reads the source with one query and logs the changes. A first import logs that it compared nothing."""
    first = imported(sandbox)
    assert first.exit_code == 0
    assert "Nothing was compared" in first.log
    change(sandbox, slice(0, 100), dtContractEnd=None)
    assert imported(sandbox).exit_code == 0
    change(sandbox, slice(0, 3), dtContractEnd="2020-01-31T00:00:00")
    replace_users(sandbox, 0)
    sandbox.lucca.delete_users({int(str(sandbox.lucca.company.users[50]["id"]))})
    sandbox.elimity.queries.clear()
    third = imported(sandbox)
    assert third.exit_code == 0
    assert "Nothing was compared" not in third.log
    told = "Compared with what the source held: 0 joined, 4 left, 1 of them removed"
    assert told in third.log
    assert any(told in log.message for log in sandbox.elimity.connector_logs)
    (query,) = sandbox.elimity.queries
    assert (query.limit, query.offset) == (999999, 0)
    assigned = [row.expr.attribute_type for row in query.include if isinstance(row.expr, Assigned)]
    assert assigned == [attribute.id for attribute in ATTRIBUTES]
    assert [row.expr.attribute_type for row in query.include if not isinstance(row.expr, Assigned)] == ["status"]


def test_other_people_are_removed_people(sandbox: Sandbox) -> None:
    """If 60 people are replaced, the counts stay equal, but the first run with the token refuses the import."""
    sandbox.target_settings = {}
    assert sandbox.pipeline()[1].exit_code == 0
    replace_users(sandbox, 60)
    refused = imported(sandbox)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "remove 60 of the 250 employees" in refused.log
    assert "TARGET_ELIMITY_MAX_REMOVED_PERCENT=100 meltano run" in refused.log
    assert "TARGET_ELIMITY_OUTPUT_PATH=output" in refused.log
    assert "remove 60 of the 250 employees" in sandbox.alerts[-1]
    assert imported(sandbox, max_removed_percent=100).exit_code == 0
    assert imported(sandbox).exit_code == 0


def test_people_who_turn_inactive(sandbox: Sandbox) -> None:
    """People who turn inactive are counted individually: others who become active don't offset them."""
    change(sandbox, slice(0, 125), dtContractEnd=None)
    change(sandbox, slice(125, 250), dtContractEnd="2020-01-31T00:00:00")
    assert imported(sandbox).exit_code == 0
    change(sandbox, slice(0, 26), dtContractEnd="2020-01-31T00:00:00")
    change(sandbox, slice(130, 156), dtContractEnd=None)
    refused = imported(sandbox)
    assert refused.exit_code == 1
    assert "turn 26 of the 125 employees who are active" in refused.log
    assert "MAX_DEACTIVATED_PERCENT=100" in refused.log
    change(sandbox, slice(0, 1), dtContractEnd=None)
    assert imported(sandbox).exit_code == 0


def test_values_that_people_lose(sandbox: Sandbox) -> None:
    """People who gain a value don't offset those who lose it. End dates may disappear."""
    department = {"id": 1, "name": "IT", "code": "IT", "url": "…"}
    change(sandbox, slice(0, 100), department=department, dtContractEnd="2099-01-31T00:00:00")
    change(sandbox, slice(100, 250), department=None)
    assert imported(sandbox).exit_code == 0
    change(sandbox, slice(0, 21), department=None, dtContractEnd=None)
    change(sandbox, slice(100, 200), department=department)
    change(sandbox, slice(21, 100), dtContractEnd=None)
    refused = imported(sandbox)
    assert refused.exit_code == 1
    assert "Department (21 of 100), Department Code (21 of 100)" in refused.log
    assert "End Date" not in refused.log
    assert imported(sandbox, max_emptied_percent=21).exit_code == 0


def test_the_counts_in_state_are_not_used(sandbox: Sandbox) -> None:
    """STATE is used only if the source looks nearly empty: then the token may lack the right to see its employees."""
    sandbox.target_settings = sandbox.api_token
    tap = sandbox.tap()
    state = tap.messages[-1]["value"]
    state["bookmarks"]["target-elimity"] = {"employees": 1000, "active": 700}
    messages = "\n".join([*tap.stdout.splitlines()[:-1], json.dumps({"type": "STATE", "value": state})])
    empty = sandbox.target(messages)
    assert (empty.exit_code, empty.stdout) == (1, "")
    assert "'api_token_id' and 'api_token_secret'" in empty.log
    assert "=100" not in empty.log
    users = sandbox.lucca.company.users
    others = {f'"stream":"users","record":{{"id":{user["id"]},' for user in users[1:]}
    one = [line for line in tap.stdout.splitlines() if not any(other in line for other in others)]
    sandbox.target_settings = {**sandbox.api_token, "accept_filtered": True}
    assert sandbox.target("\n".join(one)).exit_code == 0
    assert len(sandbox.entities) == 1
    assert sandbox.target(messages).exit_code == 1
    assert imported(sandbox).exit_code == 0
    sandbox.target_settings = sandbox.api_token
    assert sandbox.target(messages).exit_code == 0


def cut_short(sandbox: Sandbox) -> None:
    """Make the pages hold fewer results than the count."""
    sandbox.elimity.paging.max_results = 100


FLAWS: dict[str, Callable[[Sandbox], object]] = {
    "another secret": lambda sandbox: setattr(sandbox.elimity, "api_token_secret", "another"),
    "not listed": lambda sandbox: setattr(sandbox.elimity, "listed", False),
    "archived": lambda sandbox: setattr(sandbox.elimity, "archived", True),
    "fewer than counted": cut_short,
}


def answer(body: str, path: str = QUERY) -> Fault:
    """Return a fault that answers with this body."""
    return Fault(path, "answer", count=None, body=body)


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_cannot_be_read_back_is_refused_at_the_start(sandbox: Sandbox, flaw: str) -> None:
    """If the source can't be read completely, the target refuses the import and names the token's settings."""
    assert imported(sandbox).exit_code == 0
    secret = sandbox.api_token
    FLAWS[flaw](sandbox)
    log = refused_at_start(sandbox, **secret)
    assert "'api_token_id' and 'api_token_secret'" in log
    assert "Nothing was imported" in sandbox.alerts[-1]


@pytest.mark.parametrize("path", [SOURCES, QUERY])
@pytest.mark.parametrize("kind", [400, 401, 403, 404, 500, 503, "reset", "truncate", "cut", "html", "redirect"])
def test_a_failure_while_reading_is_refused(sandbox: Sandbox, path: str, kind: Any) -> None:
    """The target refuses the import and names the token's settings, whatever the failure."""
    assert imported(sandbox).exit_code == 0
    sandbox.elimity.faults.add(Fault(path, kind, count=None))
    assert "'api_token_id' and 'api_token_secret'" in refused_at_start(sandbox)


def test_a_failure_in_passing_is_no_failure(sandbox: Sandbox) -> None:
    """The target retries after a temporary failure."""
    assert imported(sandbox).exit_code == 0
    sandbox.elimity.faults.add(Fault(SOURCES, 503), Fault(QUERY, 503))
    assert imported(sandbox).exit_code == 0


def test_an_answer_that_drips_has_a_time_limit(sandbox: Sandbox) -> None:
    """The whole answer must arrive within ten times the limit of other answers."""
    assert imported(sandbox).exit_code == 0
    sandbox.elimity.faults.add(Fault(QUERY, "drip", seconds=0.1, count=None))
    assert "'api_token_id' and 'api_token_secret'" in refused_at_start(sandbox, request_timeout=1)


def page(*results: Any, **more: Any) -> str:
    """Return a page of results."""
    return json.dumps([{"count": len(results), "results": results, **more}])


def result(identifier: object = "1", name: object = "somebody-secret", **changes: Any) -> dict[str, Any]:
    """Return an employee as the source returns one, with only a status."""
    inclusions: list[dict[str, Any]] = []
    for attribute in ATTRIBUTES:
        is_status = attribute.id == "status"
        inclusions.append({"type": "boolean", "value": "true" if is_status else "false"})
        inclusions += [{"type": "string", "value": "active"}] * is_status
    entity = {"active": True, "id": identifier, "name": name}
    return {"entity": entity, "inclusions": inclusions, "linkGroupByPages": [], "linkPages": [], **changes}


def with_inclusion(position: int, **changes: Any) -> dict[str, Any]:
    """Return an employee with a changed inclusion."""
    row = result()
    row["inclusions"][position] = {**row["inclusions"][position], **changes}
    return row


STATUS = [attribute.id for attribute in ATTRIBUTES].index("status")
MALFORMED = {
    "nothing": "",
    "no list": "{}",
    "no page": "[]",
    "two pages": page(result())[:-1] + "," + page()[1:],
    "no count": '[{"results":[]}]',
    "two counts": '[{"count":0,"count":0,"results":[]}]',
    "an empty page": "[{}]",
    "no results": '[{"count":0}]',
    "count is text": page(result(), count="1"),
    "count is true": page(result(), count=True),
    "count is 1.0": page(result(), count=1.0),
    "more than counted": page(result(), count=0),
    "fewer than counted": page(result(), count=2),
    "an employee twice": page(result(), result()),
    "id is a number": page(result(1)),
    "id is null": page(result(None)),
    "id is empty": page(result("")),
    "half a surrogate pair": page(result("\ud800")),
    "half a surrogate pair in the name": page(result(name="\ud800")),
    "no entity": page({"inclusions": []}),
    "no inclusions": page(result(inclusions=[])),
    "an inclusion too many": page(result(inclusions=[*result()["inclusions"], {"type": "string", "value": ""}])),
    "assigned is null": page(with_inclusion(0, value=None)),
    "assigned is a word": page(with_inclusion(0, value="yes")),
    "assigned is no text": page(with_inclusion(0, value=True)),
    "assigned of another type": page(with_inclusion(0, type="string")),
    "status is null": page(with_inclusion(STATUS + 1, value=None)),
    "result is null": page(None),
    "cut": page(result())[:-2],
    "something follows": page(result()) + "x",
    "nested deeply": '[{"count":0,"results":' + "[" * 100_000,
    "nested deeply elsewhere": '[{"count":0,"results":[],"x":' + "[" * 100_000,
    "a value without end": '[{"count":1,"results":["' + "x" * 3_000_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_an_answer_that_is_malformed_is_refused(sandbox: Sandbox, body: str) -> None:
    """The target refuses the import and logs nothing of the answer."""
    sandbox.elimity.faults.add(answer(body))
    log = refused_at_start(sandbox)
    assert "'api_token_id' and 'api_token_secret'" in log
    assert "somebody-secret" not in log


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"id":1}]', '[{"archived":false,"id":"1"}]', "[" * 100_000])
def test_a_list_of_sources_that_is_malformed(sandbox: Sandbox, body: str) -> None:
    """The target refuses the import, because a malformed list doesn't contain the source."""
    sandbox.elimity.faults.add(answer(body, SOURCES))
    assert "'api_token_id' and 'api_token_secret'" in refused_at_start(sandbox)


def test_the_answer_that_is_well_formed(sandbox: Sandbox) -> None:
    """The well-formed answer, which the malformed ones above are variants of, is compared with the import."""
    sandbox.elimity.faults.add(answer(page(result("9999999"))))
    target = imported(sandbox)
    assert target.exit_code == 0, target.log
    assert "1 left, 1 of them removed" in target.log


def test_check_reports_the_token(sandbox: Sandbox) -> None:
    """`--check` reports whether the API token works, and doesn't query the source."""
    sandbox.target_settings = sandbox.api_token
    assert sandbox.target("", "--check").exit_code == 0
    assert sandbox.elimity.queries == []
    sandbox.target_settings = {**sandbox.api_token, "api_token_secret": "wrong-secret"}
    wrong = sandbox.target("", "--check")
    assert wrong.exit_code == 1
    assert "api_token_secret" in wrong.log
    assert "wrong-secret" not in wrong.log
    sandbox.elimity.listed = False
    sandbox.target_settings = sandbox.api_token
    assert sandbox.target("", "--check").exit_code == 1


def plan(sandbox: Sandbox, **settings: Any) -> tuple[Run, dict[str, Any], str]:
    """Make a dry run against the live source; return the run, the changes and the report."""
    folder = sandbox.folder / "plan"
    before = len(sandbox.elimity.snapshots)
    target = imported(sandbox, output_path=str(folder), **settings)
    assert len(sandbox.elimity.snapshots) == before
    changes = json.loads((folder / "changes.json").read_bytes())
    return target, changes, (folder / "report.html").read_text(encoding="utf-8")


def test_a_plan_against_the_live_source(sandbox: Sandbox) -> None:
    """The plan lists who would join, leave, move and be removed; the import then makes these changes."""
    change(sandbox, slice(0, 20), dtContractEnd=None)
    assert imported(sandbox).exit_code == 0
    users = sandbox.lucca.company.users
    removed, left, moved = (str(users[position]["id"]) for position in (15, 1, 2))
    name = users[15]["name"]
    change(sandbox, slice(1, 2), dtContractEnd="2020-01-31T00:00:00")
    change(sandbox, slice(2, 3), department={"id": 77, "name": "Moon", "code": "M", "url": "…"})
    sandbox.lucca.delete_users({int(removed)})
    with sandbox.lucca.changing() as company:
        company.last_user_id += 1
        joined = str(company.last_user_id)
        company.users.append({**company.users[3], "id": int(joined), "name": "New"})
    target, changes, report = plan(sandbox)
    assert target.exit_code == 0
    assert changes["counts"] == {"joined": 1, "left": 2, "moved": 1}
    assert [person["id"] for person in changes["joined"]] == [joined]
    assert {person["id"]: person["reason"] for person in changes["left"]} == {left: "inactive", removed: "removed"}
    assert [person["id"] for person in changes["moved"]] == [moved]
    told = "Compared with what the source held: 1 joined, 2 left, 1 of them removed"
    assert f"{told}, 1 moved." in target.log
    assert str(name) in report
    asked = {
        row.expr.attribute_type for row in sandbox.elimity.queries[-1].include if not isinstance(row.expr, Assigned)
    }
    assert asked == {attribute.id for attribute in ATTRIBUTES}
    assert told in imported(sandbox).log
    _, changes, _ = plan(sandbox)
    assert changes["counts"] == {"joined": 0, "left": 0, "moved": 0}


@pytest.mark.parametrize("unassigned", [None, "", "Elsewhere"])
def test_a_value_that_is_not_assigned_is_none(sandbox: Sandbox, unassigned: str | None) -> None:
    """A value that isn't assigned counts as missing, whatever the source returns for it."""
    assert imported(sandbox).exit_code == 0
    sandbox.elimity.paging.unassigned = dict.fromkeys(sandbox.elimity.paging.unassigned, unassigned)
    _, changes, _ = plan(sandbox)
    assert changes["counts"] == {"joined": 0, "left": 0, "moved": 0}


def test_a_plan_shows_whom_a_refusal_concerns(sandbox: Sandbox) -> None:
    """If the safeguard refuses, the plan fails like an import; its report names the people concerned."""
    assert imported(sandbox).exit_code == 0
    gone = sandbox.lucca.company.users[::3]
    ids = {int(str(user["id"])) for user in gone}
    sandbox.lucca.delete_users(ids)
    target, changes, report = plan(sandbox)
    assert target.exit_code == 1
    assert "report.html in " in target.log
    assert "TARGET_ELIMITY_MAX_REMOVED_PERCENT=100" in target.log
    assert {int(person["id"]) for person in changes["left"] if person["reason"] == "removed"} == ids
    assert 'class="objection" role="alert"' in report
    names = [person["name"] for person in changes["left"] if person["name"].isascii()]
    assert len(names) > 10
    assert all(escape(name) in report for name in names if name.isprintable())


def test_a_plan_without_an_import_before(sandbox: Sandbox) -> None:
    """Without an earlier import, everybody joins and nothing is compared."""
    target, changes, _ = plan(sandbox)
    assert target.exit_code == 0
    assert changes["counts"] == {"joined": 250, "left": 0, "moved": 0}
    assert "Nothing was compared" in target.log


def test_without_a_token_nothing_is_read_back(sandbox: Sandbox) -> None:
    """Without an API token, the target doesn't call the endpoints that read the source."""
    sandbox.target_settings = {}
    assert sandbox.pipeline()[1].exit_code == 0
    assert {request.path for request in sandbox.elimity.requests}.isdisjoint({SOURCES, QUERY})
