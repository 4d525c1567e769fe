"""The settings of the gateway: environment variables that begin with `LUCCA_GATEWAY_`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, ClassVar

from lucca_elimity_kit.tls import TlsFiles, load_tls
from lucca_elimity_kit.urls import parse_url
from msgspec import Meta
from tap_lucca.settings import PageSize, RequestsPerMinute, RequestTimeout, TapSettings
from target_elimity.settings import ImportSettings
from typing_extensions import override

PREFIX = "LUCCA_GATEWAY_"

_TOKEN_URLS = ("jwt_validation_base_url", "jwt_validation_gateway_url")
# For the defaults that are the same in the tap.
_TAP = TapSettings(host="", api_key="")


class Settings(ImportSettings, frozen=True, kw_only=True, dict=True):
    """The settings of the gateway."""

    prefix: ClassVar[str] = PREFIX
    has_files: ClassVar[bool] = False

    jwt_validation_base_url: Annotated[
        str, Meta(description="URL of the Elimity Insights server, as in the claim `base_url`")
    ] = ""
    jwt_validation_gateway_url: Annotated[
        str, Meta(description="URL of this gateway, as in the claim `gateway_url`")
    ] = ""
    jwt_validation_audiences: Annotated[
        str, Meta(description="Accepted audiences, comma separated; goes with both URLs")
    ] = "gateway"
    jwt_validation_issuer: Annotated[
        str, Meta(description="Issuer; its keys are at `.well-known/jwks.json` below it; goes with both URLs")
    ] = "https://auth.elimity.com/"
    jwt_validation_optional: Annotated[
        bool, Meta(description="Serve requests without a token; those with a wrong token are always refused")
    ] = False
    serve_without_tokens: Annotated[
        bool, Meta(description="Serve whoever reaches the gateway, instead of validating tokens")
    ] = False
    allowed_hosts: Annotated[
        str, Meta(description="Hosts other than Lucca's own: `host` (on any port) or `host:port`, comma separated")
    ] = ""
    max_imports: Annotated[int, Meta(description="Imports that run at once, 1 or more; further ones wait", ge=1)] = 8
    page_size: PageSize = _TAP.page_size
    requests_per_minute: RequestsPerMinute = _TAP.requests_per_minute
    request_timeout: RequestTimeout = _TAP.request_timeout
    shutdown_seconds: Annotated[
        int, Meta(description="Seconds that running imports have to finish after SIGTERM", ge=0)
    ] = 8
    log_level: Annotated[
        str,
        Meta(
            description="`debug`, `info`, `warning` or `error`",
            pattern=r"^(?i:debug|info|warning|error)$(?!\n)",
            extra={"must_be": "debug, info, warning or error"},
        ),
    ] = "info"

    @classmethod
    @override
    def required(cls, given: Collection[str]) -> Iterable[str]:
        # An operator who sets any of these expects that tokens are validated. That takes both URLs.
        return _TOKEN_URLS if any(name.startswith("jwt_validation_") for name in given) else ()

    @override
    def flaws(self) -> Iterator[tuple[str, str]]:
        if self.serve_without_tokens and self.validates_tokens:
            yield "serve_without_tokens", "contradicts the settings for the validation of tokens: remove it or them"
        elif not self.serve_without_tokens and not self.validates_tokens:
            flaw = (
                "is missing: without tokens, the gateway would work for whoever reaches it. Set it and "
                f"{PREFIX}JWT_VALIDATION_GATEWAY_URL; or, if only Elimity Insights can reach the gateway, set "
                f"{PREFIX}SERVE_WITHOUT_TOKENS=true"
            )
            yield "jwt_validation_base_url", flaw
        # The gateway calls the issuer. It compares the other two URLs with claims, so they may use http here.
        # configuration.py checks the server's URL again before it calls it.
        for name, url in (
            ("jwt_validation_issuer", self.jwt_validation_issuer),
            ("jwt_validation_base_url", self.jwt_validation_base_url.replace("http://", "https://", 1)),
            ("jwt_validation_gateway_url", self.jwt_validation_gateway_url.replace("http://", "https://", 1)),
        ):
            if url:
                try:
                    parse_url(url, path_allowed=True)
                except ValueError as flaw:
                    yield name, f"is not a URL: {flaw}"
        if not self.audiences:
            yield "jwt_validation_audiences", "names no audience"
        try:
            _ = self.hosts
        except ValueError as flaw:
            yield "allowed_hosts", f"is not a list of `host` or `host:port`: {flaw}"

    @property
    def hosts(self) -> set[tuple[str, int | None]]:
        """The hosts other than Lucca's own, and their ports; None allows any port."""
        parts = [parse_url(f"https://{entry}", path_allowed=False) for entry in _entries(self.allowed_hosts)]
        return {(part.hostname or "", part.port) for part in parts}

    @property
    def validates_tokens(self) -> bool:
        """Whether requests need a valid token."""
        return bool(self.jwt_validation_base_url)

    @property
    def audiences(self) -> list[str]:
        """The accepted audiences of a token."""
        return _entries(self.jwt_validation_audiences)

    @property
    def for_tap(self) -> Mapping[str, object]:
        """The settings that the tap has, too."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name in TapSettings.__struct_fields__}

    @cached_property
    def tls(self) -> TlsFiles:
        """The TLS files, from the variables that requests reads, too."""
        return load_tls()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. A variable that is empty or blank counts as not set.

    Raises:
        SettingsError: One of them is unknown, missing, out of range or malformed, or a TLS file can't be used.
    """
    texts = Settings.read_environment({name: value for name, value in environment.items() if value.strip()})
    settings = Settings.parse(texts)
    _ = settings.tls
    return settings


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]
