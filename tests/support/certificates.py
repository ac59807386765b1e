"""Certificates made for a test: a CA, and what it issues."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in files too."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate_file: Path
    key_file: Path

    def client_context(self, trusted: Issued) -> ssl.SSLContext:
        """For a client that shows this certificate and trusts that one."""
        context = self_less_context(trusted)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


def self_less_context(trusted: Issued) -> ssl.SSLContext:
    """For a client that has no certificate."""
    return ssl.create_default_context(cafile=str(trusted.certificate_file))


def alternative_name(text: str) -> x509.GeneralName:
    """``mail@host``, an address, or a DNS name."""
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def issue(
    directory: Path,
    name: str,
    *,
    by: Issued | None = None,
    is_ca: bool = False,
    alternatives: Sequence[str] = (),
    days: int = 1,
) -> Issued:
    """A certificate of common name ``name`` in ``directory``/``name``.pem, self-signed unless issued ``by`` another;
    with negative ``days`` it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if alternatives:
        names = x509.SubjectAlternativeName([alternative_name(text) for text in alternatives])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    files = directory / f"{name}.pem", directory / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Issued(certificate, key, *files)


def revoke(ca: Issued, path: Path, *revoked: Issued) -> Path:
    """The revocation list of a CA, which it names as RFC 5280 section 5.2.1 wants."""
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
    builder = builder.last_update(now - DAY).next_update(now + DAY)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    for item in revoked:
        entry = (
            x509.RevokedCertificateBuilder().serial_number(item.certificate.serial_number).revocation_date(now - DAY)
        )
        builder = builder.add_revoked_certificate(entry.build())
    path.write_bytes(builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path
