"""The definitions of the plugins for the Meltano hub, as Meltano takes them."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.harness import ROOT
from tests.packages.support import module_of
from tests.project import settings, shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Sandbox

DEFINITIONS = {"extractors": "tap-lucca", "loaders": "target-elimity"}
# What the hub has on top of what Meltano's own schema knows, and the words it takes for it.
HUB_ONLY: dict[str, set[str] | None] = {
    "keywords": None,
    "maintenance_status": {"active", "beta", "development", "inactive", "unknown"},
    "quality": {"gold", "silver", "bronze", "unknown"},
    "supported_python_versions": None,
}


def definition_of(kind: str) -> dict[str, Any]:
    """Return what stands in a file for the hub."""
    path = ROOT / "hub" / kind / f"{DEFINITIONS[kind]}.yml"
    definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return definition


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_definition_is_as_meltano_and_its_hub_want_it(kind: str) -> None:
    """It fits the schema that Meltano comes with, has what the hub asks for beyond that, and marks every secret."""
    definition = definition_of(kind)
    assert {"name", "namespace", "variant"} <= definition.keys()
    for name, words in HUB_ONLY.items():
        value = definition.pop(name)
        assert value in words if words else value
    schema = json.loads((resources.files("meltano.schemas") / "meltano.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate({"plugins": {kind: [definition]}})
    secrets = {"extractors": ["api_key"], "loaders": ["source_token", "api_token_secret"]}
    sensitive = [row["name"] for row in definition["settings"] if row.get("sensitive") and row["kind"] == "password"]
    assert sensitive == secrets[kind]


@pytest.mark.slow
def test_meltano_adds_the_plugins_by_their_definitions(dist: Path, sandbox: Sandbox) -> None:
    """In a new project, with the wheels for what the index does not have: they install, list settings, and import."""
    project = sandbox.folder / "project"
    environment = {
        **settings(sandbox),
        "UV_FIND_LINKS": str(dist),
        "UV_CONSTRAINT": str(ROOT / "requirements.lock"),
    }

    def meltano(arguments: str, folder: Path = project) -> str:
        done = shell(f"meltano {arguments}", folder, environment)
        assert done.exit_code == 0, done.log
        return done.stdout

    meltano("init --no-usage-stats project", sandbox.folder)
    for kind, name in DEFINITIONS.items():
        meltano(f"add --from-ref {ROOT}/hub/{kind}/{name}.yml {name}")
        listed = meltano(f"config list --all {name}")
        variables = [f"{module_of(name)}_{row['name']}".upper() for row in definition_of(kind)["settings"]]
        assert [variable for variable in variables if f"[env: {variable}]" not in listed] == []
    meltano("run tap-lucca target-elimity")
    assert len(sandbox.entities) == 250
