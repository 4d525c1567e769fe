"""Settings from files and from the environment, as typed fields of a struct.

Messages name a setting, its variable and what it must be, never its value.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Self, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
from jellyfish import damerau_levenshtein_distance
from msgspec import Meta
from msgspec.inspect import type_info
from msgspec.structs import FieldInfo

from lucca_elimity_kit.errors import SettingsError

# Types of settings. `must_be` completes the sentence "The setting … must be …".
Printable: TypeAlias = Annotated[
    str, Meta(pattern=r"^[!-~]+$(?!\n)", extra={"must_be": "printable ASCII without spaces"})
]
FilePath: TypeAlias = Annotated[
    Path | None, Meta(extra={"must_be": "a path; if it begins with '~', that home folder must exist"})
]
TimeZone: TypeAlias = Annotated[ZoneInfo, Meta(extra={"must_be": "an IANA time zone such as Europe/Paris"})]
# `extra_json_schema` of a secret, as the Singer SDK marks it.
SECRET = {"secret": True, "writeOnly": True}

# Settings of the Singer SDK. It reads some even if a plugin doesn't declare them. A plugin that doesn't have them
# refuses them.
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

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# Libraries fail on larger numbers, such as a pause of that many seconds.
_MOST_DIGITS = 9
_DIGITS = re.compile(rf"[0-9]{{1,{_MOST_DIGITS}}}")
# Kubernetes adds these variables to every container, for each service.
_KUBERNETES = re.compile(r"(.*_)?(port|port_\d+_(tcp|udp|sctp)(_.*)?|service_host|service_port(_.*)?)")
_SHORT_NAME = 5
# What decoding JSON raises: msgspec's error, and those of the json module.
_NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)
# What converting a wrong value raises: msgspec's error, and those of ZoneInfo and Path.
_UNFIT = (msgspec.ValidationError, LookupError, OSError, RuntimeError)


class _RepeatedNameError(ValueError):
    """An object of a file holds a name twice. Which of the two values counts would be a guess."""


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
        values = _decode_json(content.removeprefix(BOM_UTF8))
    except _RepeatedNameError:
        raise SettingsError(f"The {what} holds a name twice. Remove one of the two.") from None
    except _NOT_JSON:
        raise SettingsError(f"The {what} is not valid JSON in UTF-8. Correct it, or save it as UTF-8.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"The {what} is JSON, but not an object: it must have the form {{…}}.")
    return values


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings of a program: each is a field, with title, description, limits and secrecy in its `Meta`.

    A text that isn't set is empty.
    """

    prefix: ClassVar[str] = ""
    """The prefix of the variables, such as `TAP_LUCCA_`; empty if none are read from the environment."""

    has_files: ClassVar[bool] = True
    """Whether settings may come from a file. If so, messages use the names that a file uses."""

    @classmethod
    def required(cls, given: Collection[str]) -> Iterable[str]:
        """Return the settings that must be set if these are given: by default, those without a default."""
        del given
        return [name for name, field in cls._fields().items() if field.required]

    def flaws(self) -> Iterator[tuple[str, str]]:
        """Yield name and flaw of each setting that its type admits, but that can't be used."""
        yield from ()

    @classmethod
    def read_environment(cls, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the text of each setting that has a variable, including empty ones.

        Raises:
            SettingsError: A variable is misspelled, or sets something that this program doesn't support.
        """
        values = {}
        flaws = []
        for variable in sorted(environment):
            name = variable.removeprefix(cls.prefix).lower()
            if not variable.startswith(cls.prefix) or name.startswith("_"):  # `TAP_LUCCA__SELECT` is Meltano's
                continue
            if name in cls.__struct_fields__ and variable.isupper():
                values[name] = environment[variable]
            elif name in SDK_SETTINGS - {*cls.__struct_fields__}:
                flaws.append(f"The variable {variable} sets something that this program doesn't support: remove it.")
            elif not cls._is_of_others(name) and (meant := cls._nearest(name)):
                flaws.append(f"The variable {variable} is unknown. Is {cls._variable(meant)} meant?")
        _raise(flaws)
        return values

    @classmethod
    def parse(cls, values: Mapping[str, object], *, complete: bool = True) -> Self:
        """Convert values to settings.

        Args:
            values: JSON values, or texts from the environment. Null and empty text count as not set.
            complete: Whether to require the required settings.

        Raises:
            SettingsError: A setting is unknown, missing, out of range or malformed.
        """
        _raise(cls._unknown(name) for name in values if name not in cls.__struct_fields__)
        fields = cls._fields()
        given = {name: value for name, value in values.items() if value not in (None, "")}
        missing = {*cls.required(given)} - {*given} if complete else ()
        flaws = {name: "is missing: it is empty" if name in values else "is missing" for name in missing}
        settings: dict[str, Any] = {name: "" for name, field in fields.items() if field.required}
        for name, value in given.items():
            try:
                settings[name] = _convert(value, fields[name].type)
            except ValueError:
                flaws[name] = f"must be {_must_be(fields[name])}"
        _raise(cls._sentence(name, flaw) for name, flaw in sorted(flaws.items()))
        parsed = cls(**settings)
        _raise(cls._sentence(name, flaw) for name, flaw in parsed.flaws())
        return parsed

    @classmethod
    def _fields(cls) -> dict[str, FieldInfo]:
        """Return the settings by name, those of this class before the inherited ones."""
        inherited = getattr(cls.__base__, "__struct_fields__", ())
        fields = sorted(msgspec.structs.fields(cls), key=lambda field: field.name in inherited)
        return {field.name: field for field in fields}

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON schema."""
        return {
            "type": "object",
            "properties": {name: _schema(field) for name, field in cls._fields().items()},
            "required": [name for name, field in cls._fields().items() if field.required],
        }

    @classmethod
    def _sentence(cls, name: str, flaw: str) -> str:
        """Return a sentence about a setting's flaw, and one that describes the setting."""
        description = _schema(cls._fields()[name])["description"]
        if not cls.has_files:
            return f"The setting {cls._variable(name)} {flaw}. Description: {description}."
        variable = f" (variable {cls._variable(name)})" if cls.prefix else ""
        return f"The setting '{name}' {flaw}. Description: {description}{variable}."

    @classmethod
    def _unknown(cls, name: str) -> str:
        nearest = cls._nearest(name)
        # A long name may be a secret in the wrong place.
        known = f"Is '{nearest}' meant?" if nearest else "Remove it."
        return f"The setting {name[:60]!r} is unknown. {known}"

    @classmethod
    def _variable(cls, name: str) -> str:
        return f"{cls.prefix}{name.upper()}"

    @classmethod
    def _is_of_others(cls, name: str) -> bool:
        """Return whether Kubernetes or Meltano may have set the variable of this name."""
        if _KUBERNETES.fullmatch(name):
            return True
        return any(
            name.endswith(f"_{known}")  # an inherited Meltano plugin: `tap-lucca-b` has TAP_LUCCA_B_HOST
            or (name.startswith(f"{known}_") and _schema(field)["type"] == "object")  # an entry of the object
            for known, field in cls._fields().items()
        )

    @classmethod
    def _nearest(cls, name: str) -> str | None:
        """Return the setting whose name this one misspells by a letter or two, if there is one."""
        name = name.encode(errors="replace").decode()  # the name may be invalid Unicode, which the library refuses
        for known in cls.__struct_fields__:
            if damerau_levenshtein_distance(name, known) <= (1 if len(known) <= _SHORT_NAME else 2):
                return known
        return None


class ProgramSettings(Settings, frozen=True, kw_only=True):
    """The settings that all programs have."""

    max_retry_seconds: Annotated[
        int,
        Meta(
            title="Maximum retry time",
            description=(
                "Seconds during which to retry a temporary failure, such as a 429, a 5xx or a broken connection"
            ),
            ge=0,
        ),
    ] = 300


def _convert(value: object, kind: Any) -> object:  # noqa: ANN401 - an annotation
    """Return a value with the type of its setting.

    Raises:
        ValueError: It has another type.
    """
    for reading in _readings(value):
        with suppress(*_UNFIT):
            return msgspec.convert(reading, kind, dec_hook=_from_text)
    raise ValueError


def _readings(value: object) -> Iterator[object]:
    """Yield what a value may mean, strictly. The first reading that has the type of the setting counts."""
    if isinstance(value, str):
        if "\0" in value:
            return
        if _DIGITS.fullmatch(value):
            yield int(value)
        if value.lower() in _BOOLEANS:
            yield _BOOLEANS[value.lower()]
        if value.lstrip().startswith("{"):
            with suppress(*_NOT_JSON):
                yield _decode_json(value)
    elif type(value) is int:
        yield str(value)  # in YAML, an id may be a number
    if type(value) is not int or abs(value) < 10**_MOST_DIGITS:
        yield value


def _from_text(kind: type, value: object) -> object:
    """Convert a text to a type that msgspec doesn't know."""
    if not isinstance(value, str):
        raise TypeError
    return Path(value).expanduser() if kind is Path else kind(value)


def _decode_json(content: str | bytes) -> object:
    values = msgspec.json.decode(content)
    json.loads(content, object_pairs_hook=_refuse_repetition)  # msgspec would take the last one
    return values


def _refuse_repetition(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _RepeatedNameError


def _schema(field: FieldInfo) -> dict[str, Any]:
    """Return the JSON schema of a setting. It leaves out that a setting may be null, which means that it isn't set."""
    schema = msgspec.json.schema(field.type, schema_hook=lambda _: {"type": "string"})
    for branch in schema.pop("anyOf", ()):
        schema |= branch if branch["type"] != "null" else {}
    if field.default not in (msgspec.NODEFAULT, None, ""):
        schema["default"] = msgspec.to_builtins(field.default, enc_hook=str)
    return schema


def _must_be(field: FieldInfo) -> str:
    """Return what the value of a setting must be, for messages."""
    if extra := getattr(type_info(field.type), "extra", None):
        return str(extra["must_be"])
    match _schema(field):
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"a whole number from {least} to {most}"
        case {"type": "integer", "minimum": least}:
            return f"a whole number, {least} or more, with up to {_MOST_DIGITS} digits"
        case {"type": "object"}:
            return "a JSON object that holds each name once"
    return "text"


def _raise(flaws: Iterable[str]) -> None:
    if message := " ".join(flaws):
        raise SettingsError(message)
