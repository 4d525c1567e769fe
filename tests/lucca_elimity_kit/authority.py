"""A private certificate authority whose certificates don't meet RFC 5280."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_authority(folder: Path, *, lacks: str) -> None:
    """Write `ca.pem` and the `server.pem` and `server.key` that it issued for 127.0.0.1.

    Both certificates lack "subject key identifier", "authority key identifier", "key usage" or "critical".
    """
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "server")]
    for number, (file, subject, key) in enumerate(zip(("ca", "server"), names, keys, strict=True)):
        is_authority = number == 0
        certificate = (
            x509.CertificateBuilder(names[0], subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=lacks != "critical")
        )
        if lacks != "subject key identifier":
            certificate = certificate.add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        if lacks != "authority key identifier":
            certificate = certificate.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False
            )
        if is_authority and lacks != "key usage":
            usage = {"key_cert_sign": True, "crl_sign": True}
            others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
            unused = dict.fromkeys((*others, "key_agreement", "encipher_only", "decipher_only"), False)
            certificate = certificate.add_extension(x509.KeyUsage(**usage, **unused), critical=True)
        if not is_authority:
            address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            certificate = certificate.add_extension(address, critical=False)
        issued = certificate.sign(keys[0], hashes.SHA256())
        (folder / f"{file}.pem").write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_text = keys[1].private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key_text)
