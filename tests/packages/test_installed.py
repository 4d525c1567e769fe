"""The wheels, installed alone in new environments, on every Python version that the packages support."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import requests

from sandbox.pulling import pull, running_gateway
from tests.e2e.expected import expected_entities
from tests.harness import PACKAGES, ROOT, Run, Sandbox, run
from tests.lucca_gateway.support import ENVIRONMENT, configuration, employees_of
from tests.packages.support import MAKE_DIST, PYTHONS, wheel_of
from tests.project import install, new_project, run_page, settings, shell

# Dependencies have the versions and hashes of the lock file.
LOCKED = ("--constraint", ROOT / "requirements.txt")
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = [pytest.param(version, marks=pytest.mark.slow) for version in PYTHONS if version != CURRENT]


def interpreter(python: str) -> str | None:
    """Return the path of a Python version on this machine, if there is one; pyenv hides all but one of its own."""
    if python == CURRENT:
        return sys.executable
    found = run("uv", "python", "find", "--no-python-downloads", python, env={"PYENV_VERSION": python})
    return found.stdout.strip() or None


@pytest.fixture(params=[CURRENT, *OTHERS])
def python(request: pytest.FixtureRequest) -> str:
    """Return each Python that the packages support, if this machine has it."""
    return interpreter(request.param) or pytest.skip(f"Python {request.param} is not on this machine")


def test_the_plugins_work_from_their_wheels(dist: Path, sandbox: Sandbox, python: str) -> None:
    """Each in its own environment, the plugins print version, settings and schemas, and a pipe of both imports."""
    kit = wheel_of(dist, "lucca-elimity-kit")
    tap = install(sandbox.folder / "tap", *LOCKED, kit, wheel_of(dist, "tap-lucca"), python=python)
    target = install(sandbox.folder / "target", *LOCKED, kit, wheel_of(dist, "target-elimity"), python=python)
    environment = {**settings(sandbox), "PATH": os.pathsep.join([str(tap), str(target), os.environ["PATH"]])}

    def succeed(command: str) -> Run:
        done = shell(command, sandbox.folder, environment)
        assert done.exit_code == 0, done.log
        return done

    for name in ("tap-lucca", "target-elimity"):
        assert succeed(f"{name} --version").stdout.startswith(f"{name} v")
        about = json.loads(succeed(f"{name} --about --format=json").stdout)
        assert (about["name"], about["supported_python_versions"]) == (name, PYTHONS)
    catalog = json.loads(succeed("tap-lucca --config=ENV --discover").stdout)
    assert catalog == json.loads((ROOT / "tap-lucca/catalog.json").read_text(encoding="utf-8"))
    assert json.loads(succeed("target-elimity --data-model").stdout) == sandbox.elimity.data_model
    succeed("tap-lucca --config=ENV | target-elimity --config=ENV")
    company = sandbox.lucca.company
    assert employees_of(sandbox.elimity) == expected_entities(company.users, sandbox.contracts, company.today)


def test_the_gateway_works_from_its_wheel(dist: Path, sandbox: Sandbox, python: str) -> None:
    """Installed with the other packages, which it requires, the gateway is healthy and streams a company."""
    wheels = [wheel_of(dist, name) for name in PACKAGES]
    commands = install(sandbox.folder / "gateway", *LOCKED, *wheels, python=python)
    with running_gateway(ENVIRONMENT, commands / "lucca-gateway") as gateway:
        assert requests.get(f"{gateway.url}/healthz", timeout=10).status_code == 200
        pull(sandbox.elimity, gateway.url, "v1alpha2", configuration(sandbox))
    assert gateway.process.returncode == 0
    company = sandbox.lucca.company
    assert employees_of(sandbox.elimity) == expected_entities(company.users, sandbox.contracts, company.today)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize("place", ["git+{}#subdirectory=", "{}/", "--editable={}/"])
def test_a_package_brings_the_others_of_its_checkout(repository: str, tmp_path: Path, tool: str, place: str) -> None:
    """From Git or a folder, editable or not, pip and uv install what a package requires from beside it, not by name."""
    seed = ("--seed",) if tool == "pip" else ()
    run("uv", "venv", *seed, "--python", sys.executable, tmp_path / "environment")
    pip = "uv pip install --python environment" if tool == "uv" else "environment/bin/python -m pip install"
    installed = shell(f"{pip} '{place.format(repository)}lucca-gateway'", tmp_path, {})
    assert installed.exit_code == 0, installed.log
    assert shell("environment/bin/lucca-gateway --version", tmp_path, {}).stdout.startswith("lucca-gateway ")
    assert shell("environment/bin/tap-lucca --version", tmp_path, {}).stdout.startswith("tap-lucca ")


@pytest.mark.slow
def test_an_upgrade_of_a_checkout_upgrades_the_kit(repository: str, tmp_path: Path) -> None:
    """After a change of the kit's code alone, uv installs it again with a package that requires it."""
    checkout = Path(url2pathname(urlsplit(repository).path))
    install(tmp_path / "environment", checkout / "tap-lucca")
    (checkout / "lucca-elimity-kit/lucca_elimity_kit/cli.py").write_text("raise SystemExit('This is the new code.')")
    command = "uv pip install --python environment repository/tap-lucca; environment/bin/tap-lucca --version"
    assert "This is the new code." in shell(command, tmp_path, {}).log


@pytest.mark.slow
def test_the_page_about_packages(sandbox: Sandbox) -> None:
    """The page's commands build the packages, install them, and import the company."""
    project = new_project(sandbox.folder)
    run_page("docs/packages.md", project, settings(sandbox), {"make dist": MAKE_DIST})
    assert len(list(project.glob("dist/*.whl"))) == len(PACKAGES)
    assert len(sandbox.entities) == 250
