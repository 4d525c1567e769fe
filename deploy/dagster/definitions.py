"""Daily imports with Dagster: a job and a schedule for each tenant in `tenants/*.meltano.yml`.

Dagster only starts `meltano`, so it needs none of the import's packages. See docs/many-tenants.md.

Variables:
    LUCCA_IMPORT_MELTANO: The command `meltano`, if it is not on the path.
    LUCCA_IMPORT_CRON: When to import, in the time zone of the tenant; `30 4 * * *` by default.
"""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import yaml
from dagster import (
    DagsterExecutionInterruptedError,
    DefaultScheduleStatus,
    Definitions,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ScheduleDefinition,
    graph,
    in_process_executor,
    op,
)

PROJECT = Path(__file__).resolve().parents[2]
MELTANO = os.environ.get("LUCCA_IMPORT_MELTANO", "meltano")
CRON = os.environ.get("LUCCA_IMPORT_CRON", "30 4 * * *")
# Each tenant must set these itself. A value from elsewhere would be another tenant's.
IDENTITY = {
    "TAP_LUCCA_HOST",
    "TAP_LUCCA_API_KEY",
    "TARGET_ELIMITY_URL",
    "TARGET_ELIMITY_SOURCE_ID",
    "TARGET_ELIMITY_SOURCE_TOKEN",
}


def _tenants() -> dict[str, dict[str, Any]]:
    """Return the tenants by job name, in which Dagster allows only letters, digits and underscores."""
    tenants: dict[str, dict[str, Any]] = {}
    for file in sorted(PROJECT.glob("tenants/*.meltano.yml")):
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for environment in content.get("environments") or []:
            job = re.sub(r"[^A-Za-z0-9_]", "_", environment["name"])
            if job in tenants:
                raise ValueError(
                    f"{file.name}: '{environment['name']}' and '{tenants[job]['name']}' are one to Dagster."
                )
            tenants[job] = {**environment, "env": environment.get("env") or {}}
    return tenants


TENANTS = _tenants()


@op
def meltano(context: OpExecutionContext) -> None:
    """Run the import of the tenant. If Meltano fails, raise a Failure with the errors that it logged."""
    tenant = TENANTS[context.job_name]
    if missing := sorted(IDENTITY - tenant["env"].keys()):
        raise Failure(f"The tenant '{tenant['name']}' needs {', '.join(missing)} under 'env'.")
    errors = []
    with subprocess.Popen(
        # Not `run`: it keeps its files in the same folder as the runs of other tenants.
        [
            MELTANO,
            f"--environment={tenant['name']}",
            "el",
            "tap-lucca",
            "target-elimity",
            f"--state-id={tenant['name']}:tap-lucca-to-target-elimity",
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                context.log.info(line.rstrip())
                if re.search(r"\[(error|critical) *\]", line):
                    errors.append(line)
        except DagsterExecutionInterruptedError:
            # Signal the whole process group: Meltano would leave the tap and the target running.
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        raise Failure("".join(errors) or f"Meltano ended with exit code {process.returncode}.")


@graph
def lucca_to_elimity() -> None:
    """Import the employees of one tenant."""
    meltano()


def schedule(job: JobDefinition) -> ScheduleDefinition:
    """Return the schedule of a tenant's job. It is enabled from the start."""
    return ScheduleDefinition(
        name=f"{job.name}_daily",
        job=job,
        cron_schedule=CRON,
        execution_timezone=TENANTS[job.name]["env"].get("TARGET_ELIMITY_TIMEZONE", "UTC"),
        default_status=DefaultScheduleStatus.RUNNING,
    )


# The tag makes the runs of one tenant wait for each other: see dagster.yaml.
jobs = [lucca_to_elimity.to_job(name=name, tags={"tenant": name}, executor_def=in_process_executor) for name in TENANTS]
definitions = Definitions(jobs=jobs, schedules=[schedule(job) for job in jobs])
