"""Validates the bearer tokens that identify Elimity Insights: JWTs of its issuer, signed with RS256."""

import logging

import jwt
from starlette.datastructures import Headers

from lucca_gateway.keys import ALGORITHM, IssuerKeys, KeysUnavailableError
from lucca_gateway.protocol import RpcError
from lucca_gateway.settings import Settings

REQUIRED_CLAIMS = ["aud", "base_url", "exp", "gateway_url", "iss", "source_id"]
LEEWAY = 30  # seconds by which clocks may differ

_logger = logging.getLogger("lucca_gateway")


class TokenError(Exception):
    """The token is not accepted. The message says why, and quotes nothing of the token."""


class Tokens:
    """Validates the token of a request. If tokens are optional, a request may have none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = IssuerKeys(f"{settings.jwt_validation_issuer.rstrip('/')}/.well-known/jwks.json", settings.tls)

    async def source_id(self, headers: Headers) -> str | None:
        """Return the source id of the token, or None if tokens are optional and there is none.

        Raises:
            RpcError: The token is not accepted.
        """
        given = headers.getlist("authorization")
        if not given and self._settings.jwt_validation_optional:
            return None
        try:
            return await self._validate(_bearer_token(given))
        except TokenError as error:
            _logger.warning("Token refused: %s.", error)
            raise RpcError("unauthenticated", f"The token is not accepted: {error}.") from None

    async def _validate(self, token: str) -> str:
        """Return the source id of a valid token. Fetches the keys of the issuer if needed."""
        try:
            header = jwt.get_unverified_header(token)
            # Check this before fetching any key: attackers use "none", or HS256 with the public key as the secret.
            if header.get("alg") != ALGORITHM:
                raise TokenError(f"it is not signed with {ALGORITHM}")
            key = await self._keys.find(header.get("kid"))
            if key is None:
                raise TokenError("the issuer has no such key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audiences,
                issuer=self._settings.jwt_validation_issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS},
            )
        except KeysUnavailableError:
            raise TokenError("the keys of the issuer cannot be read at the moment") from None
        # pyjwt uses the json module, which raises RecursionError on deep nesting and accepts infinite numbers.
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise TokenError(_WORDS.get(type(error), "it is malformed")) from None
        for claim, expected in (
            ("base_url", self._settings.jwt_validation_base_url),
            ("gateway_url", self._settings.jwt_validation_gateway_url),
        ):
            if not _is_same_url(claims[claim], expected):
                raise TokenError(f"its {claim} is not the one of this gateway")
        source_id = claims["source_id"]
        if isinstance(source_id, bool) or not isinstance(source_id, (str, int)) or not str(source_id).strip():
            raise TokenError("its source_id is not valid")
        return str(source_id).strip()


def _bearer_token(given: list[str]) -> str:
    if not given:
        raise TokenError("there is none")
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise TokenError("the Authorization header does not hold exactly one bearer token")
    return token.strip()


def _is_same_url(claim: object, expected: str) -> bool:
    return isinstance(claim, str) and claim.rstrip("/") == expected.rstrip("/")


_WORDS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is from another issuer",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.MissingRequiredClaimError: "a claim is missing",
}
