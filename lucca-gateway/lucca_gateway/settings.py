"""The settings of the gateway: environment variables that begin with `LUCCA_GATEWAY_`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import SplitResult
from zoneinfo import ZoneInfo

from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.settings import SettingsSchema
from lucca_elimity_kit.tls import TlsFiles, load_tls
from lucca_elimity_kit.urls import parse_url
from tap_lucca.settings import SCHEMA as TAP_SCHEMA
from target_elimity.safeguard import Limits
from target_elimity.settings import SCHEMA as TARGET_SCHEMA

PREFIX = "LUCCA_GATEWAY_"
# Settings of the tap and the target that the gateway has too, with the same defaults and limits.
LIMITS = tuple(limit.name for limit in fields(Limits))
TARGET_SETTINGS = ("timezone", "contract_type_names", *LIMITS)
TAP_SETTINGS = ("page_size", "requests_per_minute", "request_timeout", "max_retry_seconds")
_TOKEN_URLS = ["jwt_validation_base_url", "jwt_validation_gateway_url"]

SCHEMA = SettingsSchema(
    {
        "properties": {
            "jwt_validation_base_url": {
                "type": "string",
                "description": "URL of the Elimity Insights server, as in the claim `base_url`",
            },
            "jwt_validation_gateway_url": {
                "type": "string",
                "description": "URL of this gateway, as in the claim `gateway_url`",
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
                "description": "Serve requests without a token; those with a wrong token are always refused",
            },
            "allowed_hosts": {
                "type": "string",
                "description": "Hosts other than Lucca's own: `host` (on any port) or `host:port`, comma separated",
            },
            "max_imports": {
                "type": "integer",
                "minimum": 1,
                "default": 8,
                "description": "Imports that run at once, 1 or more; further ones wait",
            },
            **{name: TAP_SCHEMA["properties"][name] for name in TAP_SETTINGS},
            **{name: TARGET_SCHEMA["properties"][name] for name in TARGET_SETTINGS},
            "shutdown_seconds": {
                "type": "integer",
                "minimum": 0,
                "default": 8,
                "description": "Seconds that running imports have to finish after SIGTERM",
            },
            "log_level": {
                "type": "string",
                "pattern": r"^(?i:debug|info|warning|error)$(?!\n)",
                "default": "info",
                "description": "`debug`, `info`, `warning` or `error`",
            },
        },
        # An operator who sets any of these expects that tokens are validated. That takes both URLs.
        "dependentRequired": dict.fromkeys(
            (*_TOKEN_URLS, "jwt_validation_audiences", "jwt_validation_issuer"), _TOKEN_URLS
        ),
    },
    PREFIX,
    has_files=False,
)


@dataclass(frozen=True, slots=True)
class ListedHost:
    """A host other than Lucca's own that the operator allows. If `port` is None, any port is allowed."""

    name: str
    port: int | None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules for the claims of a token."""

    audiences: tuple[str, ...]
    base_url: str
    gateway_url: str
    issuer: str
    optional: bool
    """Whether requests without a token are served. Those with a wrong token never are."""

    @property
    def jwks_url(self) -> str:
        """The URL at which the issuer publishes its keys."""
        return f"{self.issuer.rstrip('/')}/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings."""

    allowed_hosts: tuple[ListedHost, ...]
    tap: Mapping[str, int]
    timezone: ZoneInfo
    contract_type_names: Mapping[str, str]
    limits: Limits
    max_imports: int
    shutdown_seconds: int
    tls: TlsFiles
    log_level: str
    tokens: TokenRules | None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. A variable that is empty or blank counts as not set.

    Raises:
        SettingsError: One of them is unknown, missing, out of range or malformed.
    """
    texts = SCHEMA.read_environment({name: value for name, value in environment.items() if value.strip()})
    settings = SCHEMA.parse(texts)
    return Settings(
        allowed_hosts=tuple(_listed_host(entry) for entry in _entries(settings.get("allowed_hosts", ""))),
        tap={name: settings[name] for name in TAP_SETTINGS},
        timezone=ZoneInfo(settings["timezone"]),
        contract_type_names=settings.get("contract_type_names", {}),
        limits=Limits(**{name: settings[name] for name in LIMITS}),
        max_imports=settings["max_imports"],
        shutdown_seconds=settings["shutdown_seconds"],
        tls=load_tls(environment=environment),
        log_level=settings["log_level"].upper(),
        tokens=_token_rules(settings),
    )


def _token_rules(settings: Mapping[str, Any]) -> TokenRules | None:
    # The gateway calls the issuer. It compares the other two URLs with claims, so they may use http here.
    # source.py checks the server's URL again before it calls it.
    _url("jwt_validation_issuer", settings["jwt_validation_issuer"], path_allowed=True)
    for name in _TOKEN_URLS:
        if name in settings:
            _url(name, settings[name].replace("http://", "https://", 1), path_allowed=True)
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


def _listed_host(entry: str) -> ListedHost:
    parts = _url("allowed_hosts", f"https://{entry}", path_allowed=False, what="a list of `host` or `host:port`")
    return ListedHost(parts.hostname or "", parts.port)


def _url(name: str, url: str, *, path_allowed: bool, what: str = "a URL") -> SplitResult:
    try:
        return parse_url(url, path_allowed=path_allowed)
    except ValueError as flaw:
        raise _error(name, f"is not {what}: {flaw}") from None


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _error(name: str, flaw: str) -> SettingsError:
    return SettingsError(SCHEMA.sentence(name, flaw))
