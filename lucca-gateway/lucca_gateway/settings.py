"""The settings of the gateway: environment variables that begin with `LUCCA_GATEWAY_`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.settings import SettingsSchema
from tap_lucca.settings import SCHEMA as TAP_SCHEMA
from target_elimity.settings import SCHEMA as TARGET_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "LUCCA_GATEWAY_"
# Settings of tap and target that the gateway has too, with the same defaults and limits.
TARGET_SETTINGS = ("timezone", "contract_type_names")
TAP_SETTINGS = ("page_size", "requests_per_minute", "request_timeout", "max_retry_seconds")
_TOKEN_URLS = ["jwt_validation_base_url", "jwt_validation_gateway_url"]

SCHEMA = SettingsSchema(
    {
        "properties": {
            "jwt_validation_base_url": {
                "type": "string",
                "description": "URL of the Elimity Insights server, as it is in the claim `base_url`",
            },
            "jwt_validation_gateway_url": {
                "type": "string",
                "description": "URL of this gateway, as it is in the claim `gateway_url`",
            },
            "jwt_validation_audiences": {
                "type": "string",
                "default": "gateway",
                "description": "Accepted audiences, comma separated; goes with both URLs",
            },
            "jwt_validation_issuer": {
                "type": "string",
                "default": "https://auth.elimity.com/",
                "description": "Issuer; its keys are at `.well-known/jwks.json` below it; goes with both URLs",
            },
            "jwt_validation_optional": {
                "type": "boolean",
                "default": False,
                "description": "Let requests without a token through; a wrong token never is",
            },
            "allowed_hosts": {
                "type": "string",
                "description": "Hosts beside Lucca's own: `host` (on any port) or `host:port`, comma separated",
            },
            "max_imports": {
                "type": "integer",
                "minimum": 1,
                "default": 8,
                "description": "Imports at once, 1 or more; further ones wait",
            },
            **{name: TAP_SCHEMA["properties"][name] for name in TAP_SETTINGS},
            **{name: TARGET_SCHEMA["properties"][name] for name in TARGET_SETTINGS},
            "shutdown_seconds": {
                "type": "integer",
                "minimum": 0,
                "default": 8,
                "description": "Seconds that running imports have left after SIGTERM",
            },
            "log_level": {
                "type": "string",
                "pattern": r"^(?i:debug|info|warning|error)$(?!\n)",
                "default": "info",
                "description": "`debug`, `info`, `warning` or `error`",
            },
        },
        # Whoever sets one of the two URLs wants tokens validated: to start without would be a surprise.
        "dependentRequired": dict.fromkeys(
            (*_TOKEN_URLS, "jwt_validation_audiences", "jwt_validation_issuer"), _TOKEN_URLS
        ),
    },
    PREFIX,
    has_files=False,
)


@dataclass(frozen=True, slots=True)
class ListedHost:
    """A host beside Lucca's own that the operator allows; without a port, on any port."""

    name: str
    port: int | None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say to be accepted."""

    audiences: tuple[str, ...]
    base_url: str
    gateway_url: str
    issuer: str
    optional: bool
    """Whether a request without a token is let through; a wrong token never is."""

    @property
    def jwks_url(self) -> str:
        """Where the issuer publishes its keys."""
        return f"{self.issuer.rstrip('/')}/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked."""

    allowed_hosts: tuple[ListedHost, ...]
    tap: Mapping[str, int]
    timezone: ZoneInfo
    contract_type_names: Mapping[str, str]
    max_imports: int
    shutdown_seconds: int
    ca_bundle: str | None
    log_level: str
    tokens: TokenRules | None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings; a variable that is empty or blank counts as not set.

    Raises:
        SettingsError: One of them is unknown, missing, out of range or malformed.
    """
    texts = SCHEMA.read_environment({name: value for name, value in environment.items() if value.strip()})
    settings = SCHEMA.parse(texts)
    return Settings(
        allowed_hosts=tuple(_listed_host(entry) for entry in _entries(settings.get("allowed_hosts", ""))),
        tap={name: settings[name] for name in TAP_SETTINGS},
        timezone=_zone(settings["timezone"]),
        contract_type_names=settings.get("contract_type_names", {}),
        max_imports=settings["max_imports"],
        shutdown_seconds=settings["shutdown_seconds"],
        # Under the name that requests, and with it the tap, reads too.
        ca_bundle=_file(environment, "REQUESTS_CA_BUNDLE"),
        log_level=settings["log_level"].upper(),
        tokens=_token_rules(settings),
    )


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return hostname == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False


def _token_rules(settings: Mapping[str, Any]) -> TokenRules | None:
    for name in _TOKEN_URLS:
        if name in settings:
            _url_parts(name, settings[name])
    parts = _url_parts("jwt_validation_issuer", settings["jwt_validation_issuer"])
    if parts.scheme != "https" and not is_loopback(parts.hostname):  # where the keys come from
        raise _error("jwt_validation_issuer", "must be https")
    audiences = tuple(_entries(settings["jwt_validation_audiences"]))
    if not audiences:
        raise _error("jwt_validation_audiences", "names no audience")
    if "jwt_validation_base_url" not in settings:
        return None
    return TokenRules(
        audiences,
        settings["jwt_validation_base_url"],
        settings["jwt_validation_gateway_url"],
        settings["jwt_validation_issuer"],
        settings["jwt_validation_optional"],
    )


def _url_parts(name: str, url: str) -> Any:  # noqa: ANN401 - a private type of urllib
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _error(name, "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _error(name, "is not a URL that begins with https://")
    return parts


def _listed_host(entry: str) -> ListedHost:
    try:
        parts = urlsplit(f"//{entry}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port, parts = None, None, urlsplit("")
    if not name or parts.netloc != entry or parts.username is not None or "*" in entry:
        raise _error("allowed_hosts", "is not a comma separated list of `host` or `host:port`")
    return ListedHost(name, port)


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _file(environment: Mapping[str, str], name: str) -> str | None:
    path = environment.get(name) or None
    if path is not None and not Path(path).exists():
        raise SettingsError(f"The setting {name} names a file that does not exist.")
    return path


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise _error("timezone", "is not an IANA time zone such as Europe/Paris") from None


def _error(name: str, flaw: str) -> SettingsError:
    return SettingsError(SCHEMA.sentence(name, flaw))
