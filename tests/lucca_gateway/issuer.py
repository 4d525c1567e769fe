"""An issuer of tokens with real keys and a real JWKS endpoint."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.server import serve
from tests.lucca_gateway.support import FAST

BASE_URL, GATEWAY_URL = "https://acme.elimity.com", "https://gateway.acme.example"


@dataclass
class Issuer:
    """Stands in for auth.elimity.com: it signs tokens and publishes its keys."""

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    url: str = ""
    status: int = 200
    requests: int = 0

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on; it is published together with the older ones."""
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self, request: Request) -> Response:
        """Answer with the public keys."""
        del request
        self.requests += 1
        return JSONResponse(self.public_keys(), self.status)

    def public_keys(self) -> dict[str, Any]:
        """Return the JWKS."""
        algorithm = jwt.algorithms.RSAAlgorithm
        keys = [
            {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        return {"keys": keys}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a valid token, with changes; None leaves a claim out."""
        claims = {
            "aud": "gateway",
            "base_url": BASE_URL,
            "exp": int(time.time()) + 300,
            "gateway_url": GATEWAY_URL,
            "iss": self.url,
            "source_id": "7",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **changes: Any) -> str:
        """Return a token that is signed with the newest key."""
        kid = list(self.keys)[-1]
        return jwt.encode(self.claims(**changes), self.keys[kid], "RS256", {"kid": kid})


def settings_of(issuer: Issuer, **more: str) -> dict[str, str]:
    """Return the settings of a gateway that requires this issuer's tokens."""
    return {
        **FAST,
        "LUCCA_GATEWAY_JWT_VALIDATION_BASE_URL": BASE_URL,
        "LUCCA_GATEWAY_JWT_VALIDATION_GATEWAY_URL": GATEWAY_URL,
        "LUCCA_GATEWAY_JWT_VALIDATION_ISSUER": issuer.url,
        **more,
    }


def serve_issuer(stack: ExitStack) -> Issuer:
    """Serve the keys of an issuer until the stack is closed."""
    issuer = Issuer()
    issuer.rotate("first")
    issuer.url = stack.enter_context(serve(Starlette(routes=[Route("/.well-known/jwks.json", issuer.jwks)]))) + "/"
    return issuer
