"""The definitions for Dagster, executed by Dagster."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.lucca import WORK_CONTRACTS
from tests.deploy.tenants import add_tenant
from tests.harness import PATIENCE, ROOT, SCRIPTS, Run, Sandbox
from tests.lucca_gateway.support import wait_until
from tests.project import install, new_project, once, settings, shell

pytestmark = pytest.mark.slow  # installs Dagster

# Dagster has no command that evaluates a schedule.
EVALUATION = """
import json, sys
sys.path.insert(0, "deploy/dagster")
from dagster import DagsterInstance, build_schedule_context
from definitions import definitions

with DagsterInstance.get() as instance:
    schedules = [
        (schedule.job_name, schedule.cron_schedule, schedule.execution_timezone,
         len(schedule.evaluate_tick(build_schedule_context(instance)).run_requests))
        for schedule in definitions.schedules
    ]
    print(json.dumps({
        "schedules": schedules,
        "tags": [job.tags for job in definitions.jobs],
        "limits": instance.get_concurrency_config().run_queue_config.tag_concurrency_limits,
        "retries": instance.run_retries_max_retries,
        "telemetry": instance.telemetry_enabled,
    }))
"""


@pytest.fixture(scope="session")
def dagster(shared: Path) -> Path:
    """Install Dagster into its own environment."""
    environment = shared / "dagster"
    return once(environment, lambda: install(environment, "--requirement", ROOT / "deploy/dagster/requirements.txt"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a DAGSTER_HOME with the repository's settings."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(ROOT / "deploy/dagster/dagster.yaml", folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project without tenants."""
    folder = tmp_path / "project"
    folder.mkdir()
    return new_project(folder)


def execute(dagster: Path, job: str, project: Path, environment: dict[str, str]) -> Run:
    """Execute a job in a new process, and wait for its end."""
    command = f"{dagster}/dagster job execute --python-file deploy/dagster/definitions.py --job {job}"
    return shell(command, project, environment)


def test_a_failed_import_fails_the_job(dagster: Path, home: Path, project: Path, acme: Sandbox) -> None:
    """The run's error is the line that Meltano logs as critical, and Dagster writes no secret."""
    environment = {**add_tenant(project, "acme", acme), "DAGSTER_HOME": str(home)}
    acme.lucca.api_key = "another-api-key"
    run = execute(dagster, "acme", project, environment)
    assert run.exit_code != 0
    assert re.search(r"Failure: .*\[critical \] tap-lucca +.*'users'.* Lucca answers 401", run.log)
    assert acme.elimity.snapshots == []
    written = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file()) + run.log.encode()
    assert written.count(b"Lucca answers 401") > 1
    for secret in ("ACME_LUCCA_API_KEY", "ACME_ELIMITY_SOURCE_TOKEN"):
        assert environment[secret].encode() not in written


def test_a_run_that_is_stopped_leaves_nothing_behind(dagster: Path, home: Path, project: Path, acme: Sandbox) -> None:
    """If a run is stopped, the tap and the target end too, and nothing is uploaded."""
    environment = {**os.environ, **add_tenant(project, "acme", acme), "DAGSTER_HOME": str(home)}
    acme.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", count=None, seconds=60))
    with subprocess.Popen(
        [dagster / "dagster", "job", "execute", "-f", "deploy/dagster/definitions.py", "-j", "acme"],
        cwd=project,
        env={**environment, "LUCCA_IMPORT_MELTANO": str(SCRIPTS / "meltano")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: any(request.path == WORK_CONTRACTS for request in acme.lucca.requests))
        assert "tap-lucca" in running(project)
        process.terminate()
        assert process.wait(PATIENCE) != 0
    wait_until(lambda: not running(project))
    assert acme.elimity.snapshots == []


def running(project: Path) -> str:
    """Return the running commands that mention the project's folder."""
    processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return "".join(line for line in processes.splitlines() if str(project) in line)


def test_a_tenant_that_leaves_its_host_to_others_is_refused(
    dagster: Path, home: Path, project: Path, acme: Sandbox, beta: Sandbox
) -> None:
    """Without a host in its file, a tenant's job would read the host in the environment, so it is refused."""
    environment = {**settings(beta), **add_tenant(project, "acme", acme), "DAGSTER_HOME": str(home)}
    file = project / "tenants/acme.meltano.yml"
    file.write_text(
        "".join(line for line in file.read_text().splitlines(keepends=True) if "TAP_LUCCA_HOST" not in line)
    )
    run = execute(dagster, "acme", project, environment)
    assert run.exit_code != 0
    assert "The tenant 'acme' needs TAP_LUCCA_HOST under 'env'." in run.log
    assert not any(tenant.lucca.requests or tenant.elimity.requests for tenant in (acme, beta))


def test_every_tenant_has_a_schedule(dagster: Path, home: Path, project: Path, acme: Sandbox, beta: Sandbox) -> None:
    """Dagster runs each tenant daily, in the tenant's time zone, and only one run of a tenant at a time."""
    add_tenant(project, "acme", acme)
    add_tenant(project, "beta-group", beta)
    (project / "evaluation.py").write_text(EVALUATION)
    evaluated = shell(f"{dagster}/python evaluation.py", project, {"DAGSTER_HOME": str(home)})
    assert evaluated.exit_code == 0, evaluated.log
    assert json.loads(evaluated.stdout) == {
        "schedules": [
            ["acme", "30 4 * * *", "Europe/Paris", 1],
            ["beta_group", "30 4 * * *", "Europe/Paris", 1],
        ],
        "tags": [{"tenant": "acme"}, {"tenant": "beta_group"}],
        "limits": [{"key": "tenant", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}],
        "retries": 2,
        "telemetry": False,
    }
