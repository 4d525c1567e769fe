"""The settings, the command line and the log lines at the start of the gateway."""

from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from lucca_elimity_kit.errors import SettingsError
from lucca_gateway.settings import read_settings

from sandbox.pulling import GatewayProcess, running_gateway
from tests.harness import run
from tests.lucca_gateway.support import OPEN

URLS = {
    "LUCCA_GATEWAY_JWT_VALIDATION_BASE_URL": "https://acme.elimity.com",
    "LUCCA_GATEWAY_JWT_VALIDATION_GATEWAY_URL": "https://gateway.acme.example",
}


def test_all_other_settings_have_defaults() -> None:
    """All settings but those that decide about tokens have defaults, which are those of the tap and of the vendor."""
    settings = read_settings(OPEN)
    assert settings.for_tap == {
        "page_size": 1000,
        "requests_per_minute": 40,
        "request_timeout": 30,
        "max_retry_seconds": 300,
    }
    assert (settings.hosts, settings.timezone, settings.validates_tokens) == (set(), ZoneInfo("UTC"), False)
    settings = read_settings(URLS)
    assert (settings.validates_tokens, settings.jwt_validation_optional) == (True, False)
    assert (settings.audiences, settings.jwt_validation_issuer) == (["gateway"], "https://auth.elimity.com/")


def test_lists_and_blanks() -> None:
    """Lists are split and trimmed. Empty variables, which container platforms may set, count as not set."""
    settings = read_settings(
        {
            **OPEN,
            "LUCCA_GATEWAY_ALLOWED_HOSTS": " 127.0.0.1:8000, lucca.internal ,[::1]:80,",
            "LUCCA_GATEWAY_TIMEZONE": "",
            "LUCCA_GATEWAY_JWT_VALIDATION_BASE_URL": " ",
        }
    )
    assert settings.hosts == {("127.0.0.1", 8000), ("lucca.internal", None), ("::1", 80)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "https://lucca.internal"),
        ("ALLOWED_HOSTS", "*.internal"),
        ("ALLOWED_HOSTS", "me@lucca.internal"),
        ("ALLOWED_HOSTS", "lucca.internal:http"),
        ("ALLOWED_HOSTS", "lucca.internal/path"),
        ("ALLOWED_HOSTS", "2130706433"),
        ("CONTRACT_TYPE_NAMES", "[1]"),
        ("JWT_VALIDATION_ISSUER", "http://auth.elimity.com/"),
        ("JWT_VALIDATION_ISSUER", "file:///etc/passwd"),
        ("JWT_VALIDATION_AUDIENCES", ","),
        ("JWT_VALIDATION_BASE_URL", "acme.elimity.com"),
        ("JWT_VALIDATION_GATEWAY_URL", "ftp://gateway.acme.example"),
        ("JWT_VALIDATION_OPTIONAL", "perhaps"),
        ("JWT_VALIDATION_OPTIONAL", "oui"),
        ("CONTRACT_TYPE_NAMES", "{'1': 'CDI'}"),
        ("MAX_IMPORTS", "1_0"),
        ("LOG_LEVEL", "loud"),
        ("MAX_IMPORTS", "0"),
        ("PAGE_SIZE", "1001"),
        ("REQUESTS_PER_MINUTE", "-1"),
        ("TIMEZONE", "Europe/Atlantis"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str) -> None:
    """The error names the variable, but not its value."""
    with pytest.raises(SettingsError, match=f"LUCCA_GATEWAY_{name} ") as caught:
        read_settings({**URLS, f"LUCCA_GATEWAY_{name}": value})
    assert value not in str(caught.value) or value == ","


def test_only_what_was_meant_for_the_gateway_is_read() -> None:
    """Variables that Kubernetes sets for a service of that name are ignored; a misspelt name is refused."""
    kubernetes = {**OPEN, "LUCCA_GATEWAY_PORT": "tcp://10.0.0.1:80", "LUCCA_GATEWAY_SERVICE_HOST": "10.0.0.1"}
    assert read_settings(kubernetes) == read_settings(OPEN)
    for variable in ("LUCCA_GATEWAY_ALLOWED_HOST", "LUCCA_GATEWAY_LOGLEVEL", "LUCCA_GATEWAY_JWT_VALIDATION_AUDIENCE"):
        with pytest.raises(SettingsError, match=variable):
            read_settings({variable: "x"})


def test_urls_that_are_only_compared_may_be_http() -> None:
    """The gateway's own URL may be http, because a gateway in the same network may have no certificate."""
    url = "http://gateway.internal:8080/"
    settings = read_settings({**URLS, "LUCCA_GATEWAY_JWT_VALIDATION_GATEWAY_URL": url})
    assert settings.jwt_validation_gateway_url == url


def test_a_file_of_authorities_is_read_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable CA bundle is refused at the start, by the name of its variable."""
    path = tmp_path / "ca.pem"
    path.write_text("canary")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(SettingsError, match="REQUESTS_CA_BUNDLE ") as caught:
        read_settings(OPEN)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("alone", [*URLS, "LUCCA_GATEWAY_JWT_VALIDATION_AUDIENCES"])
def test_half_a_validation_is_none(alone: str) -> None:
    """If only one of the two URLs is set, the gateway doesn't start, rather than run without validation."""
    with pytest.raises(SettingsError, match="JWT_VALIDATION_"):
        read_settings({alone: "https://acme.elimity.com"})


@pytest.mark.parametrize("value", ["", "false"])
def test_without_tokens_the_gateway_does_not_start(value: str) -> None:
    """The message names the settings for tokens, and the one that serves without."""
    ended = run("lucca-gateway", env={"LUCCA_GATEWAY_SERVE_WITHOUT_TOKENS": value})
    assert ended.exit_code == 2
    for variable in (*URLS, "LUCCA_GATEWAY_SERVE_WITHOUT_TOKENS=true"):
        assert variable in ended.log


@pytest.mark.parametrize("also", [URLS, {"LUCCA_GATEWAY_JWT_VALIDATION_OPTIONAL": "true"}])
def test_tokens_are_validated_or_not(also: dict[str, str]) -> None:
    """Whoever asks for both, to validate tokens and to serve without them, gets neither."""
    with pytest.raises(SettingsError, match=r"JWT_VALIDATION_|SERVE_WITHOUT_TOKENS"):
        read_settings({**OPEN, **also})


def test_the_command_tells_what_is_wrong_and_ends() -> None:
    """A wrong setting or option ends the command with exit code 2 and a message."""
    ended = run("lucca-gateway", env={"LUCCA_GATEWAY_TIMEZONE": "Europe/Atlantis"})
    assert ended.exit_code == 2
    assert ended.log.startswith("lucca-gateway: The setting LUCCA_GATEWAY_TIMEZONE ")
    assert run("lucca-gateway", "--port", "many").exit_code == 2
    assert f"lucca-gateway {version('lucca-gateway')}" in run("lucca-gateway", "--version").stdout


def test_the_port_of_the_environment_is_the_default(gateway: GatewayProcess) -> None:
    """If the port in PORT is taken, the gateway exits with an error that names the port."""
    port = gateway.url.rpartition(":")[2]
    ended = run("lucca-gateway", env={**OPEN, "PORT": port})
    assert ended.exit_code == 3
    assert port in ended.log


def test_what_an_operator_must_not_overlook_is_said_at_the_start() -> None:
    """The gateway warns of tokens that aren't validated, of allowed hosts, and of a proxy that it doesn't use."""
    environment = {
        **OPEN,
        "LUCCA_GATEWAY_ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_PROXY": "http://user:secret@proxy.internal:3128",
    }
    with running_gateway(environment) as gateway:
        pass
    warnings = [line["message"] for line in gateway.log if line["level"] == "warning"]
    assert [warning.split()[0] for warning in warnings] == ["NO", "Hosts", "HTTPS_PROXY"]
    assert "secret" not in gateway.log_text


def test_tokens_that_are_validated_are_nothing_to_warn_of() -> None:
    """If tokens are validated, the gateway logs no warning, unless they are optional."""
    with running_gateway(URLS) as gateway:
        pass
    assert all(line["level"] == "info" for line in gateway.log)
    with running_gateway({**URLS, "LUCCA_GATEWAY_JWT_VALIDATION_OPTIONAL": "TRUE"}) as gateway:
        pass
    assert "Tokens are optional" in gateway.log_text
