"""Certificates, private keys and revocation lists: files of this machine, by the names the configuration gives them.

The model names certificates "of the platform"; the platform's are PEM files in one directory: ``NAME.crt`` (our own,
or a CA's), ``NAME.key`` beside our own, ``NAME.crl``. They are read at each use, so that a renewed file counts from the
next commit or reconcile on. A key leaves its file only on the way to charon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from cryptomap_backend.capabilities import Complaint, Feature
from cryptomap_backend.intent import Authentication, Ike, Secret

__all__ = ["CertificateFault", "Certificates", "Credentials", "PrivateKey"]

CERTIFICATE = "certificate"
"""The method of :class:`~cryptomap_backend.intent.Authentication`."""


class CertificateFault(Exception):
    """A file is missing or is not what it should be; the text names it."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """``id`` is what charon calls it: the key identifier of RFC 5280 section 4.2.1.2, method 1, in hexadecimal."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an IKE policy needs of files, as PEM texts: our chain, the CAs that may vouch for the peer, revocations."""

    own: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    keys: tuple[PrivateKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificates:
    """Those below a directory; ``None`` if there are none here."""

    directory: Path | None = None

    def of(self, ike: Ike) -> Credentials:
        """What a policy needs. Raises CertificateFault."""
        own = ike.local.reference if ike.local.method == CERTIFICATE else None
        authorities = ike.ca_certificates if ike.remote.method == CERTIFICATE else ()
        return Credentials(
            own=() if own is None else (self._certificate(own),),
            authorities=tuple([self._certificate(name) for name in authorities]),
            revoked=tuple([self._revocations(name) for name in ike.crls]),
            keys=() if own is None else (self._key(own),),
        )

    def complaints(self, ike: Ike) -> Iterator[Complaint]:
        """Why a policy cannot be carried out with the files there are. Without a directory the capabilities say so."""
        if self.directory is None or CERTIFICATE not in _methods(ike.local, ike.remote):
            return
        if ike.remote.method == CERTIFICATE and not ike.ca_certificates:
            yield Complaint(Feature.CERTIFICATE, "the peer's certificate can be checked by none: list a ca-certificate")
        try:
            self.of(ike)
        except CertificateFault as fault:
            yield Complaint(Feature.CERTIFICATE, str(fault))

    def _certificate(self, name: str) -> str:
        text = self._text(f"{name}.crt")
        try:
            x509.load_pem_x509_certificate(text.encode())
        except ValueError as fault:
            raise CertificateFault(f"{self._path(f'{name}.crt')} is no certificate in PEM") from fault
        return text

    def _revocations(self, name: str) -> str:
        """charon finds a list by the key that signed it, and looks at no other."""
        path, text = self._path(f"{name}.crl"), self._text(f"{name}.crl")
        try:
            extensions = x509.load_pem_x509_crl(text.encode()).extensions
        except ValueError as fault:
            raise CertificateFault(f"{path} is no certificate revocation list in PEM") from fault
        if not any(isinstance(one.value, x509.AuthorityKeyIdentifier) for one in extensions):
            raise CertificateFault(f"{path} has no authority key identifier (RFC 5280 section 5.2.1)")
        return text

    def _key(self, name: str) -> PrivateKey:
        """The key of our own certificate."""
        path, clear = self._path(f"{name}.key"), self._text(f"{name}.key").encode()
        try:
            public = load_pem_private_key(clear, None).public_key()
        except (ValueError, TypeError) as fault:
            raise CertificateFault(f"{path} is no private key in PEM without a passphrase") from fault
        certificate = x509.load_pem_x509_certificate(self._certificate(name).encode())
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if certificate.public_key().public_bytes(*form) != public.public_bytes(*form):
            raise CertificateFault(f"{path} is not the key of certificate {name}.crt beside it")
        identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()
        return PrivateKey(identifier, Secret(blake2s(clear, digest_size=16).hexdigest(), path.read_bytes))

    def _text(self, name: str) -> str:
        path = self._path(name)
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "it is not text"
            raise CertificateFault(f"cannot read {path}: {why}") from fault

    def _path(self, name: str) -> Path:
        """Raises CertificateFault for a name that leads out of the directory."""
        if self.directory is None:
            raise CertificateFault("no directory of certificates is named in the settings of backend strongswan")
        if "/" in name or name.startswith("."):
            raise CertificateFault(f"{name!r} is not the name of a file in {self.directory}")
        return self.directory / name


def _methods(*sides: Authentication) -> set[str]:
    return {side.method for side in sides}
