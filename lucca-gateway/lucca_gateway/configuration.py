"""The configuration values that an administrator enters in Elimity Insights, and that come with each import."""

import logging
from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.http import Http, new_session
from lucca_elimity_kit.retries import Retries
from lucca_elimity_kit.settings import Printable
from lucca_elimity_kit.settings import Settings as KitSettings
from lucca_elimity_kit.urls import parse_url
from msgspec import Meta
from tap_lucca.settings import instance_url
from target_elimity.settings import SOURCE_NUMBER, ApiTokenSecret
from target_elimity.source import Source
from typing_extensions import override

from lucca_gateway.settings import PREFIX, Settings
from lucca_gateway.stopping import Stop

# Elimity Insights may not answer while it waits for its gateway, so it gets less time than Lucca. Connecting, the wait
# for an answer and twice the time of its body (it may stop just before its end) stay together below the six minutes
# for which the platform must keep idle connections (see README.md).
ANSWER_SECONDS = 30.0
READING_SECONDS = 100.0
MOST_RETRY_SECONDS = 30

_BASE_URL = f"{PREFIX}JWT_VALIDATION_BASE_URL"
_UNUSABLE = "The configuration values 'api_token_id' and 'api_token_secret' cannot be used:"

_logger = logging.getLogger("lucca_gateway")


class Configuration(KitSettings, frozen=True, kw_only=True):
    """The configuration values. Those of the API token are both set or none is."""

    host: Annotated[
        str, Meta(description="URL of the Lucca instance; `acme.ilucca.net` means `https://acme.ilucca.net`")
    ]
    api_key: Annotated[Printable, Meta(description="API key of the Lucca instance")]
    api_token_id: Annotated[
        Printable,
        Meta(
            description=(
                "Id of an API token of Elimity Insights, to compare an import with what the source holds; goes with "
                "`api_token_secret`"
            )
        ),
    ] = ""
    api_token_secret: ApiTokenSecret = ""

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Check the values. Copied ones often end with a space, which is removed.

        Raises:
            SettingsError: One of them is missing or malformed. The message quotes none.
        """
        return cls.parse({name: value.strip() if isinstance(value, str) else value for name, value in values.items()})

    @override
    def flaws(self) -> Iterator[tuple[str, str]]:
        try:
            instance_url(self.host)
        except ValueError as error:
            yield "host", f"is not the URL of a Lucca instance: {error}"
        if bool(self.api_token_id) != bool(self.api_token_secret):
            yield "api_token_secret" if self.api_token_id else "api_token_id", "is missing"


def new_source(values: Configuration, settings: Settings, source_id: str | None, stop: Stop) -> Source | None:
    """Return the source with which the import is compared; None if there is no API token.

    Only the API token comes with the request. The URL comes from the operator's settings, and `source_id` from the
    validated token of the request, if there is one.

    Raises:
        SettingsError: The import has an API token that cannot be used.
    """
    if not values.api_token_id:
        return None
    if not settings.validates_tokens or source_id is None:
        raise SettingsError(
            f"{_UNUSABLE} the gateway knows the source only from a validated token, and this request has none. Ask "
            f"the operator of the gateway to set {_BASE_URL} and {PREFIX}JWT_VALIDATION_GATEWAY_URL, or remove both "
            "values."
        )
    if not SOURCE_NUMBER.fullmatch(source_id):
        raise SettingsError(f"{_UNUSABLE} the source id of the request's token is not a number. Remove both values.")
    try:
        parts = parse_url(settings.jwt_validation_base_url, path_allowed=True)
    except ValueError as flaw:
        raise SettingsError(
            f"{_UNUSABLE} the gateway must not call the URL in the setting {_BASE_URL}: {flaw}. Ask its operator to "
            "correct it, or remove both values."
        ) from None
    session = new_session("lucca-gateway")
    # Plain HTTP is only allowed on loopback. A proxy would see the secret.
    session.trust_env = parts.scheme == "https"
    session.auth = (values.api_token_id, values.api_token_secret)
    retry_seconds = min(settings.max_retry_seconds, MOST_RETRY_SECONDS)
    http = Http(
        session,
        Retries("Elimity Insights", retry_seconds, _logger, sleep=stop.pause),
        ANSWER_SECONDS,
        settings.tls,
    )
    return Source(http, parts.geturl().rstrip("/"), int(source_id), READING_SECONDS)
