"""TLS files in settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lucca_elimity_kit.errors import SettingsError
from lucca_elimity_kit.tls import TlsFiles, load_tls


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write files that can be used, and many that cannot."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("agent@acme.example")
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    loaded: Any = serialization.load_pem_private_key(key, None)
    encrypted, traditional = (
        loaded.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"Hunter2"))
        for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    )
    other_key = trustme.CA().issue_cert("x@y.example").private_key_pem.bytes()
    ca = authority.cert_pem.bytes()
    contents = {
        "ca.pem": ca,
        "two.pem": "# Größe\n".encode() + ca + certificate,
        "client.pem": certificate,
        "client.key": key,
        "both.pem": key + certificate,
        "empty.pem": b"\n",
        "text.pem": b"canary\n",
        "der.pem": loaded.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "cut.pem": certificate[: len(certificate) // 2],
        "cut-end.pem": certificate[:-10],
        "cut-second.pem": ca + certificate[: len(certificate) // 2],
        "garbage.pem": b"-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n",
        "cut.key": key[: len(key) // 2],
        "encrypted.key": encrypted,
        "traditional.key": traditional,
        "both-encrypted.pem": certificate + encrypted,
        "both-traditional.pem": certificate + traditional,
        "other.key": other_key,
        "other-kind.key": other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(autouse=True)
def _no_authorities_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the machine's own environment says about authorities."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def path(files: Path) -> Callable[[str], str]:
    """Return the path of a file."""
    return lambda name: str(files / name)


def test_files_that_can_be_used(path: Callable[[str], str]) -> None:
    """The files are returned in the form that requests takes."""
    assert load_tls() == TlsFiles(verify=True, cert=None)
    assert load_tls(ca_bundle=path("two.pem")).verify == path("two.pem")
    assert load_tls(client_certificate=path("both.pem")).cert == path("both.pem")
    pair = (path("client.pem"), path("client.key"))
    assert load_tls(client_certificate=pair[0], client_private_key=pair[1]).cert == pair


BAD_CERTIFICATES = (
    *("missing.pem", "folder", "empty.pem", "text.pem", "der.pem", "cut.pem", "cut-end.pem", "garbage.pem"),
    *("cut-second.pem", "client.key", "nul\0", "a" * 5000, "client.pem/x"),
)


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_authorities_that_cannot_be_used(path: Callable[[str], str], name: str) -> None:
    """The error names the setting, but nothing of its value or of the file."""
    with pytest.raises(SettingsError) as caught:
        load_tls(ca_bundle=path(name))
    assert "'ca_bundle'" in str(caught.value)
    assert name not in str(caught.value).replace("is a folder", "")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_client_certificates_that_cannot_be_used(path: Callable[[str], str], name: str) -> None:
    """The error names the certificate's setting, whether or not the key has its own file."""
    for key in (None, path("client.key")):
        with pytest.raises(SettingsError, match="'client_certificate'"):
            load_tls(client_certificate=path(name), client_private_key=key)


@pytest.mark.parametrize(
    "name",
    [
        *("missing.key", "folder", "empty.pem", "text.pem", "der.pem", "client.pem", "cut.key"),
        *("encrypted.key", "traditional.key", "other.key", "other-kind.key"),
    ],
)
def test_private_keys_that_cannot_be_used(path: Callable[[str], str], name: str) -> None:
    """The error names the key's setting. An encrypted key doesn't prompt for its password."""
    with pytest.raises(SettingsError, match="'client_private_key'"):
        load_tls(client_certificate=path("client.pem"), client_private_key=path(name))


@pytest.mark.parametrize("name", ["client.pem", "both-encrypted.pem", "both-traditional.pem"])
def test_a_certificate_without_a_usable_key_in_its_file(path: Callable[[str], str], name: str) -> None:
    """The error names the certificate's setting."""
    with pytest.raises(SettingsError, match="'client_certificate'"):
        load_tls(client_certificate=path(name))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment(
    path: Callable[[str], str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable names a file or a folder. A setting takes precedence, and an empty variable counts as not set."""
    monkeypatch.setenv(variable, "")
    assert load_tls().verify is True
    for usable in (path("folder"), path("ca.pem")):
        monkeypatch.setenv(variable, usable)
        assert load_tls().verify == usable
    for wrong in (path("text.pem"), "a" * 5000):
        monkeypatch.setenv(variable, wrong)
        assert load_tls(ca_bundle=path("ca.pem")).verify == path("ca.pem")
        with pytest.raises(SettingsError, match=variable):
            load_tls()
