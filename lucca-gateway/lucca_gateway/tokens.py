"""The bearer tokens with which Elimity Insights shows that it is the one who calls: JWTs of its issuer, RS256."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import jwt
import msgspec

from lucca_gateway.asgi import respond

if TYPE_CHECKING:
    from lucca_gateway.asgi import App, Receive, Scope, Send
    from lucca_gateway.settings import TokenRules

ALGORITHMS = ["RS256"]
REQUIRED_CLAIMS = ["aud", "base_url", "exp", "gateway_url", "iss", "source_id"]
LEEWAY = 30  # seconds by which clocks may differ
JWKS_TIMEOUT = 10  # seconds

_logger = logging.getLogger("lucca_gateway")


class TokenError(Exception):
    """A token is not accepted; the message says why, without a value of the token."""


class TokenValidator:
    """Checks tokens against the rules and the published keys of their issuer."""

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
        # It keeps the keys for five minutes, and asks for unknown ones no more than twice a minute.
        self._keys = jwt.PyJWKClient(rules.jwks_url, timeout=JWKS_TIMEOUT)

    def validate(self, token: str) -> None:
        """Return if the token is accepted; may ask the issuer for its keys.

        Raises:
            TokenError: It is not.
        """
        try:
            # Before any key is asked for: "none", or a secret that is the public key, is refused by name.
            if jwt.get_unverified_header(token).get("alg") not in ALGORITHMS:
                raise TokenError("it is not signed with RS256")
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=ALGORITHMS,
                audience=list(self._rules.audiences),
                issuer=self._rules.issuer,
                leeway=LEEWAY,
                options={"require": REQUIRED_CLAIMS},
            )
        except jwt.PyJWKClientConnectionError:
            raise TokenError("the keys of the issuer cannot be read at the moment") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenError(_WORDS.get(type(error), "it is malformed, or no key of the issuer fits")) from None
        for claim, expected in (("base_url", self._rules.base_url), ("gateway_url", self._rules.gateway_url)):
            if not _is_same_url(claims[claim], expected):
                raise TokenError(f"its {claim} is not the one of this gateway")
        source_id = claims["source_id"]
        if isinstance(source_id, bool) or not isinstance(source_id, (str, int)) or not str(source_id).strip():
            raise TokenError("its source_id is not one")


class TokenMiddleware:
    """Lets only requests with an accepted token through; those without one too, where tokens are optional."""

    def __init__(self, app: App, rules: TokenRules) -> None:
        self._app = app
        self._optional = rules.optional
        self._validator = TokenValidator(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 401, or hand the request on."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            if given or not self._optional:
                await asyncio.to_thread(self._validator.validate, _bearer_token(given))
        except TokenError as error:
            _logger.warning("Token refused: %s.", error)
            await _refuse(scope, send, f"The token is not accepted: {error}.")
        else:
            await self._app(scope, receive, send)


def _bearer_token(given: list[bytes]) -> str:
    if not given:
        raise TokenError("there is none")
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise TokenError("the Authorization header is not that of one bearer token")
    return token.strip()


async def _refuse(scope: Scope, send: Send, message: str) -> None:
    """Answer with 401, of which the words reach the clients of unary calls; those of streams see the code alone."""
    content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    body = msgspec.json.encode({"code": "unauthenticated", "message": message})
    if content_type.startswith("application/connect+"):
        body = msgspec.json.encode({"error": msgspec.Raw(body)})
        body = b"\x02" + len(body).to_bytes(4, "big") + body
    else:
        content_type = "application/json"
    await respond(send, 401, body, content_type, www_authenticate='Bearer error="invalid_token"')


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
