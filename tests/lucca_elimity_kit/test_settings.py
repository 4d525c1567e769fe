"""The parser of settings: one rule for files and the environment."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.settings import FilePath, Printable, Settings, TimeZone, read_file
from msgspec import Meta, field
from typing_extensions import override

SECRET = "Xq7-s3cret"


class Kinds(Settings, frozen=True, kw_only=True):
    """A setting of each kind."""

    prefix: ClassVar[str] = "PROGRAM_"

    flag: Annotated[bool, Meta(description="A choice")] = True
    number: Annotated[Annotated[int, Meta(ge=0, le=1000)] | None, Meta(description="A number")] = None
    least: Annotated[int, Meta(ge=1, description="Another number")] = 40
    text: Annotated[str, Meta(description="A text")] = ""
    id: Annotated[str, Meta(description="An id", pattern=r"^[0-9A-Za-z][0-9A-Za-z-]*$(?!\n)")] = ""
    labels: Annotated[dict[str, str], Meta(description="Labels")] = field(default_factory=dict)
    api_key: Annotated[Printable, Meta(description="A key")] = ""
    file_path: Annotated[FilePath, Meta(description="A file")] = None
    timezone: Annotated[TimeZone, Meta(description="A zone")] = ZoneInfo("UTC")
    host: Annotated[str, Meta(description="A host")] = ""

    @classmethod
    @override
    def required(cls, given: Collection[str]) -> Collection[str]:
        return ["host"] if "api_key" in given else []


UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
DEEP = "[" * 100_000
REFUSED: dict[str, list[Any]] = {
    "flag": [
        *(
            "oui",
            "tru",
            "y",
            "t",
            "n",
            "true ",
            " true",
            '"true"',
            "'true'",
            "2",
            "nope",
            "\uff54rue",
            "yes",
            "on",
            "no",
            "off",
            "null",
            "true\n",
        ),
        *(1, 0, 1.0, [], {}),
    ],
    "number": [
        *("4_2", "+4", "-4", "4.0", "1e3", "0x10", " 4", "4 ", "٤٢", "\uff14", '"4"', "1001", "9" * 5000),
        *(True, False, 3.0, 1001, -1, 10**30, [4], {}),
    ],
    "text": [True, [], {}, 1.5, f"{SECRET}\0"],
    "id": [4.0, True, "4_2", "../1", "a b", -1, "42\n"],
    "api_key": [f"{SECRET} ", f"{SECRET}\n", "\u00e9", "a\tb"],
    "file_path": ["~nobody-of-that-name/x", f"{SECRET}\0", True, {}],
    "timezone": ["Paris", "Europe", "../UTC", "europe/../UTC", "+01:00", 1, True],
    "labels": [
        f'{{"1": "CDI", "1": "{SECRET}"}}',
        *("[1]", "{", "{1: 2}", "{'1': 'CDI'}", "CDI", '{"1": 2}', DEEP, "\udcff", '{"1": "\\ud83d"}'),
        *(5, [], {"1": 2}),
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        *(("flag", text, True) for text in (True, "true", "TRUE", "True", "1")),
        *(("flag", text, False) for text in (False, "false", "FALSE", "0")),
        *(("number", number, int(number)) for number in (0, 1000, "0", "1000", "007")),
        *(("text", text, text) for text in ("true", "42", " ", "null", "é", '"quoted"')),
        ("text", 42, "42"),
        ("id", 42, "42"),
        ("id", "00042", "00042"),
        ("id", UUID, UUID),
        ("labels", {"1": "CDI"}, {"1": "CDI"}),
        ("labels", '{"1": "CDI"}', {"1": "CDI"}),
        ("labels", "{}", {}),
        ("labels", '\n {"1": "CDI"}', {"1": "CDI"}),
        ("timezone", "Europe/Paris", ZoneInfo("Europe/Paris")),
    ],
)
def test_what_is_taken(name: str, value: Any, parsed: Any) -> None:
    """A JSON value and its text give the same setting."""
    found = getattr(Kinds.parse({name: value}), name)
    assert found == parsed
    assert type(found) is type(parsed)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_is_refused(name: str, value: Any) -> None:
    """Wrong values aren't coerced. The message names the setting and its variable, and quotes no value."""
    with pytest.raises(SettingsError) as caught:
        Kinds.parse({name: value})
    message = str(caught.value)
    assert f"'{name}'" in message
    assert f"PROGRAM_{name.upper()}" in message
    assert SECRET not in message
    assert len(message) < 200


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        ("flag", "maybe", "true or false"),
        ("number", "1001", "a whole number from 0 to 1000"),
        ("least", "0", "a whole number, 1 or more"),
        ("api_key", "a b", "printable ASCII without spaces"),
        ("timezone", "Paris", "an IANA time zone such as Europe/Paris"),
        ("labels", "CDI", "a JSON object"),
        ("text", True, "text"),
    ],
)
def test_what_a_setting_must_be(name: str, value: Any, must_be: str) -> None:
    """The message says what the value must be."""
    with pytest.raises(SettingsError, match=f"'{name}' must be {must_be}"):
        Kinds.parse({name: value})


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Missing and malformed settings are named in one message."""
    with pytest.raises(SettingsError) as caught:
        Kinds.parse({"api_key": SECRET, "flag": "oui", "number": "x"})
    assert all(f"'{name}'" in str(caught.value) for name in ("host", "flag", "number"))


def test_the_schema() -> None:
    """The JSON schema has neither null nor empty defaults."""
    schema = Kinds.schema()["properties"]
    assert schema["number"] == {"type": "integer", "minimum": 0, "maximum": 1000, "description": "A number"}
    assert schema["file_path"] == {"type": "string", "description": "A file"}
    assert schema["timezone"] == {"type": "string", "description": "A zone", "default": "UTC"}
    assert (schema["flag"]["default"], "default" in schema["text"], "default" in schema["labels"]) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("empty", ["", None])
def test_empty_is_not_set(empty: str | None) -> None:
    """An empty value counts as missing: the default applies, or the error says that the setting is empty."""
    assert Kinds.parse(dict.fromkeys(Kinds.__struct_fields__, empty)) == Kinds()
    with pytest.raises(SettingsError, match=r"'host' is missing: it is empty.*PROGRAM_HOST"):
        Kinds.parse({"api_key": SECRET, "host": empty})
    assert Kinds.parse({"api_key": SECRET}, complete=False) == Kinds(api_key=SECRET)


@pytest.mark.parametrize(
    ("name", "nearest"), [("nubmer", "number"), ("lables", "labels"), ("x", None), (SECRET * 99, None)]
)
def test_an_unknown_name_in_a_file(name: str, nearest: str | None) -> None:
    """The error suggests the most similar known name."""
    with pytest.raises(SettingsError) as caught:
        Kinds.parse({name: SECRET})
    message = str(caught.value)
    assert name[:60] in message
    assert (f"'{nearest}'" in message) if nearest else len(message) < 120
    assert not message.endswith(SECRET)


@pytest.mark.parametrize(
    "variable",
    [
        "NUMBR",
        "NUBMER",
        "NUMBERSS",
        "FALG",
        "API_KYE",
        "APIKEY",
        "FILE_PAT",
        "HSOT",
        "H\udcffST",
        "HÖST",
        "Number",
        "BATCH_CONFIG",
        "USER_AGENT",
    ],
)
def test_a_misspelt_variable(variable: str) -> None:
    """Variables that differ from a known one by a letter or two, or that only the SDK would read, are refused."""
    with pytest.raises(SettingsError, match=f"PROGRAM_{variable}"):
        Kinds.read_environment({f"PROGRAM_{variable}": SECRET})


@pytest.mark.parametrize(
    "variable",
    [
        "PROGRAM__SELECT",
        "PROGRAM__LOAD_SCHEMA",
        "PROGRAM__NUMBR",
        "PROGRAM_LABELS_1",
        "PROGRAM_LABELS_USERS__FILTER__",
        "PROGRAM_B_API_KEY",
        "PROGRAM_LOGLEVEL",
        "PROGRAM_PORT",
        "PROGRAM_PORT_80_TCP",
        "PROGRAM_PORT_80_TCP_ADDR",
        "PROGRAM_SERVICE_HOST",
        "PROGRAM_SERVICE_PORT_HTTP",
        "PROGRAM_HOST_PORT",
        "PROGRAM_SOMETHING_ELSE",
        "PROGRAM_SOMETHING_\udcff",
        "PROGRAM_",
        "OTHER_NUMBR",
    ],
)
def test_variables_of_others(variable: str) -> None:
    """Variables that Meltano, the SDK and Kubernetes set are ignored."""
    assert Kinds.read_environment({variable: "tcp://10.0.0.1:80", "PROGRAM_NUMBER": "4"}) == {"number": "4"}


def test_paths_expand_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` is expanded in a path, but not in a text."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Kinds.parse({"file_path": "~/x", "text": "~/x"})
    assert settings == Kinds(file_path=tmp_path / "x", text="~/x")
    with pytest.raises(SettingsError, match="'file_path'"):
        Kinds.parse({"file_path": "~nobody-of-that-name/x"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file(tmp_path: Path, encoding: str) -> None:
    """A file is UTF-8, with or without a byte order mark."""
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"text": "é"}, ensure_ascii=False), encoding=encoding)
    assert read_file(path) == {"text": "é"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        f'{{"text": "é{SECRET}"}}'.encode("latin-1"),
        f'{{"text": "{SECRET}"}}'.encode("utf-16"),
        f'{{"text": "{SECRET}"}}'.encode("utf-16-le"),
        b'{"text": NaN}',
        f'{{"text": "", "text": "{SECRET}"}}'.encode(),
        f'{{"labels": {{"1": "CDI", "1": "{SECRET}"}}}}'.encode(),
        b'{"text": ' + DEEP.encode(),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    """A file in another encoding, without a JSON object, or with a name twice is refused. Nothing of it is quoted."""
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_file(path)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, a folder and an impossible path raise SettingsError."""
    for path in (tmp_path / "absent", tmp_path, "\0", "~nobody-of-that-name/x"):
        with pytest.raises(SettingsError):
            read_file(path)
