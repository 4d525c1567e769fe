"""A JWKS endpoint that hangs, drips, is down or answers nonsense."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest
from lucca_elimity_kit.tls import DEFAULT_TLS
from lucca_gateway import keys
from lucca_gateway.keys import FETCH_SECONDS, IssuerKeys, KeysUnavailableError

from sandbox.pulling import GatewayProcess, running_gateway
from tests.lucca_elimity_kit.wire import Reply, answering, drip, ok, reset, silence
from tests.lucca_gateway.issuer import Issuer, settings_of
from tests.lucca_gateway.support import SERVICE, wait_until

DRIP = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b" ")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Return an issuer with one key, which is not served yet."""
    issuer = Issuer()
    issuer.rotate("first")
    return issuer


def jwks(issuer: Issuer, **more: object) -> bytes:
    """Return the body of the issuer's JWKS."""
    return json.dumps({**issuer.public_keys(), **more}).encode()


def status(gateway: GatewayProcess, token: str) -> int:
    """Call the gateway with a token, and return the status."""
    headers = {"Content-Type": "application/proto", "Authorization": f"Bearer {token}"}
    return httpx.post(f"{gateway.url}{SERVICE}/Meta", headers=headers, timeout=120).status_code


def unknown(issuer: Issuer, number: int) -> str:
    """Return a token with an unknown key; its signature is never checked."""
    return jwt.encode(issuer.claims(), issuer.keys["first"], "RS256", {"kid": f"unknown {number}"})


@pytest.mark.parametrize("reply", [DRIP, silence])
def test_unknown_keys_do_not_hold_a_good_token(issuer: Issuer, reply: Reply) -> None:
    """Twenty unknown keys cause one request. Once the issuer answers again, a valid token is accepted."""
    with answering(reply, ok(jwks(issuer))) as wire:
        issuer.url = f"{wire.url}/"
        with running_gateway(settings_of(issuer)) as gateway, ThreadPoolExecutor(21) as pool:
            start = time.monotonic()
            answers = [pool.submit(status, gateway, unknown(issuer, number)) for number in range(20)]
            wait_until(lambda: wire.requests)
            answers.append(pool.submit(status, gateway, issuer.token()))
            assert {answer.result() for answer in answers} == {401}
            assert time.monotonic() - start < 2 * FETCH_SECONDS
            assert len(wire.requests) == 1
            assert status(gateway, issuer.token()) == 200
            assert len(wire.requests) == 2


BAD = {
    "deep": b"[" * 500_000,
    "deep within": b'{"keys": [' + b'{"kty":' * 300_000,
    "no JSON": b"<html>canary</html>",
    "another form": b'["canary"]',
    "no keys": b'{"keys": []}',
    "keys that are none": b'{"keys": [7, null, "canary"]}',
    "a key that is none": b'{"keys": [{"kty": "RSA", "kid": "first", "n": 7, "e": []}]}',
    "a key of nothing": b'{"keys": [{"kty": "RSA", "kid": "first", "n": "", "e": "AQAB"}]}',
    "strange names": b'{"keys": [{"kty": [], "kid": {}, "use": []}]}',
    "too large": b" " * (2 << 20) + b"{}",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_jwks_that_is_none_refuses_the_token(issuer: Issuer, bad: str) -> None:
    """The gateway answers 401 and logs a warning that quotes nothing of the malformed JWKS."""
    with answering(ok(BAD[bad])) as wire:
        issuer.url = f"{wire.url}/"
        with running_gateway(settings_of(issuer)) as gateway:
            assert status(gateway, issuer.token()) == 401
    assert any(line["level"] == "warning" and "issuer" in line["message"] for line in gateway.log)
    assert "traceback" not in gateway.log_text.lower()
    assert "canary" not in gateway.log_text


def test_a_key_that_cannot_be_used_does_not_spoil_the_others(issuer: Issuer) -> None:
    """Unusable keys, such as those of an unknown type, are skipped, and the others still work."""
    strange = [7, {"kty": "new", "kid": "new"}, {"kty": "oct", "kid": "old"}, {"kty": "RSA", "kid": "odd", "n": 7}]
    strange += issuer.public_keys()["keys"]
    with answering(ok(jwks(issuer, keys=strange))) as wire:
        issuer.url = f"{wire.url}/"
        with running_gateway(settings_of(issuer)) as gateway:
            assert status(gateway, issuer.token()) == 200


def test_deep_json_in_a_token_is_a_refusal(issuer: Issuer) -> None:
    """The gateway answers 401, although it parses a token's head before it checks the signature."""
    deep = jwt.utils.base64url_encode(b"[" * 20_000).decode()
    with answering(ok(jwks(issuer))) as wire:
        issuer.url = f"{wire.url}/"
        with running_gateway(settings_of(issuer)) as gateway:
            assert status(gateway, f"{deep}.{deep}.{deep}") == 401
    assert "traceback" not in gateway.log_text.lower()


def test_keys_outlive_an_issuer_that_is_down(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh key is used at once, a stale one after one attempt to fetch the keys, and an old one never."""
    monkeypatch.setattr(keys, "COOLDOWN_SECONDS", 0.0)
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.5)

    async def scenario(url: str) -> None:
        found = IssuerKeys(url, DEFAULT_TLS)
        assert await found.find("first")
        waiting = asyncio.create_task(found.find("unknown"))  # hangs
        await asyncio.sleep(0.1)
        start = time.monotonic()
        assert await found.find("first")
        assert time.monotonic() - start < 0.1
        assert await waiting is None
        monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
        assert await found.find("first")
        monkeypatch.setattr(keys, "USABLE_SECONDS", 0.0)
        with pytest.raises(KeysUnavailableError):
            await found.find("first")

    with answering(ok(jwks(issuer)), silence, reset) as wire:
        asyncio.run(scenario(wire.url))
        assert len(wire.requests) == 4


def test_a_key_that_the_issuer_withdraws_is_refused(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the issuer withdrew is refused once the keys are fetched again."""
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(keys, "COOLDOWN_SECONDS", 0.0)
    other = Issuer()
    other.rotate("second")

    async def scenario(url: str) -> None:
        found = IssuerKeys(url, DEFAULT_TLS)
        assert await found.find("first")
        assert await found.find("first") is None

    with answering(ok(jwks(issuer)), ok(jwks(other))) as wire:
        asyncio.run(scenario(wire.url))


@pytest.mark.parametrize("purpose", [{"use": "enc"}, {"alg": "RS512"}, {"alg": "RSA-OAEP"}])
def test_a_key_for_another_purpose_is_refused(issuer: Issuer, purpose: dict[str, str]) -> None:
    """A key that the issuer publishes for encryption or another algorithm signs no token."""
    (key,) = issuer.public_keys()["keys"]

    async def scenario(url: str) -> None:
        found = IssuerKeys(url, DEFAULT_TLS)
        assert await found.find("other") is None
        assert await found.find("first")

    with answering(ok(jwks(issuer, keys=[{**key, "kid": "other", **purpose}, key]))) as wire:
        asyncio.run(scenario(wire.url))
