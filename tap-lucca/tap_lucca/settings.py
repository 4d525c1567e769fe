"""What is wrong with the settings, in sentences that name the setting and never its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Mapping


def settings_errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every setting that is missing, out of range or malformed."""
    flaws = {name: "is missing" for name in schema.get("required", ()) if name not in config}
    for error in Draft202012Validator(schema).iter_errors(config):
        if error.path:
            flaws[str(error.path[0])] = "is out of range or malformed"
    return [
        f"The setting '{name}' {flaw}. It is: {schema['properties'][name]['description']}."
        for name, flaw in sorted(flaws.items())
    ]
