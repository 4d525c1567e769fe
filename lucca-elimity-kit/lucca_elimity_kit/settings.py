"""A strict parser for settings from files and from the environment.

It validates each value against a JSON schema and refuses what doesn't fit. Messages name the setting and its variable,
never the value.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from jellyfish import damerau_levenshtein_distance
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from lucca_elimity_kit.decoding import BYTE_ORDER_MARK
from lucca_elimity_kit.errors import SettingsError

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})

# The pattern of keys and tokens: at least one character, printable ASCII without spaces.
PRINTABLE = r"^[!-~]+$(?!\n)"

# Settings of the Singer SDK. It reads some even if a plugin doesn't declare them, and declares others only for targets
# that load tables. A plugin that doesn't declare them refuses them.
SDK_SETTINGS = frozenset(
    {
        "add_record_metadata",
        "batch_config",
        "batch_size_rows",
        "default_target_schema",
        "emit_activate_version_messages",
        "faker_config",
        "flattening_enabled",
        "flattening_max_depth",
        "flattening_max_key_length",
        "flattening_separator",
        "hard_delete",
        "load_method",
        "process_activate_version_messages",
        "start_date",
        "stream_map_config",
        "stream_maps",
        "use_singer_decimal",
        "user_agent",
        "validate_records",
    }
)

_DIGITS = re.compile(r"[0-9]{1,9}")
_MOST = 999_999_999
# Kubernetes adds these variables to every container, for each service.
_KUBERNETES = re.compile(r"(.*_)?(port|port_\d+_(tcp|udp|sctp)(_.*)?|service_host|service_port(_.*)?)")
_SHORT_NAME = 5

_FORMATS = FormatChecker(())


@_FORMATS.checks("time-zone", raises=(KeyError, OSError, ValueError))
def _is_time_zone(value: object) -> bool:
    return not isinstance(value, str) or bool(ZoneInfo(value))


class _RepeatedNameError(Exception):
    """An object of a file holds a name twice. Which of the two values counts would be a guess."""


class _MalformedError(Exception):
    """A value doesn't have the type of its setting."""


def read_file(path: str | PurePath, what: str = "file of settings") -> dict[str, Any]:
    """Read a file that holds a JSON object in UTF-8. `what` names it in error messages.

    Raises:
        SettingsError: It can't be read, or isn't a JSON object.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        reason = "was not found" if isinstance(error, FileNotFoundError) else "can't be read"
        raise SettingsError(f"The {what} {reason}. Check its path and permissions.") from None
    try:
        values = _decode_json(content.removeprefix(BYTE_ORDER_MARK))
    except _RepeatedNameError:
        raise SettingsError(f"The {what} holds a name twice. Remove one of the two.") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise SettingsError(f"The {what} is not valid JSON in UTF-8. Correct it, or save it as UTF-8.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"The {what} is JSON, but not an object: it must have the form {{…}}.")
    return values


@dataclass(frozen=True)
class SettingsSchema:
    """The settings of a program, and the names of their variables."""

    schema: Mapping[str, Any]
    """A JSON schema with a description of every property. `format: path` marks a path of a file or folder,
    `format: time-zone` an IANA time zone."""

    prefix: str = ""
    """The prefix of the variables, such as `TAP_LUCCA_`; empty if none are read from the environment."""

    has_files: bool = True
    """Whether settings may come from a file. If so, messages use the names that a file uses."""

    @property
    def _properties(self) -> Mapping[str, Mapping[str, Any]]:
        properties: Mapping[str, Mapping[str, Any]] = self.schema["properties"]
        return properties

    def read_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the text of each setting that has a variable, including empty ones.

        Raises:
            SettingsError: A variable is misspelled, or sets something that this program doesn't support.
        """
        values = {}
        flaws = []
        for variable in sorted(environment):
            name = variable.removeprefix(self.prefix).lower()
            if not variable.startswith(self.prefix) or name.startswith("_"):  # `TAP_LUCCA__SELECT` is Meltano's
                continue
            if name in self._properties and variable.isupper():
                values[name] = environment[variable]
            elif name in SDK_SETTINGS:
                flaws.append(f"The variable {variable} sets something that this program doesn't support: remove it.")
            elif meant := self._misspelled(name):
                flaws.append(f"The variable {variable} is unknown. Is {self._variable(meant)} meant?")
        _raise(flaws)
        return values

    def parse(self, values: Mapping[str, Any], *, complete: bool = True) -> dict[str, Any]:
        """Return the settings with their types, and defaults for those that are not set.

        Args:
            values: JSON values, or texts from the environment. Null and empty text count as not set.
            complete: Whether to require the required settings.

        Raises:
            SettingsError: A setting is unknown, missing, out of range or malformed.
        """
        _raise(self._unknown(name) for name in values if name not in self._properties)
        settings, malformed = self._converted(values)
        missing = set()
        for error in Draft202012Validator(self.schema, format_checker=_FORMATS).iter_errors(settings):
            if error.path:
                malformed.add(str(error.path[0]))
            else:
                missing |= _needed(error, settings)
        flaws = dict.fromkeys(malformed, "is out of range or malformed")
        if complete:
            for name in missing - malformed:
                flaws[name] = "is missing: it is empty" if name in values else "is missing"
        _raise(self.sentence(name, flaw) for name, flaw in sorted(flaws.items()))
        defaults = {name: schema["default"] for name, schema in self._properties.items() if "default" in schema}
        return {**defaults, **{name: self._expanded(name, value) for name, value in settings.items()}}

    def _converted(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Return the settings that are set, and the names of those whose value has the wrong type."""
        settings = {}
        malformed = set()
        for name, value in values.items():
            if value not in (None, ""):
                try:
                    converted = _convert(value, self._properties[name])
                except _MalformedError:
                    malformed.add(name)
                else:
                    if converted is not None:  # the text `null`
                        settings[name] = converted
        return settings, malformed

    def sentence(self, name: str, flaw: str) -> str:
        """Return a sentence about a setting's flaw, and one that describes the setting."""
        description = self._properties[name].get("description", name).rstrip(".")
        if not self.has_files:
            return f"The setting {self._variable(name)} {flaw}. Description: {description}."
        variable = f" (variable {self._variable(name)})" if self.prefix else ""
        return f"The setting '{name}' {flaw}. Description: {description}{variable}."

    def _expanded(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if self._properties[name].get("format") != "path" or not value.startswith("~"):
            return value
        try:
            return str(Path(value).expanduser())
        except RuntimeError:
            raise SettingsError(self.sentence(name, "begins with '~', and there is no such home folder")) from None

    def _unknown(self, name: str) -> str:
        nearest = get_close_matches(name, self._properties, n=1)
        # A long name may be a secret in the wrong place.
        known = f"Is '{nearest[0]}' meant?" if nearest else "Remove it."
        return f"The setting {name[:60]!r} is unknown. {known}"

    def _variable(self, name: str) -> str:
        return f"{self.prefix}{name.upper()}"

    def _misspelled(self, name: str) -> str | None:
        """Return the setting whose name a variable misspells; None if the variable may belong to another program."""
        if _KUBERNETES.fullmatch(name):
            return None
        for known, schema in self._properties.items():
            if name.endswith(f"_{known}"):  # an inherited Meltano plugin: `tap-lucca-b` has TAP_LUCCA_B_HOST
                return None
            if name.startswith(f"{known}_") and "object" in _types(schema):  # Meltano's: an entry of the object
                return None
        name = name.encode(errors="replace").decode()  # the name may be invalid Unicode, which the library refuses
        for known in self._properties:
            if damerau_levenshtein_distance(name, known) <= (1 if len(known) <= _SHORT_NAME else 2):
                return known
        return None


def _decode_json(content: str | bytes) -> object:
    values = msgspec.json.decode(content)
    json.loads(content, object_pairs_hook=_refuse_repetition)  # msgspec would take the last one
    return values


def _refuse_repetition(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _RepeatedNameError


def _types(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _needed(error: ValidationError, settings: Mapping[str, Any]) -> set[str]:
    """Return the settings that this error requires and that are not set."""
    needed: set[str] = set()
    rule: Any = error.validator_value
    if error.validator == "required":
        needed.update(rule)
    elif error.validator == "dependentRequired":
        for name, others in rule.items():
            needed.update(others if name in settings else ())
    return needed - set(settings)


def _convert(value: object, schema: Mapping[str, Any]) -> object:
    """Return a value with the type of its setting. The JSON schema checks its range later.

    Raises:
        _MalformedError: It has another type.
    """
    kinds = _types(schema)
    if isinstance(value, str):
        return _convert_text(value, kinds)
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _MOST or "integer" not in kinds:
            raise _MalformedError
        return str(value) if "string" in kinds else value
    if isinstance(value, float):  # JSON schema accepts 3.0 as an integer
        raise _MalformedError
    return value


def _convert_text(text: str, kinds: list[str]) -> object:
    if "string" in kinds:
        if "\0" in text:
            raise _MalformedError
        return text
    if "boolean" in kinds:
        if text.lower() not in TRUE | FALSE:
            raise _MalformedError
        return text.lower() in TRUE
    if "integer" in kinds:
        if not _DIGITS.fullmatch(text):
            raise _MalformedError
        return int(text)
    try:
        return _decode_json(text)
    except (_RepeatedNameError, msgspec.DecodeError, ValueError, RecursionError):
        raise _MalformedError from None


def _raise(flaws: Iterable[str]) -> None:
    if message := " ".join(flaws):
        raise SettingsError(message)
