"""The configuration values that an administrator enters in Elimity Insights, and that come with each import."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Self

from lucca_elimity_kit.settings import Printable, Settings
from msgspec import Meta
from tap_lucca.settings import instance_url
from target_elimity.settings import ApiTokenSecret
from typing_extensions import override

LUCCA = ("host", "api_key")
API_TOKEN = ("api_token_id", "api_token_secret")


class Configuration(Settings, frozen=True, kw_only=True):
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

    @classmethod
    @override
    def required(cls, given: Collection[str]) -> Iterable[str]:
        return LUCCA if set(API_TOKEN).isdisjoint(given) else LUCCA + API_TOKEN

    @override
    def flaws(self) -> Iterator[tuple[str, str]]:
        try:
            instance_url(self.host)
        except ValueError as error:
            yield "host", f"is not the URL of a Lucca instance: {error}"
