"""Tokens with real keys and a real JWKS endpoint, sent by the generated clients to the real process."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lucca_gateway.protocol import RpcError
from lucca_gateway.settings import read_settings
from lucca_gateway.tokens import Tokens
from starlette.datastructures import Headers

from sandbox.pulling import GENERATIONS, GatewayProcess, Generation, pull, running_gateway
from tests.harness import Sandbox
from tests.lucca_gateway.issuer import BASE_URL, GATEWAY_URL, Issuer, serve_issuer, settings_of
from tests.lucca_gateway.support import SERVICE, configuration, failure, wait_for_words


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Serve the keys of an issuer."""
    with ExitStack() as stack:
        yield serve_issuer(stack)


@pytest.fixture(scope="module")
def protected(issuer: Issuer) -> Iterator[GatewayProcess]:
    """Run a gateway that requires tokens."""
    with running_gateway(settings_of(issuer)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def lenient(issuer: Issuer) -> Iterator[GatewayProcess]:
    """Run a gateway that accepts two audiences, and for which tokens are optional."""
    more = {
        "LUCCA_GATEWAY_JWT_VALIDATION_OPTIONAL": "true",
        "LUCCA_GATEWAY_JWT_VALIDATION_AUDIENCES": "gateway, acme-gateway",
    }
    with running_gateway(settings_of(issuer, **more)) as gateway:
        yield gateway


def _unsigned(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), "", "none", {"kid": "first"})


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """Return a token of a known attack: signed with HS256, and the public key as the secret."""
    secret = (
        issuer.keys["first"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "first"}, issuer.claims()]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _foreign(issuer: Issuer, kid: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(issuer.claims(), key, "RS256", {"kid": kid})


def _other_algorithm(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), issuer.keys["first"], "RS512", {"kid": "first"})


def _tampered(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    claims = base64.urlsafe_b64encode(json.dumps(issuer.claims(source_id="8")).encode()).decode().rstrip("=")
    return f"{head}.{claims}.{signature}"


def _without(claim: str) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(**{claim: None})


WRONG: dict[str, Callable[[Issuer], str]] = {
    "nonsense": lambda _: "nonsense",
    "empty parts": lambda _: "..",
    "unsigned": _unsigned,
    "signed with the public key": _signed_with_the_public_key,
    "another algorithm": _other_algorithm,
    "another key of the same name": lambda issuer: _foreign(issuer, "first"),
    "an unknown key": lambda issuer: _foreign(issuer, "unknown"),
    "tampered": _tampered,
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "not valid yet": lambda issuer: issuer.token(nbf=int(time.time()) + 600),
    "for another audience": lambda issuer: issuer.token(aud="insights"),
    "from another issuer": lambda issuer: issuer.token(iss="https://auth.attacker.example/"),
    "for another server": lambda issuer: issuer.token(base_url="https://other.elimity.com"),
    "for another gateway": lambda issuer: issuer.token(gateway_url=f"{GATEWAY_URL}.attacker.example"),
    "for a list of servers": lambda issuer: issuer.token(base_url=[BASE_URL]),
    "for no source": lambda issuer: issuer.token(source_id=" "),
    "for a source that is none": lambda issuer: issuer.token(source_id=True),
    **{f"without {claim}": _without(claim) for claim in ("aud", "base_url", "exp", "gateway_url", "iss", "source_id")},
}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_good_token_lets_an_import_through(
    sandbox: Sandbox, issuer: Issuer, protected: GatewayProcess, lenient: GatewayProcess, generation: Generation
) -> None:
    """A valid token may have several audiences, and URLs that end with a slash."""
    for token in (
        issuer.token(),
        issuer.token(aud=["gateway", "x"], base_url=f"{BASE_URL}/", source_id=7),
        issuer.token(source_id=1),
    ):
        pull(sandbox.elimity, protected.url, generation, configuration(sandbox), token)
    pull(sandbox.elimity, lenient.url, generation, configuration(sandbox), issuer.token(aud="acme-gateway"))
    assert [len(snapshot.body["entities"]) for snapshot in sandbox.elimity.snapshots] == [250] * 4


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_token_is_refused(
    sandbox: Sandbox, issuer: Issuer, protected: GatewayProcess, lenient: GatewayProcess, wrong: str
) -> None:
    """The gateway refuses a wrong token in both generations, even if tokens are optional, and doesn't log it."""
    for gateway in (protected, lenient):
        for generation in GENERATIONS:
            token = WRONG[wrong](issuer)
            failed = failure(gateway.url, generation, configuration(sandbox), token)
            assert (failed.code, failed.streamed) == ("unauthenticated", [])
            wait_for_words(gateway, "Token refused: ")
            assert token not in gateway.log_text or token == ".."
    assert sandbox.lucca.requests == []


def test_a_token_of_another_algorithm_fetches_no_key() -> None:
    """Whoever can't sign a token can't make the gateway call its issuer."""
    with ExitStack() as stack:
        issuer = serve_issuer(stack)
        tokens = Tokens(read_settings(settings_of(issuer)))
        with pytest.raises(RpcError, match="RS256"):
            asyncio.run(tokens.source_id(Headers({"Authorization": f"Bearer {_unsigned(issuer)}"})))
        assert issuer.requests == 0


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_missing_token_is_refused_unless_tokens_are_optional(
    sandbox: Sandbox, protected: GatewayProcess, lenient: GatewayProcess, generation: Generation
) -> None:
    """Without a token, the import fails unless tokens are optional; `/healthz` still answers."""
    failed = failure(protected.url, generation, configuration(sandbox))
    assert (failed.code, failed.streamed) == ("unauthenticated", [])
    assert httpx.get(f"{protected.url}/healthz").status_code == 200
    pull(sandbox.elimity, lenient.url, generation, configuration(sandbox))
    assert len(sandbox.entities) == 250


def test_a_refusal_is_401_and_tells_why(issuer: Issuer, protected: GatewayProcess) -> None:
    """The status is 401, and each kind of call gets its own form of an error with the reason."""
    for method, content_type in (("Meta", "application/proto"), ("PerformImport", "application/connect+proto")):
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {issuer.token(exp=1)}"}
        answer = httpx.post(f"{protected.url}{SERVICE}/{method}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert b"it has expired" in answer.content


@pytest.mark.parametrize("headers", [[("Authorization", "Basic QTpC")], [("Authorization", "Bearer")]])
def test_other_credentials_are_no_token(lenient: GatewayProcess, headers: list[tuple[str, str]]) -> None:
    """Other credentials are refused, even if tokens are optional."""
    answer = httpx.post(f"{lenient.url}{SERVICE}/Meta", headers=[*headers, ("Content-Type", "application/proto")])
    assert answer.status_code == 401


def test_two_tokens_are_refused(issuer: Issuer, lenient: GatewayProcess) -> None:
    """Two tokens are refused, because it is unclear which one counts."""
    headers = [("Authorization", f"Bearer {issuer.token()}")] * 2
    assert httpx.post(f"{lenient.url}{SERVICE}/Meta", headers=headers).status_code == 401


def test_the_keys_are_fetched_anew_when_they_rotate_and_refused_when_they_cannot_be(sandbox: Sandbox) -> None:
    """A token is refused while the keys can't be fetched. Unknown keys don't cause a request each time."""
    with ExitStack() as stack:
        issuer = serve_issuer(stack)
        issuer.status = 503
        gateway = stack.enter_context(running_gateway(settings_of(issuer)))
        failed = failure(gateway.url, "v1alpha1", configuration(sandbox), issuer.token())
        assert failed.code == "unauthenticated"
        wait_for_words(gateway, "keys of the issuer cannot be read")
        issuer.status = 200
        pull(sandbox.elimity, gateway.url, "v1alpha1", configuration(sandbox), issuer.token())
        asked = issuer.requests
        for number in range(5):
            failure(gateway.url, "v1alpha1", configuration(sandbox), _foreign(issuer, f"unknown {number}"))
        assert issuer.requests <= asked + 1


@pytest.mark.parametrize("source_id", ["7", 7, " 7 "])
def test_the_source_of_the_token_is_handed_on(issuer: Issuer, source_id: Any) -> None:
    """The source id of a token is text; without a token, there is none."""

    async def source_ids() -> list[str | None]:
        settings = read_settings(settings_of(issuer, LUCCA_GATEWAY_JWT_VALIDATION_OPTIONAL="true"))
        tokens = Tokens(settings)
        token = {"Authorization": f"Bearer {issuer.token(source_id=source_id)}"}
        return [await tokens.source_id(Headers(headers)) for headers in (token, {})]

    assert asyncio.run(source_ids()) == ["7", None]
