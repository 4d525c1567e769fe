"""Writes what stands in the code into the files that repeat it; with --check only says which are out of date.

In Markdown and YAML what is generated stands between a line with `generated: NAME` and one with `end of generated`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._util import dump_json
from tap_lucca.tap import TapLucca
from target_elimity.data_model import ATTRIBUTE_TYPES, export_file
from target_elimity.settings import CREDENTIALS
from target_elimity.target import TargetElimity

from tests.e2e.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.plugin_base import PluginBase

ROOT = Path(__file__).parent.parent
PLUGINS: tuple[type[PluginBase], ...] = (TapLucca, TargetElimity)
# Sets of settings any one of which is enough to run.
GROUPS = {"tap-lucca": (("host", "api_key"),), "target-elimity": (CREDENTIALS, ("output_path",))}
SDK_SETTINGS = ("stream_map", "flattening", "faker_config")
BLOCK = re.compile(r"(?P<begin>^.*generated: (?P<name>\S+).*\n)[\s\S]*?(?P<end>^.*end of generated.*\n)", re.MULTILINE)


def generated_files() -> dict[Path, str]:
    """Return every file with generated content, as it should be."""
    blocks = dict(_blocks())
    files = {
        ROOT / "target-elimity/insights-client-lucca-data-model-export.json": export_file(),
        ROOT / "tap-lucca/catalog.json": dump_json(_catalog(), indent=2) + "\n",
    }
    for name in (
        "README.md",
        "tap-lucca/README.md",
        "target-elimity/README.md",
        "docs/troubleshooting.md",
        "meltano.yml",
    ):
        files[ROOT / name] = BLOCK.sub(
            lambda match: match["begin"] + blocks[match["name"]] + match["end"],
            (ROOT / name).read_text(encoding="utf-8"),
        )
    return files


def _blocks() -> Iterator[tuple[str, str]]:
    for plugin in PLUGINS:
        yield f"settings-{plugin.name}", _settings_table(plugin)
        yield f"meltano-{plugin.name}", _meltano_settings(plugin)
    yield "attributes", _attributes_table()
    yield "faults", _faults_table()


def _catalog() -> dict[str, Any]:
    return TapLucca(config={"host": "acme.ilucca.net", "api_key": "none"}).catalog_dict


def _settings(plugin: type[PluginBase]) -> dict[str, dict[str, Any]]:
    """Return the settings that are the plugin's own, not the SDK's."""
    properties: dict[str, dict[str, Any]] = plugin.config_jsonschema["properties"]
    return {name: schema for name, schema in properties.items() if not name.startswith(SDK_SETTINGS)}


def _settings_table(plugin: type[PluginBase]) -> str:
    required = plugin.config_jsonschema.get("required", ())
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for name, schema in _settings(plugin).items():
        default = "required" if name in required else f"`{_plain(schema['default'])}`" if "default" in schema else ""
        secret = " (secret)" if schema.get("secret") else ""
        rows.append(f"| `{name}` | {default} | {schema['description']}{secret} |")
    return "\n".join(rows) + "\n"


def _meltano_settings(plugin: type[PluginBase]) -> str:
    lines = ["    capabilities:"]
    lines += [f"    - {capability.value}" for capability in plugin.capabilities]
    groups = GROUPS[plugin.name]
    lines += ["    settings_group_validation:", *(f"    - [{', '.join(group)}]" for group in groups)]
    lines += ["    settings:"]
    for name, schema in _settings(plugin).items():
        kind = next(type_ for type_ in schema["type"] if type_ != "null")  # Meltano's kinds have JSON schema's names
        lines += [f"    - name: {name}", f"      kind: {kind}"]
        lines += ["      sensitive: true"] if schema.get("secret") else []
        lines += [f"      value: {_plain(schema['default'])}"] if "default" in schema else []
        lines += [f"      label: {schema['title']}", f"      description: '{schema['description']}'"]
    return "\n".join(lines) + "\n"


def _attributes_table() -> str:
    rows = ["| attribute | id | type | |", "| --- | --- | --- | --- |"]
    rows += [f"| {row.name} | `{row.id}` | {row.type} | {row.description} |" for row in ATTRIBUTE_TYPES]
    return "\n".join(rows) + "\n"


def _faults_table() -> str:
    rows = ["| what happens when … | what the connector does | what you see in its log |", "| --- | --- | --- |"]
    rows += [f"| {row.happens} | {row.does} | `{row.seen}` |" for row in SCENARIOS.values()]
    return "\n".join(rows) + "\n"


def _plain(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def main() -> None:
    """Write the files, or with --check exit with 1 if one is not as it should be."""
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
