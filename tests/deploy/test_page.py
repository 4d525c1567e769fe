"""The page about many tenants."""

from pathlib import Path

import pytest

from tests.deploy.conftest import Bucket
from tests.deploy.tenants import PAGE, examples, secrets
from tests.harness import Sandbox
from tests.project import new_project, run_page

pytestmark = pytest.mark.slow  # installs Dagster


def test_the_commands_of_the_page(tmp_path: Path, acme: Sandbox, bucket: Bucket) -> None:
    """The commands work from adding a tenant to removing it, with a bucket and Dagster."""
    project = tmp_path / "project"
    project.mkdir()
    new_project(project)
    environment = {
        **secrets("acme", acme),
        **bucket.environment,
        "TAP_LUCCA_REQUESTS_PER_MINUTE": "10000",
        "DAGSTER_HOME": str(tmp_path / "home"),
    }
    replaced = {**examples(acme), "/opt/lucca-dagster": str(tmp_path / "dagster")}
    runs = run_page(PAGE, project, environment, replaced)
    printed = "".join(run.stdout for run in runs)
    assert "acme:tap-lucca-to-target-elimity\n" in printed
    assert "Schedule: acme_daily [RUNNING]" in printed
    # The page imports once by hand and once with Dagster.
    assert len(acme.elimity.snapshots) == 2
    assert {entity["id"] for entity in acme.entities} == {str(user["id"]) for user in acme.lucca.company.users}
    assert not bucket.has("meltano/acme:tap-lucca-to-target-elimity/state.json")
    assert not list((project / "tenants").iterdir())
