"""The settings of the target."""

from collections.abc import Iterator, Mapping
from typing import Any

from lucca_elimity_kit.settings import PRINTABLE
from lucca_elimity_kit.urls import parse_url
from singer_sdk import typing as th

CREDENTIALS = ("url", "source_id", "source_token")


class _PathType(th.StringType):
    string_format = "path"


class _TimeZoneType(th.StringType):
    string_format = "time-zone"


def _limit(name: str, title: str, refused: str) -> th.Property[int]:
    """Return a limit of the safeguard, in percent."""
    description = f"Refuse an import {refused}, 0 to 100; 100 disables the check"
    return th.Property(name, th.IntegerType(minimum=0, maximum=100), default=20, title=title, description=description)


SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "url",
        th.StringType(min_length=1),
        title="URL",
        description="URL of the Elimity Insights server; required unless `output_path` is set",
    ),
    th.Property(
        "source_id",
        th.CustomType({"type": ["string", "integer"], "pattern": r"^[0-9A-Za-z_][0-9A-Za-z._-]*$(?!\n)"}),
        title="Source id",
        description="Id of the custom source, a number if an API token is set; required unless `output_path` is set",
    ),
    th.Property(
        "source_token",
        th.StringType(min_length=1, pattern=PRINTABLE),
        secret=True,
        title="Source token",
        description="Token of the custom source; required unless `output_path` is set",
    ),
    th.Property(
        "output_path",
        _PathType(min_length=1),
        title="Output path",
        description="Dry run: write the snapshot and a report into this folder, and upload nothing",
    ),
    th.Property(
        "accept_filtered",
        th.BooleanType,
        default=False,
        title="Accept filtered streams",
        description="Whether to accept streams that a stream map or mapper filtered; people left out are removed",
    ),
    th.Property(
        "timezone",
        _TimeZoneType(min_length=1),
        default="UTC",
        title="Time zone",
        description="IANA time zone of today's date, and of timestamps without a zone",
    ),
    _limit("max_removed_percent", "Maximum removed", "that removes more than this percentage of the employees"),
    _limit(
        "max_deactivated_percent",
        "Maximum deactivated",
        "that makes more than this percentage of the active employees inactive",
    ),
    _limit(
        "max_emptied_percent",
        "Maximum emptied",
        "in which more than this percentage of the employees with an attribute lose it",
    ),
    th.Property(
        "contract_type_names",
        th.ObjectType(additional_properties=th.StringType),
        title="Contract type names",
        description='Labels for contract types that Lucca sends as a bare id, such as `{"1": "CDI"}`',
    ),
    th.Property(
        "api_token_id",
        th.StringType(min_length=1, pattern=PRINTABLE),
        title="API token id",
        description=(
            "Id of an API token of Elimity Insights, to compare an import with what the source holds; requires "
            "`api_token_secret`, `url` and `source_id`, in a dry run too"
        ),
    ),
    th.Property(
        "api_token_secret",
        th.StringType(min_length=1, pattern=PRINTABLE),
        secret=True,
        title="API token secret",
        description="Secret of the API token; requires `api_token_id`",
    ),
    th.Property(
        "client_certificate",
        _PathType(min_length=1),
        title="Client certificate",
        description="File with the client certificate, for mutual TLS",
    ),
    th.Property(
        "client_private_key",
        _PathType(min_length=1),
        title="Client private key",
        description="File with the private key of the client certificate, unless the certificate file contains it",
    ),
    th.Property(
        "ca_bundle",
        _PathType(min_length=1),
        title="CA bundle",
        description="File with the certificates of private authorities",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Request timeout",
        description="Seconds to wait for an answer, 1 to 3600; ten times as long when reading what the source holds",
    ),
    th.Property(
        "max_retry_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Maximum retry time",
        description="Seconds during which to retry a temporary failure (408, 429, 5xx, network)",
    ),
).to_dict()
# The Singer SDK has no helpers for these.
SCHEMA |= {
    "if": {"required": ["output_path"]},
    "else": {"required": list(CREDENTIALS)},
    "dependentRequired": {
        "api_token_id": ["api_token_secret", "url", "source_id"],
        "api_token_secret": ["api_token_id"],
        "client_private_key": ["client_certificate"],
    },
    "dependentSchemas": {"api_token_id": {"properties": {"source_id": {"pattern": "^[0-9]{1,18}$"}}}},
}


def flaws(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each flaw that the schema can't express."""
    if "url" in settings:
        try:
            parse_url(settings["url"], path_allowed=True)
        except ValueError as error:
            yield f"The setting 'url' is not the URL of an Elimity Insights server: {error}."
