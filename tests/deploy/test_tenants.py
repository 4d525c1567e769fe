"""Several tenants in one checkout, and one tenant on several machines."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.lucca import WORK_CONTRACTS
from tests.deploy.conftest import Bucket
from tests.deploy.tenants import add_tenant, import_tenant
from tests.harness import Run, Sandbox
from tests.lucca_gateway.support import wait_until
from tests.project import new_project, settings, shell


@pytest.mark.slow
def test_tenants_at_the_same_time_keep_to_themselves(tmp_path: Path, acme: Sandbox, beta: Sandbox) -> None:
    """Each tenant imports its own people with its own state, although `.env` and the environment name one company."""
    project = new_project(tmp_path)
    environment = {**settings(acme), **add_tenant(project, "acme", acme), **add_tenant(project, "beta", beta)}
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings(beta).items()))
    assert shell("meltano state list", project, environment).exit_code == 0

    def import_both() -> list[Run]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda name: import_tenant(project, name, environment), ("acme", "beta")))

    assert [run.exit_code for run in import_both()] == [0, 0]
    for tenant in (acme, beta):
        users = {str(user["id"]) for user in tenant.lucca.company.users}
        assert {entity["id"] for entity in tenant.entities} == users
    acme.lucca.delete_users({int(str(user["id"])) for user in acme.lucca.company.users[::2]})
    refused, imported = import_both()
    assert refused.exit_code != 0
    assert "This import has 125 employees, 125 fewer than the last one (250)" in refused.log + refused.stdout
    assert imported.exit_code == 0, imported.log
    assert [len(tenant.elimity.snapshots) for tenant in (acme, beta)] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(("package", "check"), [("tap_lucca", "--test"), ("target_elimity", "--check")])
def test_variables_win_over_a_file_that_lies_around(tmp_path: Path, acme: Sandbox, package: str, check: str) -> None:
    """Variables take precedence over a `.env` in the folder, so its key isn't sent to the tenant's host."""
    (tmp_path / ".env").write_text("TAP_LUCCA_API_KEY=other\nTARGET_ELIMITY_SOURCE_TOKEN=other\n")
    program = f"from {package}.__main__ import main; main()"  # reads `.env` in the folder that it runs in
    run = shell(f"python -c '{program}' --config=ENV {check} > /dev/null", tmp_path, settings(acme))
    assert run.exit_code == 0, run.log


@pytest.mark.slow
def test_a_secret_that_is_not_set_is_nobody_elses(tmp_path: Path, acme: Sandbox, beta: Sandbox) -> None:
    """The run names the missing variable and sends nothing. It doesn't use the variable without the tenant's prefix."""
    project = new_project(tmp_path)
    environment = {**settings(acme), **add_tenant(project, "beta", beta)}
    del environment["BETA_LUCCA_API_KEY"]
    run = import_tenant(project, "beta", environment)
    assert run.exit_code != 0
    assert "Environment variable 'BETA_LUCCA_API_KEY' referenced but not set" in run.log
    assert not any(tenant.lucca.requests or tenant.elimity.requests for tenant in (acme, beta))


@pytest.mark.slow
def test_meltano_hides_the_secrets_of_a_tenant(tmp_path: Path, acme: Sandbox) -> None:
    """`meltano config list` shows the tenant's host, but no secret."""
    project = new_project(tmp_path)
    environment = add_tenant(project, "acme", acme)
    listed = shell("meltano --environment=acme config list tap-lucca", project, environment)
    assert listed.exit_code == 0, listed.log
    assert acme.lucca_url in listed.stdout
    assert acme.lucca.api_key not in listed.stdout + listed.log


@pytest.mark.slow
def test_machines_share_a_bucket(tmp_path: Path, acme: Sandbox, bucket: Bucket) -> None:
    """Machines share the state of the last import. Meltano doesn't notice a run on another machine."""
    machines = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        machines.append(new_project(tmp_path / name))
        environment = {**bucket.environment, **add_tenant(machines[-1], "acme", acme)}
    first, second = machines
    lock = "meltano/acme:tap-lucca-to-target-elimity/lock"
    # The lock of a machine that died.
    bucket.put(lock, str(time.time() - 11))

    acme.lucca.faults.add(Fault(WORK_CONTRACTS, "hang", seconds=10))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(import_tenant, first, "acme", environment)
        wait_until(lambda: any(request.path == WORK_CONTRACTS for request in acme.lucca.requests))
        elsewhere = pool.submit(import_tenant, second, "acme", environment)
        again = import_tenant(first, "acme", environment)
    assert again.exit_code != 0
    assert "Another 'acme:tap-lucca-to-target-elimity' pipeline is already running" in again.log + again.stdout
    assert elsewhere.result().exit_code == 0, elsewhere.result().log
    assert slow.result().exit_code == 0, slow.result().log
    assert len(acme.elimity.snapshots) == 2
    assert not bucket.has(lock)

    acme.lucca.delete_users({int(str(user["id"])) for user in acme.lucca.company.users[::2]})
    third = tmp_path / "third"
    third.mkdir()
    add_tenant(new_project(third), "acme", acme)
    refused = import_tenant(third, "acme", environment)
    assert refused.exit_code != 0
    assert "This import has 125 employees, 125 fewer than the last one (250)" in refused.log + refused.stdout
    assert len(acme.elimity.snapshots) == 2
