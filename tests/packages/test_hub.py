"""The definitions of the plugins for the Meltano hub, checked with Meltano."""

import json
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.harness import ROOT, Sandbox
from tests.packages.support import module_of
from tests.project import run_page, settings, shell

DEFINITIONS = {"extractors": "tap-lucca", "loaders": "target-elimity"}
# Properties that the hub adds to Meltano's own schema, and the values that it accepts.
HUB_ONLY: dict[str, set[str] | None] = {
    "keywords": None,
    "maintenance_status": {"active", "beta", "development", "inactive", "unknown"},
    "quality": {"gold", "silver", "bronze", "unknown"},
    "supported_python_versions": None,
}


def definition_of(kind: str) -> dict[str, Any]:
    """Return the plugin definition in a file for the hub."""
    path = ROOT / "hub" / kind / f"{DEFINITIONS[kind]}.yml"
    definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return definition


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_definition_is_as_meltano_and_its_hub_want_it(kind: str) -> None:
    """The definition is valid under Meltano's schema, has the hub's additional properties, and marks every secret."""
    definition = definition_of(kind)
    assert {"name", "namespace", "variant"} <= definition.keys()
    for name, words in HUB_ONLY.items():
        value = definition.pop(name)
        assert value in words if words else value
    schema = json.loads((resources.files("meltano.schemas") / "meltano.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate({"plugins": {kind: [definition]}})
    secrets = {"extractors": ["api_key"], "loaders": ["source_token", "api_token_secret"]}
    assert [row["name"] for row in definition["settings"] if row.get("sensitive")] == secrets[kind]
    assert {row["kind"] for row in definition["settings"]} == {"string"}


@pytest.mark.slow
def test_a_project_of_somebody_else_adds_the_plugins(sandbox: Sandbox, repository: str) -> None:
    """With the page's commands, the plugins install from a repository at one commit, list settings, and import."""
    project = sandbox.folder / "project"
    environment = settings(sandbox)
    made = shell("meltano init --no-usage-stats project", sandbox.folder, environment)
    assert made.exit_code == 0, made.log
    run_page("docs/meltano-project.md", project, environment, {"https://git.example/lucca-elimity.git": repository})
    assert len(sandbox.entities) == 250
    commit = shell("git rev-parse HEAD", Path(url2pathname(urlsplit(repository).path)), {}).stdout.strip()
    for kind, name in DEFINITIONS.items():
        (plugin,) = yaml.safe_load((project / "meltano.yml").read_text())["plugins"][kind]
        assert plugin["pip_url"].count(f"@{commit}#subdirectory=") == 1
        listed = shell(f"meltano config list --all {name}", project, environment).stdout
        variables = [f"{module_of(name)}_{row['name']}".upper() for row in definition_of(kind)["settings"]]
        assert [variable for variable in variables if f"[env: {variable}]" not in listed] == []
