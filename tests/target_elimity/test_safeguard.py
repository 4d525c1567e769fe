"""The import safeguard."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from target_elimity.baseline import figures_of_counts
from target_elimity.employees import Counts
from target_elimity.imports import Assessment
from target_elimity.safeguard import Objection, objections, rights_lost
from target_elimity.settings import ImportSettings

from sandbox.elimity import values_of
from tests.harness import Run, Sandbox

ALL_20 = ImportSettings()


def limits(removed: int, deactivated: int, emptied: int) -> ImportSettings:
    """Return settings with these limits."""
    return ImportSettings(max_removed_percent=removed, max_deactivated_percent=deactivated, max_emptied_percent=emptied)


@pytest.mark.parametrize(
    ("previous", "new", "limit", "refused"),
    [
        ((100, 80), (100, 80), 20, []),
        ((100, 80), (80, 64), 20, []),
        ((100, 80), (79, 64), 20, ["max_removed_percent"]),
        ((100, 80), (100, 63), 20, ["max_deactivated_percent"]),
        ((100, 80), (10, 8), 20, ["max_removed_percent", "max_deactivated_percent"]),
        ((100, 80), (0, 0), 100, []),
        ((100, 80), (99, 80), 0, ["max_removed_percent"]),
        ((100, 80), (200, 180), 0, []),
        ((9, 9), (1, 1), 20, []),
        ((10, 10), (1, 10), 20, ["max_removed_percent"]),
        ((10, 0), (10, 0), 0, []),
    ],
)
def test_when_it_objects(previous: tuple[int, int], new: tuple[int, int], limit: int, refused: list[str]) -> None:
    """It objects only to losses over the percentage, and never to growth or below 10 employees; 100 disables it."""
    found = list(objections(figures_of_counts(Counts(*previous), Counts(*new)), limits(limit, limit, limit)))
    assert [objection.setting for objection in found] == refused
    for reason, setting in found:
        numbers = sorted({previous[0], new[0]}) if setting == "max_removed_percent" else ()
        assert all(str(number) in reason for number in (limit, *numbers))


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param((1000, 1000), (4000, 1000), False, id="former employees without a department become visible"),
        pytest.param((1000, 1000), (4000, 4000), False, id="former employees with a department become visible"),
        pytest.param((300, 300), (1300, 300), False, id="1,000 people without a number join 300"),
        pytest.param((4000, 3900), (400, 390), False, id="a removal that was let through"),
        pytest.param((4000, 3200), (2000, 1300), False, id="a removal that hits those with a value a little more"),
        pytest.param((1000, 10), (1000, 7), False, id="10 secondary roles become 7"),
        pytest.param((1000, 9), (1000, 0), False, id="a rare attribute vanishes"),
        pytest.param((1000, 1000), (1000, 800), False, id="exactly the limit"),
        pytest.param((1000, 1000), (1000, 799), True, id="just over the limit"),
        pytest.param((1000, 150), (1000, 0), True, id="150 of 1,000 had it and nobody has"),
        pytest.param((1000, 10), (1000, 0), True, id="ten had it and nobody has"),
        pytest.param((1000, 990), (1010, 0), True, id="departments or managers vanish"),
        pytest.param((1000, 1000), (800, 300), True, id="an allowed removal and most values of those who stay"),
        pytest.param((1000, 1000), (4000, 700), True, id="growth does not hide a loss"),
        pytest.param((1000, 500), (4000, 450), False, id="growth does not enlarge a loss"),
    ],
)
def test_when_an_attribute_is_emptied(before: tuple[int, int], after: tuple[int, int], refused: bool) -> None:
    """It objects if count and share of people with a value fall by more than the limit, and at least 10 lose it."""
    (employees, had), (employees_now, have) = before, after
    figures = figures_of_counts(
        Counts(employees, 0, values={"department": had, "login": employees}),
        Counts(employees_now, 0, values={"department": have, "login": employees_now}),
    )
    found = list(objections(figures, limits(100, 100, 20)))
    assert [objection.setting for objection in found] == ["max_emptied_percent"] * refused
    assert all(word in objection.reason for objection in found for word in ("Department", str(had), str(have), "20"))
    assert list(objections(figures, limits(100, 100, 20), {"department"})) == []
    assert list(objections(figures, limits(100, 100, 100))) == []


def test_the_end_date_follows_former_employees() -> None:
    """If 3,000 of 3,200 former employees are no longer visible, the end date doesn't count as emptied."""
    before = Counts(4200, 1000, values={"endDate": 3200, "login": 4200})
    after = Counts(1200, 1000, values={"endDate": 200, "login": 1200})
    assert list(objections(figures_of_counts(before, after), limits(100, 100, 20))) == []


def test_an_attribute_that_is_not_remembered_is_not_compared() -> None:
    """The safeguard accepts STATE from a version that stored no counts of values."""
    assert list(objections(figures_of_counts(Counts(100, 80), Counts(100, 80, values={"login": 0})), ALL_20)) == []


def test_a_field_that_lucca_no_longer_shows_is_a_lost_right() -> None:
    """The objection names a field only if the last import had it. No setting allows the import."""
    (objection,) = rights_lost(Counts(1, 1, ["department", "mail"]), ["department", "legalEntity"])
    assert "Department, Department Code (department)" in objection.reason
    assert "legalEntity" not in objection.reason
    assert objection.setting is None
    assert list(rights_lost(Counts(1, 1), ["department"])) == []


def test_the_variables_that_let_an_import_through() -> None:
    """These are the variables of all objections, or none if one objection can't be overridden."""
    removed, emptied = Objection("…", "max_removed_percent"), Objection("…", "max_emptied_percent")
    assessments = (Assessment(found, [], "", "") for found in ([removed, emptied], [removed, Objection("…")]))
    assert [assessment.variables("X_") for assessment in assessments] == [
        "X_MAX_REMOVED_PERCENT=100 X_MAX_EMPTIED_PERCENT=100",
        "",
    ]


def change_everybody(sandbox: Sandbox, **fields: object) -> None:
    """Change fields of all users in Lucca."""
    with sandbox.lucca.changing() as company:
        for user in company.users:
            cast("dict[str, object]", user).update(fields)


def import_again(sandbox: Sandbox, state: dict[str, Any] | None, *tap_arguments: Any, **settings: Any) -> Run:
    """Run tap and target with the STATE of an earlier run, if there is one."""
    given = () if state is None else ("--state", sandbox.file("state.json", state))
    sandbox.target_settings = settings
    tap, target = sandbox.pipeline(*tap_arguments, *given)
    assert tap.exit_code == 0, tap.log
    return target


def state_of(target: Run) -> dict[str, Any]:
    """Return the STATE that an accepted import emitted."""
    assert target.exit_code == 0, target.log
    state: dict[str, Any] = json.loads(target.stdout.splitlines()[-1])
    return state


def logs(sandbox: Sandbox) -> str:
    """Return the messages in the Logs tab."""
    return "\n".join(log.message for log in sandbox.elimity.connector_logs)


def test_an_emptied_attribute_is_refused_and_can_be_let_through(sandbox: Sandbox) -> None:
    """Log and Logs tab name the attributes, the counts and the command. Once allowed, STATE holds the new counts."""
    first = import_again(sandbox, None)
    state = state_of(first)
    remembered = state["bookmarks"]["target-elimity"]["values"]
    change_everybody(sandbox, department=None)
    refused = import_again(sandbox, state)
    assert (refused.exit_code, refused.stdout) == (1, "")
    for text in (refused.log, sandbox.alerts[-1]):
        assert f"Department ({remembered['department']} then, 0 now)" in text
        assert f"Department Code ({remembered['departmentCode']} then, 0 now)" in text
        assert "TARGET_ELIMITY_MAX_EMPTIED_PERCENT=100 meltano run" in text
        assert "TARGET_ELIMITY_OUTPUT_PATH=output" in text
    assert len(sandbox.elimity.snapshots) == 1
    after = state_of(import_again(sandbox, state, max_emptied_percent=100))
    assert after["bookmarks"]["target-elimity"]["values"] == {**remembered, "department": 0, "departmentCode": 0}
    assert import_again(sandbox, after).exit_code == 0


def test_several_objections_are_all_told(sandbox: Sandbox) -> None:
    """The target logs all objections, with one command that allows all of them."""
    state = state_of(import_again(sandbox, None))
    sandbox.lucca.delete_users({int(str(user["id"])) for user in sandbox.lucca.company.users[::2]})
    change_everybody(sandbox, legalEntity=None, manager=None)
    refused = import_again(sandbox, state)
    assert refused.exit_code == 1
    settings = ("MAX_REMOVED_PERCENT", "MAX_DEACTIVATED_PERCENT", "MAX_EMPTIED_PERCENT")
    command = " ".join(f"TARGET_ELIMITY_{setting}=100" for setting in settings)
    assert f"{command} meltano run" in refused.log
    assert "Manager Id" in refused.log
    through = {setting.lower(): 100 for setting in settings}
    assert import_again(sandbox, state, **through).exit_code == 0


def test_leavers_who_lose_their_last_day_are_a_warning(sandbox: Sandbox) -> None:
    """They would keep their access, so the log warns, with and without an API token."""
    state = state_of(import_again(sandbox, None))
    former = 250 - state["bookmarks"]["target-elimity"]["active"]
    with sandbox.lucca.changing() as company:
        for user in company.users:
            if user["id"] % 2:
                user["dtContractEnd"] = None
    token = {"api_token_id": sandbox.elimity.api_token_id, "api_token_secret": sandbox.elimity.api_token_secret}
    compared = import_again(sandbox, None, output_path=str(sandbox.folder / "plan"), **token)
    assert re.search(rf"WARNING .* [0-9]+ of {former} former employees are active again", compared.log)
    remembered = import_again(sandbox, state)
    assert remembered.exit_code == 0
    assert re.search(rf"WARNING .* former employees fewer than in the last import \({former}\)", remembered.log)
    again = import_again(sandbox, state_of(remembered))
    assert "former employees" not in again.log


def test_a_right_that_is_lost_is_refused(sandbox: Sandbox) -> None:
    """If Lucca omits a field that the last import had, no limit allows the import. A first import only warns."""
    state = state_of(import_again(sandbox, None))
    sandbox.lucca.hidden_fields = frozenset({"department"})
    refused = import_again(sandbox, state, max_emptied_percent=100)
    assert refused.exit_code == 1
    assert "Lucca no longer shows Department, Department Code (department) to the API key" in refused.log
    assert "=100" not in refused.log
    first = import_again(sandbox, None)
    assert "Lucca shows no Department, Department Code (department)" in first.log
    assert "Lucca shows no Department, Department Code (department)" in logs(sandbox)
    assert import_again(sandbox, state_of(first)).exit_code == 0


def test_a_right_to_a_part_of_an_object_that_is_lost_is_refused(sandbox: Sandbox) -> None:
    """If Lucca still shows departments, but without their codes, the target names the code alone."""
    state = state_of(import_again(sandbox, None))
    sandbox.lucca.hidden_fields = frozenset({"department.code"})
    refused = import_again(sandbox, state, max_emptied_percent=100)
    assert refused.exit_code == 1
    assert "Lucca no longer shows Department Code (department.code) to the API key" in refused.log


def test_an_attribute_that_was_deselected_on_purpose(sandbox: Sandbox) -> None:
    """If the tap's catalog deselects an attribute, the target logs that everybody loses it, and imports."""
    state = state_of(import_again(sandbox, None))
    catalog = json.loads(sandbox.tap("--discover").stdout)
    users = next(stream for stream in catalog["streams"] if stream["tap_stream_id"] == "users")
    for entry in users["metadata"]:
        if "department" in entry["breadcrumb"]:
            entry["metadata"] = {"inclusion": "available", "selected": False}
    arguments = ("--catalog", sandbox.file("catalog.json", catalog))
    target = import_again(sandbox, state, *arguments)
    after = state_of(target)
    assert "Everybody loses Department, Department Code" in target.log
    assert all("department" not in values_of(entity) for entity in sandbox.entities)
    assert "Everybody loses" not in import_again(sandbox, after, *arguments).log


def test_a_first_import_names_what_nobody_has(sandbox: Sandbox) -> None:
    """Log and Logs tab say that nothing was compared, and that nobody has an attribute: a right may be missing."""
    change_everybody(sandbox, legalEntity=None)
    first = import_again(sandbox, None)
    for text in (first.log, logs(sandbox)):
        assert "Nobody has a value of Legal Entity: may" in text
        assert "Nothing was compared" in text
    second = import_again(sandbox, state_of(first))
    assert second.exit_code == 0
    assert "Nobody has a value of" not in second.log
    assert "Nothing was compared" not in second.log


def test_a_first_import_without_future_employees_is_a_warning(sandbox: Sandbox) -> None:
    """A key that may not see them shows no other sign. If somebody starts later, log and summary say how many."""
    first = import_again(sandbox, None)
    later = len([user for user in sandbox.lucca.company.users if starts_later(user)])
    assert later
    assert f" active ({later} start later), " in first.log
    assert "starts after today" not in first.log
    change_everybody(sandbox, dtContractStart="2020-01-31T00:00:00")
    first = import_again(sandbox, None)
    assert "Warning: Nobody starts after today: may the role of the API key" in first.log
    assert "start later" not in first.log
    assert "starts after today" not in import_again(sandbox, state_of(first)).log
    sandbox.lucca.hidden_fields = frozenset({"dtContractStart"})
    hidden = import_again(sandbox, None)
    assert "Lucca shows no Contract Start Date (dtContractStart)" in hidden.log
    assert "starts after today" not in hidden.log


def starts_later(user: Mapping[str, Any]) -> bool:
    """Whether somebody is active and starts after today."""
    today = datetime.now(UTC).date().isoformat()
    start, end = (user[field] or "" for field in ("dtContractStart", "dtContractEnd"))
    return start[:10] > today and not ("" < end[:10] < today)


def test_former_employees_who_are_left_out_on_purpose(sandbox: Sandbox) -> None:
    """With `former_employees: false`, nobody misses them, but a key that may not see them is a warning."""
    warnings = ("Nobody is a former employee", "work contracts belong to nobody")
    sandbox.tap_settings = {"former_employees": False}
    chosen = import_again(sandbox, None)
    assert state_of(chosen)["bookmarks"]["users"]["completion"]["former_employees"] is False
    assert not any(warning in chosen.log for warning in warnings)
    sandbox.tap_settings = {}
    sandbox.lucca.allow_former = False
    lacking = import_again(sandbox, None)
    assert "former_employees" not in lacking.stdout
    assert all(warning in lacking.log for warning in warnings)


def test_the_report_shows_missing_rights(sandbox: Sandbox) -> None:
    """The report of a dry run names the fields that Lucca doesn't show."""
    sandbox.lucca.hidden_fields = frozenset({"department"})
    folder = sandbox.folder / "output"
    assert import_again(sandbox, None, output_path=str(folder)).exit_code == 0
    assert "Lucca shows no Department, Department Code (department)" in (folder / "report.html").read_text(
        encoding="utf-8"
    )
