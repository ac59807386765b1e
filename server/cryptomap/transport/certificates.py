"""From a client's certificate to its user name (RFC 7589 section 7, RFC 7407 section 2.2 cert-to-name)."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

__all__ = ["MAP_TYPES", "CertToName", "CertificateFault", "fingerprint", "user_of"]

_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    3: hashes.SHA224(),
    4: hashes.SHA256(),
    5: hashes.SHA384(),
    6: hashes.SHA512(),
}
"""By the number of TLS's HashAlgorithm registry (RFC 5246 section 7.4.1.4.1), which is the first octet of a
tls-fingerprint. 1 and 2 are MD5 and SHA-1, of which somebody could make a second certificate."""

_HEX = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+")


class CertificateFault(ValueError):
    """An entry of cert-to-name cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class CertToName:
    """One entry. ``fingerprint`` is a tls-fingerprint (``04:AB:CD:...`` for SHA-256) of the client's certificate or of
    a CA it is issued below; None matches each certificate that the client CA has vouched for. ``name`` goes with
    the map type ``specified`` and with no other. Raises CertificateFault."""

    map_type: str
    fingerprint: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.map_type not in MAP_TYPES:
            raise CertificateFault(f"map-type {self.map_type!r} is none of {', '.join(MAP_TYPES)}")
        if (self.map_type == "specified") != bool(self.name):
            raise CertificateFault("a name goes with map-type specified, and with no other")
        if self.map_type == "specified" and self.fingerprint is None:
            raise CertificateFault("map-type specified needs a fingerprint, or each client would be that user")
        if self.fingerprint is not None:
            _require_fingerprint(self.fingerprint)

    def matches(self, chain: Sequence[x509.Certificate]) -> bool:
        """Whether it speaks of one of these certificates."""
        if self.fingerprint is None:
            return True
        wanted = _octets(self.fingerprint)
        algorithm = _HASHES[wanted[0]]
        return any(hmac.compare_digest(wanted[1:], certificate.fingerprint(algorithm)) for certificate in chain)

    def name_of(self, certificate: x509.Certificate) -> str | None:
        """The user, None if the certificate lacks what the map type asks for."""
        return self.name or next(MAP_TYPES[self.map_type](certificate), None)


def user_of(entries: Sequence[CertToName], chain: Sequence[x509.Certificate]) -> str | None:
    """The user of a verified ``chain`` (the client's certificate first): by the first entry that matches and yields a
    name, None if there is no such entry."""
    for entry in entries:
        if entry.matches(chain) and (name := entry.name_of(chain[0])):
            return name
    return None


def fingerprint(certificate: x509.Certificate) -> str:
    """The tls-fingerprint with SHA-256, ``04:`` and 32 octets."""
    return (b"\x04" + certificate.fingerprint(hashes.SHA256())).hex(":").upper()


def _require_fingerprint(text: str) -> None:
    if _HEX.fullmatch(text) is None:
        raise CertificateFault(f"fingerprint {text!r} is not octets in hexadecimal with colons between them")
    octets = _octets(text)
    algorithm = _HASHES.get(octets[0])
    if algorithm is None or len(octets) != 1 + algorithm.digest_size:
        size = f"{len(octets)} octets that begin with {octets[0]:02X}"
        raise CertificateFault(f"fingerprint: {size}; expected 04: and the 32 octets of a SHA-256 fingerprint")


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


# ===== map types =====


def _names(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    yield from extension.value


def _mapped(name: x509.GeneralName) -> str | None:
    match name:
        case x509.RFC822Name():
            local, at, host = name.value.rpartition("@")
            return f"{local}@{host.lower()}" if at else None
        case x509.DNSName():
            return name.value.lower()
        case x509.IPAddress(value=ipaddress.IPv4Address() as address):
            return str(address)
        case x509.IPAddress(value=ipaddress.IPv6Address() as address):
            return address.packed.hex()
    return None


def _alternative(*kinds: type[x509.GeneralName]) -> Callable[[x509.Certificate], Iterator[str]]:
    def names(certificate: x509.Certificate) -> Iterator[str]:
        for name in _names(certificate):
            if isinstance(name, kinds) and (mapped := _mapped(name)):
                yield mapped

    return names


def _common_name(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield str(attribute.value)


def _specified(certificate: x509.Certificate) -> Iterator[str]:
    return iter(())  # the name stands in the entry


MAP_TYPES: Final[dict[str, Callable[[x509.Certificate], Iterator[str]]]] = {
    "specified": _specified,
    "san-rfc822-name": _alternative(x509.RFC822Name),
    "san-dns-name": _alternative(x509.DNSName),
    "san-ip-address": _alternative(x509.IPAddress),
    "san-any": _alternative(x509.RFC822Name, x509.DNSName, x509.IPAddress),
    "common-name": _common_name,
}
"""The identities of ietf-x509-cert-to-name, each with how it finds names in a certificate."""
