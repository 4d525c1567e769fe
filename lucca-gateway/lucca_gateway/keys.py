"""Fetches the public keys of the token issuer from its JWKS endpoint."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
from jwt import PyJWK
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.http import Http, decode, new_session
from lucca_elimity_kit.retries import Retries
from lucca_elimity_kit.tls import TlsFiles

ALGORITHM = "RS256"
FETCH_SECONDS = 5.0  # to connect, and as many again for the answer
MOST_BYTES = 1 << 20
FRESH_SECONDS = 300.0  # older keys are fetched again
USABLE_SECONDS = 3600.0  # keys stay in use this long if the issuer can't be reached
COOLDOWN_SECONDS = 30.0  # between fetches, while there are keys

_logger = logging.getLogger("lucca_gateway")


class KeysUnavailableError(Exception):
    """The keys can't be fetched at the moment."""


class IssuerKeys:
    """The keys of one issuer. Concurrent requests share one fetch. Requests with a known, fresh key don't wait."""

    def __init__(self, jwks_url: str, tls: TlsFiles) -> None:
        self._url = jwks_url
        session = new_session("lucca-gateway")
        self._http = Http(session, Retries("the issuer", 0, _logger), FETCH_SECONDS, tls, max_bytes=MOST_BYTES)
        self._keys: Mapping[str | None, PyJWK] = {}
        self._fetched = self._tried = 0.0
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> PyJWK | None:
        """Return a key, or None if the issuer has no such key.

        Raises:
            KeysUnavailableError: There are no usable keys, and they can't be fetched at the moment.
        """
        age = time.monotonic() - self._fetched
        if age > USABLE_SECONDS:
            self._keys = {}
        cooling_down = self._keys and time.monotonic() - self._tried < COOLDOWN_SECONDS
        if (key_id not in self._keys or age > FRESH_SECONDS) and (self._fetch or not cooling_down):
            self._fetch = self._fetch or asyncio.create_task(self._fetch_keys())
            # No other time limit covers name resolution plus the attempts to connect to each address.
            await asyncio.wait({self._fetch}, timeout=2 * FETCH_SECONDS)
        if not self._keys:
            raise KeysUnavailableError
        return self._keys.get(key_id)

    async def _fetch_keys(self) -> None:
        try:
            self._keys = await asyncio.to_thread(self._read_keys)
            self._fetched = time.monotonic()
        except ConnectorError as error:
            _logger.warning("%s", error)
        finally:
            self._tried = time.monotonic()
            self._fetch = None

    def _read_keys(self) -> Mapping[str | None, PyJWK]:
        try:
            what = "Reading the keys of the issuer"
            found = self._http.call("GET", self._url, what=what, read=lambda body: decode(body, _decoder)).keys
        except msgspec.DecodeError:
            found = []
        keys: dict[str | None, PyJWK] = {}
        for key in found:
            with suppress(Exception):  # pyjwt raises all kinds of errors for a malformed key; the others may be fine
                if key["kid"] and key.get("use", "sig") == "sig" and key.get("alg", ALGORITHM) == ALGORITHM:
                    keys[key["kid"]] = PyJWK({name: key[name] for name in ("kty", "kid", "n", "e")}, ALGORITHM)
        if not keys:
            raise ConnectorError(f"The issuer does not answer with a JSON Web Key Set that has a key for {ALGORITHM}.")
        return keys


class _Jwks(msgspec.Struct):
    keys: list[Any]


_decoder = msgspec.json.Decoder(_Jwks)
