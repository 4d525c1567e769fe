"""The temporary database of the real program: on a disk that fails, and with the oldest SQLite that it supports."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from target_elimity.database import OLDEST_SQLITE

from sandbox.company import generate_company
from tests.harness import PATIENCE, SCRIPTS, Sandbox, run
from tests.target_elimity.test_target import CONTRACTS, JANE, USERS, lines, record, schema, state

# npm's package of this version has the source of SQLite 3.26.
NPM_PACKAGE = "sqlite3@4.0.6"
MESSAGES = [
    schema("users", USERS),
    *(record("users", {**JANE, "id": number, "name": str(number) * 100_000}) for number in range(1, 100)),
    state(users=99),
    schema("work_contracts", CONTRACTS),
    state(users=99, work_contracts=0),
]


def run_on(disk: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Make a dry run on more data than fit into memory, after a command that restricts the folder `disk`."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "messages").write_text(lines(MESSAGES))
    (tmp_path / "settings.json").write_text(json.dumps({"output_path": str(tmp_path / "output")}))
    command = f'{disk} && SQLITE_TMPDIR=disk exec "{SCRIPTS}/target-elimity" --config settings.json < messages'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("disk", "told"),
    [
        ("mount -t tmpfs -o size=64k tmpfs disk", "the disk is full. Make room"),
        ("ulimit -f 64", "SQLITE_IOERR_WRITE"),
    ],
)
def test_only_a_full_disk_is_called_full(tmp_path: Path, disk: str, told: str) -> None:
    """A full disk, and a file that can't grow although the disk has room: each is told in its own words."""
    if subprocess.run(["sh", "-c", "unshare --map-root-user --mount true"], check=False).returncode:
        pytest.skip("This system lets only an administrator mount a small disk.")
    target = run_on(disk, tmp_path)
    assert target.returncode == 1
    assert told in target.stderr
    assert ("full" in target.stderr) == ("full" in told)
    assert "TMPDIR" in target.stderr
    assert "Traceback" not in target.stderr


def test_no_temporary_folder(tmp_path: Path) -> None:
    """The target says before the first record that no temporary folder can be written: here, no file can grow."""
    (tmp_path / "settings.json").write_text(json.dumps({"output_path": str(tmp_path / "output")}))
    command = f'ulimit -f 0; echo "this is never read" | "{SCRIPTS}/target-elimity" --config settings.json'
    target = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert target.returncode == 1
    assert "TMPDIR" in target.stderr.splitlines()[-1]
    assert "JSON" not in target.stderr
    assert "Traceback" not in target.stderr


def test_a_sqlite_that_is_too_old(tmp_path: Path) -> None:
    """The target refuses it before the first record, and names both versions."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"output_path": str(tmp_path / "output")}))
    program = (
        "import sqlite3\nsqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 25, 3), '3.25.3'\n"
        "from target_elimity.__main__ import main\nmain()"
    )
    target = subprocess.run(
        [sys.executable, "-c", program, "--config", settings],
        input="this is never read",
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert target.returncode == 1
    assert "SQLite 3.25.3" in target.stderr
    assert f"SQLite {OLDEST_SQLITE[0]}.{OLDEST_SQLITE[1]} or later" in target.stderr
    assert "JSON" not in target.stderr


@pytest.mark.slow
def test_the_oldest_sqlite(sandbox: Sandbox, tmp_path: Path) -> None:
    """With SQLite 3.26, an import and a dry run that is compared with the source give the same files as without."""
    library = _old_sqlite(tmp_path)
    folder = tmp_path / "output"
    config = sandbox.file("import.json", {**sandbox.target_config, **sandbox.api_token})
    dry_config = sandbox.file("dry.json", {**sandbox.target_config, **sandbox.api_token, "output_path": str(folder)})
    messages = sandbox.tap().stdout
    sandbox.lucca.company = generate_company(250, 2, sandbox.lucca.company.today)
    changed = sandbox.tap().stdout
    written = []
    for variables in ({}, {"LD_LIBRARY_PATH": str(library)}):
        assert run("target-elimity", "--config", config, text=messages, env=variables).exit_code == 0
        target = run("target-elimity", "--config", dry_config, text=changed, env=variables)
        assert "Compared with what the source held: " in target.log
        written.append({path.name: path.read_bytes() for path in folder.iterdir() if path.name != "report.html"})
    assert written[0] == written[1]
    assert {"snapshot.json", "employees.csv", "changes.json"} <= written[0].keys()


def _old_sqlite(folder: Path) -> Path:
    """Compile SQLite 3.26 as a shared library, and return its folder."""
    if not shutil.which("npm") or not shutil.which("cc"):
        pytest.skip("There is no npm or no C compiler.")
    subprocess.run(["npm", "pack", NPM_PACKAGE], cwd=folder, capture_output=True, check=True)
    commands = (
        "tar -xzf sqlite3-*.tgz",
        "tar -xzf package/deps/sqlite-autoconf-3260000.tar.gz",
        "cc -shared -fPIC -DSQLITE_ENABLE_DESERIALIZE sqlite-*/sqlite3.c -o libsqlite3.so.0 -lpthread -ldl",
    )
    subprocess.run(["sh", "-c", " && ".join(commands)], cwd=folder, check=True)
    version = run("python", "-c", "import sqlite3; print(sqlite3.sqlite_version)", env={"LD_LIBRARY_PATH": str(folder)})
    if version.stdout.strip() != "3.26.0":
        pytest.skip("This Python doesn't load the system's SQLite.")
    return folder
