"""The settings of the target."""

import re
from collections.abc import Collection, Iterator
from typing import Annotated, ClassVar, TypeAlias
from zoneinfo import ZoneInfo

from lucca_elimity_kit.settings import SECRET, FilePath, Printable, ProgramSettings, TimeZone
from lucca_elimity_kit.urls import parse_url
from msgspec import Meta, field
from typing_extensions import override

CREDENTIALS = ("url", "source_id", "source_token")
# The id of a source that can be read back: the query takes a number.
SOURCE_NUMBER = re.compile(r"[0-9]{1,18}")

_Percent: TypeAlias = Annotated[int, Meta(ge=0, le=100)]

ApiTokenSecret: TypeAlias = Annotated[
    Printable,
    Meta(
        title="API token secret",
        description="Secret of the API token; requires `api_token_id`",
        extra_json_schema=SECRET,
    ),
]


class ImportSettings(ProgramSettings, frozen=True, kw_only=True):
    """The settings of an import, through the target or the gateway."""

    timezone: Annotated[
        TimeZone,
        Meta(title="Time zone", description="IANA time zone of today's date, and of timestamps without a zone"),
    ] = ZoneInfo("UTC")
    max_removed_percent: Annotated[
        _Percent,
        Meta(
            title="Maximum removed",
            description=(
                "Refuse an import that removes more than this percentage of the employees, 0 to 100; 100 disables the "
                "check"
            ),
        ),
    ] = 20
    max_deactivated_percent: Annotated[
        _Percent,
        Meta(
            title="Maximum deactivated",
            description=(
                "Refuse an import that makes more than this percentage of the active employees inactive, 0 to 100; 100 "
                "disables the check"
            ),
        ),
    ] = 20
    max_emptied_percent: Annotated[
        _Percent,
        Meta(
            title="Maximum emptied",
            description=(
                "Refuse an import in which more than this percentage of the employees with an attribute lose it, 0 to "
                "100; 100 disables the check"
            ),
        ),
    ] = 20
    contract_type_names: Annotated[
        dict[Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]*)$(?!\n)")], str],
        Meta(
            title="Contract type names",
            description='Labels for contract types that Lucca sends as a bare id, such as `{"1": "CDI"}`',
            extra={"must_be": "a JSON object from ids to texts, each id once"},
        ),
    ] = field(default_factory=dict)


class TargetSettings(ImportSettings, frozen=True, kw_only=True):
    """The settings of the target."""

    prefix: ClassVar[str] = "TARGET_ELIMITY_"

    url: Annotated[
        str,
        Meta(title="URL", description="URL of the Elimity Insights server; required unless `output_path` is set"),
    ] = ""
    source_id: Annotated[
        str,
        Meta(
            title="Source id",
            description=(
                "Id of the custom source, a number if an API token is set; required unless `output_path` is set"
            ),
            pattern=r"^[0-9A-Za-z_][0-9A-Za-z._-]*$(?!\n)",
            extra={"must_be": "letters, digits, '.', '_' and '-'"},
        ),
    ] = ""
    source_token: Annotated[
        Printable,
        Meta(
            title="Source token",
            description="Token of the custom source; required unless `output_path` is set",
            extra_json_schema=SECRET,
        ),
    ] = ""
    output_path: Annotated[
        FilePath,
        Meta(
            title="Output path",
            description="Dry run: write the snapshot and a report into this folder, and upload nothing",
        ),
    ] = None
    accept_filtered: Annotated[
        bool,
        Meta(
            title="Accept filtered streams",
            description="Whether to accept streams that a stream map or mapper filtered; people left out are removed",
        ),
    ] = False
    api_token_id: Annotated[
        Printable,
        Meta(
            title="API token id",
            description=(
                "Id of an API token of Elimity Insights, to compare an import with what the source holds; requires "
                "`api_token_secret`, `url` and `source_id`, in a dry run too"
            ),
        ),
    ] = ""
    api_token_secret: ApiTokenSecret = ""
    client_certificate: Annotated[
        FilePath,
        Meta(
            title="Client certificate",
            description="File with the client certificate, for mutual TLS; required with `client_private_key`",
        ),
    ] = None
    client_private_key: Annotated[
        FilePath,
        Meta(
            title="Client private key",
            description=(
                "File with the private key of the client certificate, unless the certificate file contains it"
            ),
        ),
    ] = None
    ca_bundle: Annotated[
        FilePath, Meta(title="CA bundle", description="File with the certificates of private authorities")
    ] = None
    request_timeout: Annotated[
        int,
        Meta(
            title="Request timeout",
            description=(
                "Seconds to wait for an answer, 1 to 3600; ten times as long when reading what the source holds"
            ),
            ge=1,
            le=3600,
        ),
    ] = 60

    @classmethod
    @override
    def required(cls, given: Collection[str]) -> Iterator[str]:
        if "output_path" not in given:
            yield from CREDENTIALS
        if "api_token_id" in given:
            yield from ("api_token_secret", "url", "source_id")
        if "api_token_secret" in given:
            yield "api_token_id"
        if "client_private_key" in given:
            yield "client_certificate"

    @override
    def flaws(self) -> Iterator[tuple[str, str]]:
        if self.url:
            try:
                parse_url(self.url, path_allowed=True)
            except ValueError as error:
                yield "url", f"is not the URL of an Elimity Insights server: {error}"
        if self.api_token_id and self.source_id and not SOURCE_NUMBER.fullmatch(self.source_id):
            yield "source_id", "must be a number, because an API token is set"
