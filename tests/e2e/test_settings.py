"""Settings as they reach the plugins through Meltano, from its file and from the environment."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from tests.harness import Run, Sandbox
from tests.project import new_project, settings, shell


@pytest.fixture
def project(sandbox: Sandbox) -> Path:
    """Serve a company, and make a Meltano project like the repository's in the sandbox's folder."""
    return new_project(sandbox.folder)


def configure(project: Path, plugin: str, **values: object) -> None:
    """Write a plugin's settings into meltano.yml."""
    path = project / "meltano.yml"
    content = yaml.safe_load(path.read_text())
    for plugins in content["plugins"].values():
        for entry in plugins:
            if entry["name"] == plugin:
                entry["config"] = values
    path.write_text(yaml.safe_dump(content))


def meltano(sandbox: Sandbox, *arguments: str, **environment: str) -> Run:
    """Run Meltano, with settings from the environment."""
    command = shlex.join(["meltano", "--environment=sandbox", *arguments])
    return shell(command, sandbox.folder, {**settings(sandbox), **environment})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "name", "value"),
    [
        ("tap-lucca", "former_employees", "oui"),
        ("tap-lucca", "page_size", "4_2"),
        ("target-elimity", "accept_filtered", '"true"'),
    ],
)
def test_a_wrong_setting_stops_the_run(sandbox: Sandbox, project: Path, plugin: str, name: str, value: str) -> None:
    """Meltano passes on a wrong value from a variable or its file; the plugin refuses it and names the setting."""
    variable = f"{plugin.upper().replace('-', '_')}_{name.upper()}"
    from_environment = meltano(sandbox, "run", "tap-lucca", "target-elimity", **{variable: value})
    configure(project, plugin, **{name: value})
    from_file = meltano(sandbox, "run", "tap-lucca", "target-elimity")
    for run in (from_environment, from_file):
        assert run.exit_code != 0
        assert f"'{name}'" in run.log + run.stdout
    assert sandbox.elimity.snapshots == []


def test_settings_arrive_in_every_form(sandbox: Sandbox, project: Path) -> None:
    """The plugins accept empty variables, an object as text, and YAML values, text or an object in meltano.yml."""
    empty = {
        "TAP_LUCCA_REQUEST_TIMEOUT": "",
        "TARGET_ELIMITY_CONTRACT_TYPE_NAMES": "",
        "TARGET_ELIMITY_OUTPUT_PATH": "",
    }
    assert meltano(sandbox, "invoke", "target-elimity:check", **empty).exit_code == 0
    labels = {"TARGET_ELIMITY_CONTRACT_TYPE_NAMES": '{"1": "Permanent"}'}
    assert meltano(sandbox, "invoke", "target-elimity:check", **labels).exit_code == 0
    configure(project, "tap-lucca", former_employees="false", page_size="100")
    configure(project, "target-elimity", contract_type_names={"1": "Permanent"}, accept_filtered=False, source_id=1)
    run = meltano(sandbox, "run", "tap-lucca", "target-elimity", TAP_LUCCA_REQUEST_TIMEOUT="")
    assert run.exit_code == 0, run.log
    assert 0 < len(sandbox.entities) < 250
    config = json.loads(meltano(sandbox, "config", "print", "target-elimity").stdout)
    assert config["contract_type_names"] == {"1": "Permanent"}


def test_a_dry_run_with_credentials_that_are_empty(sandbox: Sandbox, project: Path) -> None:
    """A dry run accepts the empty credentials of `.env.example`; a check fails and names the missing variable."""
    environment = {"TARGET_ELIMITY_SOURCE_ID": "", "TARGET_ELIMITY_SOURCE_TOKEN": "", "TARGET_ELIMITY_URL": ""}
    dry = meltano(sandbox, "run", "tap-lucca", "target-elimity", **environment, TARGET_ELIMITY_OUTPUT_PATH="output")
    assert dry.exit_code == 0, dry.log
    assert (project / "output" / "snapshot.json").exists()
    check = meltano(sandbox, "invoke", "target-elimity:check", **environment)
    assert check.exit_code != 0
    assert "TARGET_ELIMITY_SOURCE_ID" in check.log + check.stdout
