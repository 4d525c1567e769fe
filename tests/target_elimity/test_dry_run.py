"""The files of a dry run, and the comparison with what the source holds, with the real processes."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from target_elimity.attributes import ATTRIBUTES
from target_elimity.baseline import BASELINE_TABLE
from target_elimity.database import Database
from target_elimity.employees import COLUMNS, EMPLOYEES_TABLE
from target_elimity.preview.changes import Changes

from sandbox.elimity import values_of
from tests.harness import PATIENCE, SCRIPTS, Run, Sandbox
from tests.target_elimity.test_target import CONTRACTS, JANE, USERS, WHOLE, lines, record, schema, state


def dry_run(sandbox: Sandbox, **settings: Any) -> tuple[Path, Run]:
    """Make a dry run with both processes; return its folder and the target's run."""
    folder = sandbox.folder / "output"
    sandbox.target_settings = {"output_path": str(folder), **settings}
    tap, target = sandbox.pipeline()
    assert (tap.exit_code, target.exit_code) == (0, 0), target.log
    return folder, target


def change(sandbox: Sandbox, position: int, **fields: object) -> str:
    """Change somebody in Lucca and return their id."""
    with sandbox.lucca.changing() as company:
        user = company.users[position]
        cast("dict[str, object]", user).update(fields)
    return str(user["id"])


def by_id(people: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return people by their ids."""
    return {person["id"]: person for person in people}


def test_the_csv_file_is_what_import_from_csv_takes(sandbox: Sandbox) -> None:
    """The file has a row for each entity, with the same values. Dates have slashes, and missing values are empty."""
    folder, _ = dry_run(sandbox)
    with (folder / "employees.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["employee: id", "employee: name", "employee: login"]
    assert header == [f"employee: {column}" for column in ("id", "name", *(row.id for row in ATTRIBUTES))]
    entities = json.loads((folder / "snapshot.json").read_bytes())["entities"]
    assert len(rows) == len(entities) == 250
    times = {f"employee: {row.id}" for row in ATTRIBUTES if row.type != "string"}
    for row, entity in zip(rows, entities, strict=True):
        told = {name: value for name, value in zip(header, row, strict=True) if value}
        expected = {"employee: id": entity["id"], "employee: name": entity["name"]}
        for name, value in values_of(entity).items():
            column = f"employee: {name}"
            expected[column] = value.replace("-", "/").replace("T", " ") if column in times else value
        expected = {column: value.replace("\0", "\ufffd") for column, value in expected.items()}
        assert told == expected
    assert {"0001/01/01", "9999/12/31"} <= {value for row in rows for value in row}


def test_the_same_data_leave_the_same_files(sandbox: Sandbox) -> None:
    """Two runs on the same data write the same bytes, except the report, which contains the time."""
    names = ("snapshot.json", "employees.csv", "changes.json")
    sandbox.import_everybody()
    change(sandbox, 5, jobTitle="Astronaut")
    first = {name: (dry_run(sandbox, **sandbox.api_token)[0] / name).read_bytes() for name in names}
    second = {name: (dry_run(sandbox, **sandbox.api_token)[0] / name).read_bytes() for name in names}
    assert first == second


def test_whoever_had_no_status_was_active() -> None:
    """A source may hold people without a status. If they are inactive now, they left, as the log counts them, too."""
    database = Database(EMPLOYEES_TABLE + BASELINE_TABLE)
    ada = {"id": "1", "name": "Ada"}
    database.insert("baseline", len(COLUMNS), [[ada.get(column) for column in COLUMNS]])
    ada["status"] = "inactive"
    database.insert("employees", len(COLUMNS) + 1, [[*map(ada.get, COLUMNS), False]])
    assert [(row["id"], row["reason"]) for row in Changes(database).left()] == [("1", "inactive")]


def test_joiners_movers_and_leavers(sandbox: Sandbox) -> None:
    """The changes list who joined or returned, who left or was removed, and who moved, with old and new values."""
    users = sandbox.lucca.company.users
    boss, other = ({"id": user["id"], "name": user["name"], "mail": None, "url": "…"} for user in users[60:62])
    for position in (10, 11, 12, 13, 14, 15, 16, 17, 18, 30):
        change(sandbox, position, dtContractEnd=None, manager=boss, department={"id": 1, "name": "IT", "code": "A"})
    change(sandbox, 31, dtContractEnd="2020-01-31T00:00:00")
    sandbox.import_everybody()
    moved: dict[str, list[tuple[str, object, object]]] = {
        change(sandbox, 10, department={"id": 2, "name": "Lab", "code": "A"}): [("department", "IT", "Lab")],
        change(sandbox, 11, department={"id": 2, "name": "IT", "code": "B"}): [("departmentCode", "A", "B")],
        change(sandbox, 12, manager=other): [
            ("managerId", str(boss["id"]), str(other["id"])),
            ("managerName", boss["name"], other["name"]),
        ],
        change(sandbox, 13, jobTitle=None): [("jobTitle", users[13]["jobTitle"], None)],
        change(sandbox, 14, legalEntity={"id": 7, "name": "New SA"}): [("legalEntity", None, "New SA")],
        change(sandbox, 15, rolePrincipal={"id": 7, "name": "Boss"}): [("primaryRole", None, "Boss")],
        change(sandbox, 16, habilitedRoles=[{"id": 7, "name": "B, b"}]): [("secondaryRoles", None, "B, b")],
    }
    change(sandbox, 17, name="Renamed", login="renamed", mail="renamed@acme.example")  # not a move
    change(sandbox, 18, manager={**boss, "name": "Renamed", "mail": "new@acme.example"})  # not a move either
    returned, left = change(sandbox, 31, dtContractEnd=None), change(sandbox, 30, dtContractEnd="2020-01-31T00:00:00")
    gone = users[40]
    removed = str(gone["id"])
    sandbox.lucca.delete_users({int(removed)})
    with sandbox.lucca.changing() as company:
        joined = str(10**6)  # the last number, and not the last text
        company.users.append({**company.users[1], "id": int(joined), "name": "New"})

    folder, target = dry_run(sandbox, **sandbox.api_token)

    changes = json.loads((folder / "changes.json").read_bytes())
    assert changes["counts"] == {"joined": 2, "left": 2, "moved": len(moved)}
    assert {id_: person["reason"] for id_, person in by_id(changes["joined"]).items()} == {
        returned: "returned",
        joined: "new",
    }
    assert by_id(changes["left"])[removed] == {"id": removed, "name": gone["name"], "reason": "removed"}
    assert by_id(changes["left"])[left]["reason"] == "inactive"
    told = {id_: person["changes"] for id_, person in by_id(changes["moved"]).items()}
    assert set(told) == set(moved)
    for id_, expected in moved.items():
        assert [(row["attribute"], row["after"]) for row in told[id_]] == [(row[0], row[2]) for row in expected]
        assert all(row["before"] == before for row, (_, before, _) in zip(told[id_], expected, strict=True) if before)
    for group in ("joined", "left", "moved"):
        assert [int(person["id"]) for person in changes[group]] == sorted(int(row["id"]) for row in changes[group])
    assert f"Compared with what the source held: 2 joined, 2 left, 1 of them removed, {len(moved)} moved." in target.log
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "Joined: 2" in report
    assert f"Moved: {len(moved)}" in report


def test_nothing_changed(sandbox: Sandbox) -> None:
    """If nothing changed, `changes.json` and the log have counts of 0."""
    sandbox.import_everybody()
    folder, target = dry_run(sandbox, **sandbox.api_token)
    assert json.loads((folder / "changes.json").read_bytes()) == {
        "counts": {"joined": 0, "left": 0, "moved": 0},
        "joined": [],
        "left": [],
        "moved": [],
    }
    assert "Compared with what the source held: 0 joined, 0 left, 0 of them removed, 0 moved." in target.log


def test_a_run_without_a_comparison_removes_the_changes(sandbox: Sandbox) -> None:
    """A `changes.json` of an earlier dry run would look like this run's."""
    sandbox.import_everybody()
    folder, _ = dry_run(sandbox, **sandbox.api_token)
    assert (folder / "changes.json").exists()
    dry_run(sandbox)
    assert sorted(path.name for path in folder.iterdir()) == ["employees.csv", "report.html", "snapshot.json"]


def test_what_cannot_be_written_leaves_the_folder_as_it_was(sandbox: Sandbox) -> None:
    """If a file can't be written, the target fails and leaves the files of the run before as they were."""
    folder, _ = dry_run(sandbox)
    before = contents(folder)
    change(sandbox, 10, jobTitle="Astronaut")
    (folder / "report.html.partial").mkdir()
    _, target = sandbox.pipeline()
    assert target.exit_code == 1
    assert "Is a directory" in target.log
    assert "Traceback" not in target.log
    (folder / "report.html.partial").rmdir()
    assert contents(folder) == before


@contextmanager
def writing(sandbox: Sandbox, file: str) -> Iterator[subprocess.Popen[str]]:
    """Start a dry run of 20,000 people, and wait until it writes this file; wait for its end afterwards."""
    folder = sandbox.folder / "output"
    sandbox.target_settings = {"output_path": str(folder)}
    config = sandbox.file("first.json", sandbox.target_config)
    people = (record("users", JANE | {"id": number}) for number in range(20_000))
    mark = state(users=20_000, work_contracts=0)
    messages = sandbox.folder / "messages"
    messages.write_text(lines([schema("users", USERS), *people, schema("work_contracts", CONTRACTS), mark]))
    with (
        messages.open() as stdin,
        subprocess.Popen(
            [SCRIPTS / "target-elimity", "--config", config], stdin=stdin, stderr=subprocess.PIPE, text=True
        ) as target,
    ):
        while not (folder / f"{file}.partial").exists():
            assert target.poll() is None
            time.sleep(0.001)
        yield target


def test_two_runs_at_once_do_not_mix_their_files(sandbox: Sandbox) -> None:
    """While a run writes its files, another one into the same folder fails and says so; the first one is unharmed."""
    folder = sandbox.folder / "output"
    with writing(sandbox, "snapshot.json") as first:
        first.send_signal(signal.SIGSTOP)
        second = sandbox.target(lines(WHOLE))
        first.send_signal(signal.SIGCONT)
        first.communicate()
    assert (first.returncode, second.exit_code) == (0, 1)
    assert "Another run is writing" in second.log
    assert "Traceback" not in second.log
    assert sorted(path.name for path in folder.iterdir()) == ["employees.csv", "report.html", "snapshot.json"]
    assert len(json.loads((folder / "snapshot.json").read_bytes())["entities"]) == 20_000


def test_a_folder_that_cannot_be_locked(sandbox: Sandbox) -> None:
    """On a network file system, where a folder can't be locked, a dry run writes its files without a lock."""
    folder = sandbox.folder / "output"
    program = (
        "import errno, fcntl\ndef flock(*_): raise OSError(errno.EBADF, 'Bad file descriptor')\nfcntl.flock = flock\n"
        "from target_elimity.__main__ import main\nmain()"
    )
    target = subprocess.run(
        [sys.executable, "-c", program, "--config", sandbox.file("dry.json", {"output_path": str(folder)})],
        input=lines(WHOLE),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert target.returncode == 0, target.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["employees.csv", "report.html", "snapshot.json"]


def test_an_interrupted_run_leaves_no_files(sandbox: Sandbox) -> None:
    """A signal while the target looks for findings and writes the report ends it like a signal at any other time."""
    with writing(sandbox, "report.html") as target:
        target.send_signal(signal.SIGTERM)
        _, log = target.communicate()
    assert target.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in log
    assert list((sandbox.folder / "output").iterdir()) == []


def test_a_link_in_the_folder_is_not_written_through(sandbox: Sandbox) -> None:
    """Somebody may have put a link in place of a file that is not complete yet."""
    folder = sandbox.folder / "output"
    folder.mkdir()
    precious = sandbox.folder / "precious"
    precious.write_text("precious")
    (folder / "snapshot.json.partial").symlink_to(precious)
    dry_run(sandbox)
    assert precious.read_text() == "precious"
    assert not (folder / "snapshot.json").is_symlink()


@pytest.mark.parametrize("path", ["file/output", "file", "{too long}", "taken", "dangling", "/proc"])
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=str)
def test_a_folder_that_cannot_be_written_is_told_before_the_first_record(
    sandbox: Sandbox, path: str, arguments: tuple[str, ...]
) -> None:
    """The target fails before it reads its input, names the setting and leaves the existing file alone."""
    (sandbox.folder / "file").write_text("precious")
    (sandbox.folder / "taken" / "report.html").mkdir(parents=True)
    (sandbox.folder / "dangling").symlink_to("nowhere")
    sandbox.target_settings = {"output_path": str(sandbox.folder / path.replace("{too long}", "x" * 300))}
    target = sandbox.target("this is never read", *arguments)
    assert target.exit_code == 1
    assert "'output_path'" in target.log
    assert "JSON" not in target.log
    assert (sandbox.folder / "file").read_text() == "precious"


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_folder_is_for_its_owner_alone(sandbox: Sandbox) -> None:
    """Only its owner can open a new folder, because it holds personal data."""
    folder, _ = dry_run(sandbox)
    assert folder.stat().st_mode & 0o077 == 0


def test_warnings_are_told_before_anything_is_uploaded(sandbox: Sandbox) -> None:
    """A dry run logs the warnings, because an administrator looks for them there."""
    sandbox.lucca.allow_former = False
    _, target = dry_run(sandbox)
    assert "Warning: Nobody is a former employee" in target.log


def test_what_the_safeguard_refuses_can_be_looked_at(sandbox: Sandbox) -> None:
    """If the safeguard refuses, the dry run fails and emits no STATE, but it writes the report with the reason."""
    tap = sandbox.tap()
    state = tap.messages[-1]["value"]
    state["bookmarks"]["target-elimity"] = {"employees": 1000, "active": 700}
    messages = "\n".join([*tap.stdout.splitlines()[:-1], json.dumps({"type": "STATE", "value": state})])
    folder = sandbox.folder / "output"
    sandbox.target_settings = {"output_path": str(folder)}
    target = sandbox.target(messages)
    assert (target.exit_code, target.stdout) == (1, "")
    told = "This import has 250 employees, 750 fewer than the last one (1000): more than 20 %"
    assert told in target.log
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert '<p class="objection"' in report
    assert told in report
