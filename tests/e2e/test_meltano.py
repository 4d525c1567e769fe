"""The import as an operator runs it: real Meltano with its own state, and each plugin in its own environment."""

import json
import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from target_elimity.attributes import ATTRIBUTES

from sandbox.elimity import values_of
from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS
from tests.e2e.expected import expected_entities
from tests.harness import Run, Sandbox, open_sandbox
from tests.project import new_project, settings, shell


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Sandbox]:
    """Serve a company that fills several pages, and make a Meltano project with the repository's plugins."""
    new_project(tmp_path)
    with ExitStack() as stack:
        yield open_sandbox(stack, tmp_path, employees=2345, seed=2)


def meltano(sandbox: Sandbox, *arguments: str, **environment: str) -> Run:
    """Run Meltano, with settings from the environment."""
    command = shlex.join(["meltano", "--environment=sandbox", *arguments])
    return shell(command, sandbox.folder, {**settings(sandbox), **environment})


def import_company(sandbox: Sandbox, **environment: str) -> Run:
    """Import the company with `meltano run`."""
    return meltano(sandbox, "run", "tap-lucca", "target-elimity", **environment)


def remembered(sandbox: Sandbox) -> dict[str, int] | None:
    """Return the counts of the last upload from Meltano's state."""
    states = meltano(sandbox, "state", "list").stdout.split()
    if not states:
        return None
    state = json.loads(meltano(sandbox, "state", "get", states[0]).stdout)
    counts: dict[str, int] = state["singer_state"]["bookmarks"]["target-elimity"]
    return counts


def test_2345_employees_arrive(company: Sandbox) -> None:
    """Every attribute of every employee equals an independent computation from Lucca's raw rows.

    Lucca answers slowly, and the log shows the tap's progress.
    """
    company.lucca.faults.add(Fault(USERS, "hang", seconds=1.6, count=3))
    run = import_company(company)
    assert run.exit_code == 0, run.log
    assert re.search(r"users: [\d,]+ of 2,345 \(", run.log + run.stdout)
    assert len(company.elimity.snapshots) == 1
    arrived = {entity["id"]: (entity["name"], values_of(entity)) for entity in company.entities}
    assert len(arrived) == 2345
    assert arrived == expected_entities(company.lucca.company.users, company.contracts, company.lucca.company.today)
    attributes = {name for _, values in arrived.values() for name in values}
    assert attributes == {row["id"] for row in company.elimity.data_model["entityAttributeTypes"]}


@pytest.mark.slow
def test_a_tap_that_crashes_fails_the_run_and_uploads_nothing(company: Sandbox) -> None:
    """Meltano just closes the target's input, which the target doesn't take for success. The next run starts afresh."""
    company.lucca.faults.add(Fault(WORK_CONTRACTS, 403, nth=3))
    failed = import_company(company)
    assert failed.exit_code != 0
    assert company.elimity.snapshots == []
    assert remembered(company) is None
    assert import_company(company).exit_code == 0
    company.lucca.faults.add(Fault(WORK_CONTRACTS, 403, nth=3))
    assert import_company(company).exit_code != 0
    assert len(company.elimity.snapshots) == 1


def test_the_safeguard_remembers_from_run_to_run(company: Sandbox) -> None:
    """With counts from Meltano's state, the target refuses a company that shrank by half, until a setting allows it."""
    assert import_company(company).exit_code == 0
    before = remembered(company)
    company.lucca.delete_users({int(str(user["id"])) for user in company.lucca.company.users[::2]})
    refused = import_company(company)
    assert refused.exit_code != 0
    assert len(company.elimity.snapshots) == 1
    for told in ("1172", "1173", "2345", "TARGET_ELIMITY_MAX_REMOVED_PERCENT=100"):
        assert told in company.alerts[-1]
        assert told in refused.log + refused.stdout
    assert remembered(company) == before
    let_through = import_company(
        company, TARGET_ELIMITY_MAX_REMOVED_PERCENT="100", TARGET_ELIMITY_MAX_DEACTIVATED_PERCENT="100"
    )
    assert let_through.exit_code == 0
    after = remembered(company)
    assert after
    assert after["employees"] == len(company.entities) == 1172


@pytest.mark.slow
def test_the_commands_of_the_plugins(company: Sandbox) -> None:
    """`meltano invoke …:check` and `:data-model`, the job and the schedule exist and work."""
    assert f"all {len(ATTRIBUTES)} attributes" in meltano(company, "invoke", "target-elimity:check").stdout
    check = meltano(company, "invoke", "tap-lucca:check")
    assert check.exit_code == 0
    assert "users and work contracts can be read" in check.log
    printed = meltano(company, "invoke", "target-elimity:data-model").stdout
    assert json.loads(printed) == company.elimity.data_model
    assert meltano(company, "run", "lucca-to-elimity").exit_code == 0
    assert len(company.elimity.snapshots) == 1
    schedules = json.loads(meltano(company, "schedule", "list", "--format=json").stdout)
    assert [(entry["name"], entry["interval"]) for entry in schedules["schedules"]["job"]] == [
        ("lucca-to-elimity-daily", "@daily")
    ]


@pytest.mark.slow
def test_meltano_hides_the_secrets(company: Sandbox) -> None:
    """Key and token are marked sensitive: Meltano does not print them."""
    for plugin in ("tap-lucca", "target-elimity"):
        listed = meltano(company, "config", "list", plugin)
        assert listed.exit_code == 0, listed.log
        assert company.lucca.api_key not in listed.stdout + listed.log
        assert company.elimity.source_token not in listed.stdout + listed.log


@pytest.mark.slow
def test_nobody_else_is_spoken_to(company: Sandbox) -> None:
    """Meltano sends no usage data and doesn't check for updates: nothing connects to the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        run = import_company(company, HTTPS_PROXY=url, https_proxy=url, XDG_CACHE_HOME=str(company.folder / "cache"))
        assert run.exit_code == 0, run.log
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.slow
@pytest.mark.parametrize(("dropped", "emitted"), [("null", True), ('"__NULL__"', False)])
def test_what_drops_a_property_in_the_project_file(company: Sandbox, dropped: str, emitted: bool) -> None:
    """Meltano removes a `null` before the tap starts, so the property stays; the text `__NULL__` drops the property."""
    project = company.folder / "meltano.yml"
    text = project.read_text(encoding="utf-8")
    before, name, after = text.partition("\n  - name: tap-lucca\n")
    assert name
    maps = f"    config:\n      stream_maps:\n        users:\n          mail: {dropped}\n"
    project.write_text(before + name + maps + after, encoding="utf-8")
    run = meltano(company, "invoke", "tap-lucca")
    assert run.exit_code == 0, run.log
    users = run.records("users")
    assert len(users) == 2345
    assert {"mail" in user for user in users} == {emitted}
