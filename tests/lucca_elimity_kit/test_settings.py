"""The parser of settings: one rule for files and the environment."""

import json
from pathlib import Path
from typing import Any

import pytest
from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.settings import SettingsSchema, read_file

SECRET = "Xq7-s3cret"
KINDS = SettingsSchema(
    {
        "properties": {
            "flag": {"type": ["boolean", "null"], "default": True, "description": "A choice"},
            "number": {"type": ["integer", "null"], "minimum": 0, "maximum": 1000, "description": "A number"},
            "text": {"type": ["string", "null"], "description": "A text"},
            "id": {
                "type": ["string", "integer", "null"],
                "pattern": r"^[0-9A-Za-z][0-9A-Za-z-]*$(?!\n)",
                "description": "An id",
            },
            "labels": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "string"},
                "description": "Labels",
            },
            "api_key": {"type": "string", "description": "A key"},
            "file_path": {"type": "string", "format": "path", "description": "A file"},
            "host": {"type": "string", "description": "A host"},
        },
        "dependentRequired": {"api_key": ["host"]},
    },
    "PROGRAM_",
)
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
            "null",
            "true\n",
        ),
        *(1, 0, 1.0, [], {}),
    ],
    "number": [
        *("4_2", "+4", "-4", "4.0", "1e3", "0x10", " 4", "4 ", "٤٢", "\uff14", '"4"', "1001", "9" * 5000),
        *(True, False, 3.0, 1001, -1, 10**30, [4], {}),
    ],
    "text": [7, True, [], {}, 1.5, f"{SECRET}\0"],
    "id": [4.0, True, "4_2", "../1", "a b", -1, "42\n"],
    "labels": [
        *("[1]", "{", "{1: 2}", "{'1': 'CDI'}", "CDI", '{"1": 2}', DEEP, "\udcff", '{"1": "\\ud83d"}'),
        *(5, [], {"1": 2}),
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        *(("flag", text, True) for text in (True, "true", "TRUE", "True", "1", "yes", "Yes", "on", "ON")),
        *(("flag", text, False) for text in (False, "false", "FALSE", "0", "no", "No", "off")),
        *(("number", number, int(number)) for number in (0, 1000, "0", "1000", "007")),
        *(("text", text, text) for text in ("true", "42", " ", "null", "é", '"quoted"')),
        ("id", 42, "42"),
        ("id", "00042", "00042"),
        ("id", UUID, UUID),
        ("labels", {"1": "CDI"}, {"1": "CDI"}),
        ("labels", '{"1": "CDI"}', {"1": "CDI"}),
        ("labels", "{}", {}),
    ],
)
def test_what_is_taken(name: str, value: Any, parsed: Any) -> None:
    """A JSON value and its text give the same setting."""
    settings = KINDS.parse({name: value})
    assert settings[name] == parsed
    assert type(settings[name]) is type(parsed)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_is_refused(name: str, value: Any) -> None:
    """Wrong values aren't coerced. The message names the setting and its variable, and quotes no value."""
    with pytest.raises(SettingsError) as caught:
        KINDS.parse({name: value})
    message = str(caught.value)
    assert f"'{name}'" in message
    assert f"PROGRAM_{name.upper()}" in message
    assert SECRET not in message
    assert len(message) < 200


@pytest.mark.parametrize("empty", ["", None])
def test_empty_is_not_set(empty: str | None) -> None:
    """An empty value counts as missing: the default applies, or the error says that the setting is empty."""
    assert KINDS.parse(dict.fromkeys(KINDS.schema["properties"], empty)) == {"flag": True}
    with pytest.raises(SettingsError, match=r"'host' is missing: it is empty.*PROGRAM_HOST"):
        KINDS.parse({"api_key": SECRET, "host": empty})
    assert KINDS.parse({"api_key": SECRET}, complete=False) == {"flag": True, "api_key": SECRET}


@pytest.mark.parametrize(
    ("name", "nearest"), [("nubmer", "number"), ("lables", "labels"), ("x", None), (SECRET * 99, None)]
)
def test_an_unknown_name_in_a_file(name: str, nearest: str | None) -> None:
    """The error suggests the most similar known name."""
    with pytest.raises(SettingsError) as caught:
        KINDS.parse({name: SECRET})
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
        KINDS.read_environment({f"PROGRAM_{variable}": SECRET})


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
    assert KINDS.read_environment({variable: "tcp://10.0.0.1:80", "PROGRAM_NUMBER": "4"}) == {"number": "4"}


def test_paths_expand_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` is expanded in a path, but not in a text."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = KINDS.parse({"file_path": "~/x", "text": "~/x"})
    assert settings == {"flag": True, "file_path": str(tmp_path / "x"), "text": "~/x"}
    with pytest.raises(SettingsError, match="'file_path'"):
        KINDS.parse({"file_path": "~nobody-of-that-name/x"})


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
        b'{"text": ' + DEEP.encode(),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    """A file in another encoding, or without a JSON object, is refused. The message quotes nothing of it."""
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
