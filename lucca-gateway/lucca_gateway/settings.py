"""The settings of the gateway: environment variables that begin with `LUCCA_GATEWAY_`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from tap_lucca.tap import TapLucca

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "LUCCA_GATEWAY_"
# Settings of the tap that the gateway hands on, with the tap's own defaults and limits.
TAP_SETTINGS = ("page_size", "requests_per_minute", "request_timeout", "max_retry_seconds")
MOST_DIGITS = 9
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting is missing, out of range or malformed; the message names it."""


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
    """Return the settings; a variable that is empty counts as not set.

    Raises:
        SettingsError: One of them is missing, out of range or malformed.
    """
    values = {
        name.removeprefix(PREFIX).lower(): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    tap_schema: dict[str, dict[str, Any]] = TapLucca.config_jsonschema["properties"]
    return Settings(
        allowed_hosts=tuple(_listed_host(entry) for entry in _entries(values.get("allowed_hosts", ""))),
        tap={
            name: _number(values, name, schema["default"], schema["minimum"], schema.get("maximum"))
            for name, schema in tap_schema.items()
            if name in TAP_SETTINGS
        },
        timezone=_zone(values.get("timezone", "UTC")),
        contract_type_names=_labels(values.get("contract_type_names", "{}")),
        max_imports=_number(values, "max_imports", 8, 1),
        shutdown_seconds=_number(values, "shutdown_seconds", 8, 0),
        # Under the name that requests, and with it the tap, reads too.
        ca_bundle=_file(environment, "REQUESTS_CA_BUNDLE"),
        log_level=_choice(values, "log_level", "info", LOG_LEVELS).upper(),
        tokens=_token_rules(values),
    )


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return hostname == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False


def _token_rules(values: Mapping[str, str]) -> TokenRules | None:
    base_url, gateway_url = values.get("jwt_validation_base_url"), values.get("jwt_validation_gateway_url")
    optional = _choice(values, "jwt_validation_optional", "false", ("true", "false")) == "true"
    issuer = values.get("jwt_validation_issuer", "https://auth.elimity.com/")
    parts = _url_parts("jwt_validation_issuer", issuer)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise _error("jwt_validation_issuer", "must be https")
    if base_url is None and gateway_url is None:
        given = [name for name in values if name.startswith("jwt_validation_") and name != "jwt_validation_optional"]
        if given:
            raise _error("jwt_validation_base_url", f"is missing: {PREFIX}{given[0].upper()} does nothing without it")
        return None
    for name, url in (("jwt_validation_base_url", base_url), ("jwt_validation_gateway_url", gateway_url)):
        if url is None:
            raise _error(name, "is missing: tokens are validated with both URLs, or not at all")
        _url_parts(name, url)
    audiences = tuple(_entries(values.get("jwt_validation_audiences", "gateway")))
    if not audiences:
        raise _error("jwt_validation_audiences", "names no audience")
    return TokenRules(audiences, base_url or "", gateway_url or "", issuer, optional)


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


def _number(values: Mapping[str, str], name: str, default: int, least: int, most: int | None = None) -> int:
    text = values.get(name, str(default))
    if (
        not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS)
        or int(text) < least
        or (most is not None and int(text) > most)
    ):
        raise _error(name, f"is not a whole number from {least}" + (f" to {most}" if most is not None else ""))
    return int(text)


def _file(environment: Mapping[str, str], name: str) -> str | None:
    path = environment.get(name) or None
    if path is not None and not Path(path).exists():
        raise SettingsError(f"The setting {name} names a file that does not exist.")
    return path


def _choice(values: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    choice = values.get(name, default).lower()
    if choice not in choices:
        raise _error(name, f"is none of {', '.join(choices)}")
    return choice


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise _error("timezone", "is not an IANA time zone such as Europe/Paris") from None


def _labels(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        raise _error("contract_type_names", 'is not a JSON object such as {"1": "CDI"}') from None


def _error(name: str, flaw: str) -> SettingsError:
    return SettingsError(f"The setting {PREFIX}{name.upper()} {flaw}.")
