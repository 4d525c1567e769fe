"""Checks the TLS files in settings once, at the start.

Otherwise a wrong file would fail later, while connecting, and look like a network failure.
"""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lucca_elimity_kit.errors import SettingsError

_CA_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE = re.compile(rb"-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----")
_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
_OTHER_KEY = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The arguments `verify` and `cert` of requests. The files have been checked."""

    verify: str | bool = True
    cert: str | tuple[str, str] | None = None


DEFAULT_TLS = TlsFiles()


class _EncryptedKeyError(Exception):
    """OpenSSL asks for the password of a private key."""


def load_tls(
    *,
    ca_bundle: str | Path | None = None,
    client_certificate: str | Path | None = None,
    client_private_key: str | Path | None = None,
) -> TlsFiles:
    """Check the TLS files. Without a `ca_bundle`, the environment may name one, in the variables that requests reads.

    The file of the client certificate may hold its private key, too.

    Raises:
        SettingsError: A file cannot be used; the message names the setting or variable.
    """
    verify: str | bool = True
    if ca_bundle is not None:
        _check_authorities("'ca_bundle'", ca_bundle)
        verify = str(ca_bundle)
    elif variable := next(filter(os.environ.get, _CA_BUNDLE_VARIABLES), None):
        verify = os.environ[variable]
        if not os.path.isdir(verify):  # noqa: PTH112 - requests accepts a folder, too; Path.is_dir fails on some paths
            _check_authorities(variable, verify)
    if client_certificate is None:
        return TlsFiles(verify)
    _check_client(client_certificate, client_private_key)
    certificate = str(client_certificate)
    return TlsFiles(verify, (certificate, str(client_private_key)) if client_private_key else certificate)


def _check_authorities(name: str, path: str | Path) -> None:
    _check_pem(name, path, _CERTIFICATE, "holds no certificate in PEM form")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError is one
        _refuse(name, "holds a certificate that is damaged or cut off: copy the file again")


def _check_client(certificate: str | Path, private_key: str | Path | None) -> None:
    name = "'client_certificate'"
    key_name = "'client_private_key'" if private_key else name
    _check_authorities(name, certificate)
    no_key = "holds no private key in PEM form"
    if private_key is None:
        no_key += ": set 'client_private_key', or append the key to the file"
    _check_pem(key_name, private_key or certificate, _PRIVATE_KEY, no_key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, private_key, password=_refuse_password)
    except _EncryptedKeyError:
        _refuse(key_name, "holds an encrypted private key: decrypt it first, for example with `openssl pkey`")
    except (OSError, ValueError) as error:
        if getattr(error, "reason", None) in _OTHER_KEY:
            _refuse(key_name, f"holds the private key of another certificate than the one in {name}")
        _refuse(key_name, "holds a private key or certificate that is damaged, cut off or of a kind not supported")


def _check_pem(name: str, path: str | Path, label: re.Pattern[bytes], missing: str) -> None:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file fails on some paths
        _refuse(name, "names a file that does not exist, or something that is no file: check the path")
    try:
        content = Path(path).read_bytes()
    except OSError:
        _refuse(name, "names a file that cannot be read: check its permissions")
    if not label.search(content):
        _refuse(name, missing)


def _refuse(name: str, flaw: str) -> NoReturn:
    raise SettingsError(f"{name} {flaw}.") from None


def _refuse_password() -> str:
    raise _EncryptedKeyError
