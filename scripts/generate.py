"""Generates files and tables from the code. With --check, it only names the files that are out of date.

In Markdown and YAML, generated text is between a line with `generated: NAME` and one with `end of generated`.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml
from lucca_elimity_kit.plugin import StrictPlugin
from lucca_gateway.settings import Settings as GatewaySettings
from tap_lucca.tap import TapLucca
from target_elimity.attributes import ATTRIBUTES
from target_elimity.data_model import export_file
from target_elimity.settings import CREDENTIALS
from target_elimity.target import TargetElimity

ROOT = Path(__file__).parent.parent
PLUGINS: tuple[type[StrictPlugin], ...] = (TapLucca, TargetElimity)
# Groups of settings. One complete group is enough to run the plugin.
GROUPS = {"tap-lucca": (("host", "api_key"),), "target-elimity": (CREDENTIALS, ("output_path",))}
WITH_BLOCKS = (
    "tap-lucca/README.md",
    "target-elimity/README.md",
    "lucca-gateway/README.md",
    "docs/data.md",
    "meltano.yml",
)
# A placeholder. Once the repository is public, set its address, and `variant` to the account that publishes it.
REPOSITORY = "https://git.example/lucca-elimity.git"
# These are the same for every plugin. The hub rates the quality.
HUB_METADATA = {"variant": "original", "maintenance_status": "beta", "quality": "unknown"}
FROM_PROJECT = ("name", "namespace", "label", "commands")
HUB_HEADER = """\
# Generated: the definition of this plugin for the Meltano hub.
# All settings are text: with another kind, Meltano changes values before the plugin checks them (`oui`: false).
"""
BLOCK = re.compile(r"(?P<begin>^.*generated: (?P<name>\S+).*\n)[\s\S]*?(?P<end>^.*end of generated.*\n)", re.MULTILINE)


def generated_files() -> dict[Path, str]:
    """Return the up-to-date content of every file with generated content."""
    blocks = dict(_blocks())
    files = {
        ROOT / "target-elimity/insights-client-lucca-data-model-export.json": export_file(),
        ROOT / "tap-lucca/catalog.json": json.dumps(_catalog(), indent=2, ensure_ascii=False, separators=(",", ":"))
        + "\n",
    }
    for name in WITH_BLOCKS:
        files[ROOT / name] = BLOCK.sub(
            lambda match: match["begin"] + blocks[match["name"]] + match["end"],
            (ROOT / name).read_text(encoding="utf-8"),
        )
    project = yaml.safe_load(files[ROOT / "meltano.yml"])
    for plugin in PLUGINS:
        kind, entry = _entry(project, plugin)
        definition = _yaml(_hub_definition(plugin, entry), sort_keys=True)  # the hub requires sorted keys
        files[ROOT / "hub" / kind / f"{plugin.name}.yml"] = HUB_HEADER + definition
    return files


def _blocks() -> Iterator[tuple[str, str]]:
    for plugin in PLUGINS:
        yield f"settings-{plugin.name}", _settings_table(plugin)
        yield f"meltano-{plugin.name}", indent(_yaml(_definition(plugin)), "    ")
    yield "settings-lucca-gateway", _gateway_settings_table()
    yield "attributes", _attributes_table()


def _catalog() -> dict[str, Any]:
    return TapLucca(config={"host": "acme.ilucca.net", "api_key": "none"}).catalog_dict


def _settings_table(plugin: type[StrictPlugin]) -> str:
    schema = plugin.settings_class.schema()
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for name, setting in schema["properties"].items():
        default = "required" if name in schema["required"] else _default(setting)
        secret = " (secret)" if setting.get("secret") else ""
        rows.append(f"| `{name}` | {default} | {setting['description']}{secret} |")
    return "\n".join(rows) + "\n"


def _gateway_settings_table() -> str:
    rows = ["| variable | default | |", "| --- | --- | --- |"]
    for name, setting in GatewaySettings.schema()["properties"].items():
        rows.append(f"| `{GatewaySettings.prefix}{name.upper()}` | {_default(setting)} | {setting['description']} |")
    return "\n".join(rows) + "\n"


def _definition(plugin: type[StrictPlugin]) -> dict[str, Any]:
    """Return a plugin's capabilities and settings in Meltano's format."""
    return {
        "capabilities": [capability.value for capability in plugin.capabilities],
        "settings_group_validation": [list(group) for group in GROUPS[plugin.name]],
        "settings": [_setting(name, schema) for name, schema in plugin.settings_class.schema()["properties"].items()],
    }


def _setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    # With any other kind, Meltano (4.4.1) changes values before the plugin can check them.
    setting: dict[str, Any] = {"name": name, "kind": "string"}
    setting |= {"sensitive": True} if schema.get("secret") else {}
    setting |= {"value": schema["default"]} if "default" in schema else {}
    return setting | {"label": schema["title"], "description": schema["description"]}


def _entry(project: dict[str, Any], plugin: type[StrictPlugin]) -> tuple[str, dict[str, Any]]:
    """Return the plugin's kind in Meltano, and its entry in meltano.yml."""
    return next(
        (kind, entry)
        for kind, entries in project["plugins"].items()
        for entry in entries
        if entry["name"] == plugin.name
    )


def _hub_definition(plugin: type[StrictPlugin], entry: dict[str, Any]) -> dict[str, Any]:
    """Return the definition for the hub, from meltano.yml, the settings and the package's metadata."""
    definition = _definition(plugin)
    package = metadata(plugin.name)
    definition |= {
        "description": package["Summary"],
        "keywords": [*package["Keywords"].split(","), "meltano_sdk"],
        "executable": plugin.name,
        "pip_url": f"git+{REPOSITORY}@v{package['Version']}#subdirectory={plugin.name}",
        "supported_python_versions": plugin.get_supported_python_versions(),
    }
    return {name: entry[name] for name in FROM_PROJECT} | HUB_METADATA | definition


def _yaml(content: dict[str, Any], *, sort_keys: bool = False) -> str:
    text: str = yaml.safe_dump(content, sort_keys=sort_keys, allow_unicode=True, width=10_000)
    return text


def _attributes_table() -> str:
    rows = ["| attribute | id | type | from | |", "| --- | --- | --- | --- | --- |"]
    for row in ATTRIBUTES:
        sources = " or ".join(f"`{source}`" for source in row.origin.fields)
        rows.append(f"| {row.name} | `{row.id}` | {row.type} | {sources} | {row.description} |")
    return "\n".join(rows) + "\n"


def _default(setting: dict[str, Any]) -> str:
    """Return the default of a setting as code, as people write it; empty if there is none."""
    default = setting.get("default", "")
    return f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else ""


def main() -> None:
    """Write the files. With --check, exit with 1 if one is out of date."""
    stale = [
        path
        for path, content in generated_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    if "--check" in sys.argv:
        sys.exit(f"Out of date, run `make generate`: {', '.join(map(str, stale))}" if stale else 0)
    files = generated_files()
    for path in stale:
        path.write_text(files[path], encoding="utf-8")


if __name__ == "__main__":
    main()
