"""`python -m sandbox` as a process."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "sandbox", "--employees", "30", "--today", "2026-03-14"]
IMPORT = """
import json, os, sys, zlib, requests
host, url = os.environ["TAP_LUCCA_HOST"], os.environ["TARGET_ELIMITY_URL"]
source = os.environ["TARGET_ELIMITY_SOURCE_ID"]
headers = {"Authorization": "lucca application=" + os.environ["TAP_LUCCA_API_KEY"]}
query = {"formerEmployees": "true", "orderBy": "id,asc"}
users = requests.get(host + "/api/v3/users", headers=headers, params=query, timeout=10).json()["data"]["items"]
status = {"attributeTypeId": "status", "value": {"type": "string", "value": "active"}}
entities = [
    {"attributeAssignments": [status], "id": str(user["id"]), "name": user["name"] or "", "type": "employee"}
    for user in users
]
response = requests.post(
    f"{url}/api/sources/{source}/snapshots",
    data=zlib.compress(json.dumps({"entities": entities, "relationships": []}).encode()),
    headers={"Content-Type": "application/octet-stream"},
    auth=(source, os.environ["TARGET_ELIMITY_SOURCE_TOKEN"]),
    timeout=10,
)
response.raise_for_status()
sys.exit(3)
"""


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_command_runs_against_both_servers() -> None:
    """The command gets its settings in the environment. The sandbox prints the summary and exits with its code."""
    finished = _run("--", sys.executable, "-c", IMPORT, PYTHONIOENCODING="ascii")
    assert finished.stderr == ""
    assert finished.returncode == 3
    assert "Snapshots in Elimity Insights: 1\nEntities in the last one:      30" in finished.stdout
    assert "Status  Employees\nactive  30" in finished.stdout


def test_a_command_that_is_not_there() -> None:
    """A missing command gives a one-line error and exit code 127."""
    finished = _run("--", "no-such-command")
    assert finished.returncode == 127
    assert finished.stderr == "Cannot run no-such-command: No such file or directory\n"


def test_a_command_ended_by_a_signal() -> None:
    """If a signal ends the command, the exit code is 128 plus the signal, as in a shell."""
    assert _run("--", sys.executable, "-c", "import os; os.kill(os.getpid(), 15)").returncode == 128 + 15


def test_the_api_token_is_given_out_where_it_is_asked_for() -> None:
    """The command gets the API token to read the source only with `--api-token`."""
    listing = """
import os, requests
url, token = os.environ["TARGET_ELIMITY_URL"], "TARGET_ELIMITY_API_TOKEN_"
auth = os.environ.get(token + "ID", ""), os.environ.get(token + "SECRET", "")
print(requests.get(url + "/api/agent/sources", auth=auth, timeout=10).status_code)
"""
    assert _run("--", sys.executable, "-c", listing).stdout.startswith("401\n")
    assert _run("--api-token", "--", sys.executable, "-c", listing).stdout.startswith("200\n")


def test_a_script_after_a_few_changes() -> None:
    """The script runs after the command succeeded, with a Lucca in which people were hired and deleted."""
    count = """
import os, requests
host, key = os.environ["TAP_LUCCA_HOST"], os.environ["TAP_LUCCA_API_KEY"]
query = {"formerEmployees": "true", "paging": "0,100", "fields": "id"}
headers = {"Authorization": "lucca application=" + key}
users = requests.get(host + "/api/v3/users", headers=headers, params=query, timeout=10).json()["data"]["items"]
print("ids", sorted(user["id"] for user in users), flush=True)
"""
    script = f"{sys.executable} -c '{count}'; exit 4"
    finished = _run("--then", script, "--", sys.executable, "-c", count)
    assert finished.returncode == 4
    before, after = (set(json.loads(line[4:])) for line in finished.stdout.splitlines() if line.startswith("ids "))
    assert (len(before - after), len(after - before)) == (1, 1)
    failed = _run("--then", "echo then", "--", sys.executable, "-c", "exit(2)")
    assert failed.returncode == 2
    assert "then" not in failed.stdout


def test_a_mistaken_option_is_refused() -> None:
    """A negative number of employees is refused with exit code 2."""
    finished = _run("--employees", "-1")
    assert finished.returncode == 2
    assert "--employees" in finished.stderr


def test_it_serves_until_interrupted(tmp_path: Path) -> None:
    """Without a command, the sandbox prints how to use it, serves, and ends on Ctrl-C without a traceback."""
    env_file = tmp_path / "sandbox.env"
    with subprocess.Popen(
        [*COMMAND, "--env-file", str(env_file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        welcome = ""
        while "Ctrl-C" not in welcome:
            line = process.stdout.readline()
            assert line
            welcome += line
        curl = re.search(r"curl -H '(?P<name>[^:]+): (?P<value>[^']+)' '(?P<url>[^']+)'", welcome)
        assert curl
        checked = requests.get(curl["url"], headers={curl["name"]: curl["value"]}, timeout=10)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        errors = process.stderr.read()
    assert len(checked.json()["data"]["items"]) == 1
    assert ".venv/bin/meltano --environment=sandbox run tap-lucca target-elimity" in welcome
    environment = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    assert set(environment) == {
        "TAP_LUCCA_HOST",
        "TAP_LUCCA_API_KEY",
        "TARGET_ELIMITY_URL",
        "TARGET_ELIMITY_SOURCE_ID",
        "TARGET_ELIMITY_SOURCE_TOKEN",
    }
    assert curl["url"].startswith(environment["TAP_LUCCA_HOST"])
    assert errors == ""
    assert process.returncode == 0
