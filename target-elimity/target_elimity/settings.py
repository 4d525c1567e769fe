"""What is wrong with the settings, in sentences that name the setting and never its value."""

from __future__ import annotations

from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jsonschema import Draft202012Validator
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CREDENTIALS = ("url", "source_id", "source_token")
FILES = ("client_certificate", "client_private_key", "ca_bundle", "previous_snapshot")


def settings_errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every setting that is missing, out of range or malformed."""
    flaws = {str(error.path[0]) for error in Draft202012Validator(schema).iter_errors(config) if error.path}
    if flaws:
        return [
            f"The setting '{name}' is out of range or malformed. It is: {schema['properties'][name]['description']}."
            for name in sorted(flaws)
        ]
    return list(_errors(config))


def _errors(config: Mapping[str, Any]) -> Iterator[str]:
    if "output_path" not in config:
        for name in CREDENTIALS:
            if name not in config:
                yield f"The setting '{name}' is missing; only a dry run ('output_path') does without it."
    if "url" in config and (flaw := _flaw_of_url(config["url"])):
        yield f"The setting 'url' is not the URL of an Elimity Insights server: {flaw}."
    if not _is_time_zone(config.get("timezone", "UTC")):
        yield "The setting 'timezone' is not an IANA time zone such as Europe/Paris."
    for name in FILES:
        if name in config and not Path(config[name]).is_file():
            yield f"The setting '{name}' names a file that does not exist."
    if "client_private_key" in config and "client_certificate" not in config:
        yield "The setting 'client_certificate' is missing: 'client_private_key' belongs to one."


def _flaw_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "it is malformed"
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        return "it must begin with https:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "it must not contain credentials; the token belongs into 'source_token'"
    if parts.query or parts.fragment:
        return "it must not contain a query or fragment"
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return "it must be https"
    return None


def _is_loopback(hostname: str) -> bool:
    try:
        return hostname == "localhost" or ip_address(hostname).is_loopback
    except ValueError:
        return False


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


@contextmanager
def readable_environment(parsed: bool) -> Iterator[None]:
    """Tell of a variable that is not what its setting must be; the SDK logs which one it parses before it fails."""
    try:
        yield
    except ValueError as error:
        if not parsed:
            raise
        message = f"The setting parsed last from the environment is malformed: {error}."
        raise ConfigValidationError(message, errors=[message]) from None
