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


# A setting of each kind: a boolean, a number, a text and an object.
OF_EACH_KIND = {
    "flattening_enabled": "true",
    "flattening_max_depth": "1",
    "flattening_separator": "-",
    "stream_maps": json.dumps({"users": {"mail": "__NULL__"}}),
}


def variables(prefix: str) -> dict[str, str]:
    """Return the variables for a setting of each kind."""
    return {f"{prefix}_{name.upper()}": value for name, value in OF_EACH_KIND.items()}


def write_settings(project: Path, place: str) -> dict[str, str]:
    """Put a setting of each kind into a place. Return the variables of the process."""
    path = project / "meltano.yml"
    content = yaml.safe_load(path.read_text())
    tap = next(entry for entry in content["plugins"]["extractors"] if entry["name"] == "tap-lucca")
    environment = next(entry for entry in content["environments"] if entry["name"] == "sandbox")
    if place == "process":
        return variables("TAP_LUCCA")
    if place == ".env":
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables("TAP_LUCCA").items()]
        (project / ".env").write_text("".join(lines))
    elif place == "env of the environment":
        environment["env"] = variables("TAP_LUCCA")
    elif place == "env of the plugin":
        tap["env"] = variables("TAP_LUCCA")
    elif place == "config, as text":
        tap["config"] = OF_EACH_KIND
    elif place == "config, as YAML":
        tap["config"] = {name: yaml.safe_load(value) for name, value in OF_EACH_KIND.items() if value != "-"}
        tap["config"]["flattening_separator"] = "-"
    elif place == "config of the environment":
        of_tap = environment["config"]["plugins"]["extractors"][0]
        assert of_tap["name"] == "tap-lucca"
        of_tap["config"] |= OF_EACH_KIND
    elif place == "inherited":
        tap["config"] = OF_EACH_KIND
    path.write_text(yaml.safe_dump(content))
    return variables("TAP_LUCCA_B") if place == "process, inherited" else {}


def inherit(project: Path, name: str) -> None:
    """Add a plugin that inherits from the tap."""
    path = project / "meltano.yml"
    content = yaml.safe_load(path.read_text())
    content["plugins"]["extractors"].append({"name": name, "inherit_from": "tap-lucca"})
    path.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    "place",
    [
        ".env",
        *(
            pytest.param(place, marks=pytest.mark.slow)
            for place in (
                "process",
                "env of the environment",
                "env of the plugin",
                "config, as text",
                "config, as YAML",
                "config of the environment",
                "inherited",
                "process, inherited",
            )
        ),
    ],
)
def test_a_setting_of_each_kind_from_each_place(sandbox: Sandbox, project: Path, place: str) -> None:
    """Wherever it is set, a stream map drops the mail addresses, and objects are flattened as the settings say."""
    environment = write_settings(project, place)
    plugin = "tap-lucca"
    if "inherited" in place:
        plugin = "tap-lucca-b"
        inherit(project, plugin)
        environment |= {
            name.replace("TAP_LUCCA", "TAP_LUCCA_B"): value
            for name, value in settings(sandbox).items()
            if name.startswith("TAP_LUCCA")
        }
    tap = meltano(sandbox, "invoke", plugin, **environment)
    assert tap.exit_code == 0, tap.log
    users = tap.records("users")
    assert len(users) == 250
    assert not any("mail" in user for user in users)
    assert any("department-code" in user for user in users)


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
