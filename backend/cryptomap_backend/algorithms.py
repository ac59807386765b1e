"""Every algorithm the project names, in one place: keyword, IANA transform id, key and ICV sizes.

The keyword is the name everywhere (intent, state, capabilities, messages). IANA ids are those of the IKEv2 transform
registry (RFC 7296 section 3.3.2 and the RFCs named below). The list is data: a backend says in its capabilities which
of these it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DH_GROUPS", "ENCRYPTION", "INTEGRITY", "PRF", "DhGroup", "Encryption", "Integrity", "Prf", "key_material"]


@dataclass(frozen=True, slots=True)
class Encryption:
    """A cipher. All sizes in bytes; ``icv`` is the tag of an AEAD cipher, ``salt`` its implicit nonce (RFC 4106)."""

    name: str
    iana: int
    key: int
    block: int
    iv: int
    icv: int = 0
    salt: int = 0
    rfc: str = ""

    @property
    def aead(self) -> bool:
        """True if the cipher authenticates as well, so that the integrity algorithm must be ``null``."""
        return self.icv > 0


@dataclass(frozen=True, slots=True)
class Integrity:
    """An integrity algorithm; key and (truncated) ICV in bytes."""

    name: str
    iana: int
    key: int
    icv: int
    rfc: str = ""


@dataclass(frozen=True, slots=True)
class Prf:
    """A pseudo-random function of the IKE SA."""

    name: str
    iana: int
    rfc: str = ""


@dataclass(frozen=True, slots=True)
class DhGroup:
    """A Diffie-Hellman group by its IANA number; ``bits`` is the size of the modulus."""

    number: int
    bits: int


def _gcm(name: str, iana: int, key: int, icv: int) -> Encryption:
    return Encryption(name, iana, key, block=4, iv=8, icv=icv, salt=4, rfc="RFC 4106")


ENCRYPTION: Mapping[str, Encryption] = {
    cipher.name: cipher
    for cipher in (
        Encryption("null", 11, 0, block=4, iv=0, rfc="RFC 2410"),
        Encryption("des-cbc", 2, 8, block=8, iv=8, rfc="RFC 2405"),
        Encryption("3des-cbc", 3, 24, block=8, iv=8, rfc="RFC 2451"),
        Encryption("aes-cbc-128", 12, 16, block=16, iv=16, rfc="RFC 3602"),
        Encryption("aes-cbc-192", 12, 24, block=16, iv=16, rfc="RFC 3602"),
        Encryption("aes-cbc-256", 12, 32, block=16, iv=16, rfc="RFC 3602"),
        _gcm("aes-128-gcm-64", 18, 16, 8),
        _gcm("aes-128-gcm-96", 19, 16, 12),
        _gcm("aes-128-gcm-128", 20, 16, 16),
        _gcm("aes-192-gcm", 20, 24, 16),
        _gcm("aes-256-gcm-64", 18, 32, 8),
        _gcm("aes-256-gcm-96", 19, 32, 12),
        _gcm("aes-256-gcm-128", 20, 32, 16),
    )
}

INTEGRITY: Mapping[str, Integrity] = {
    integrity.name: integrity
    for integrity in (
        Integrity("null", 0, 0, 0),
        Integrity("md5-96", 1, 16, 12, "RFC 2403"),
        Integrity("sha1-96", 2, 20, 12, "RFC 2404"),
        Integrity("aes-xcbc-96", 5, 16, 12, "RFC 3566"),
        Integrity("sha2-256-128", 12, 32, 16, "RFC 4868"),
        Integrity("sha2-384-192", 13, 48, 24, "RFC 4868"),
        Integrity("sha2-512-256", 14, 64, 32, "RFC 4868"),
    )
}

PRF: Mapping[str, Prf] = {
    prf.name: prf for prf in (Prf("md5", 1, "RFC 2104"), Prf("sha1", 2, "RFC 2104"), Prf("aes-xcbc-128", 4, "RFC 4434"))
}

DH_GROUPS: Mapping[int, DhGroup] = {
    group.number: group for group in (DhGroup(1, 768), DhGroup(2, 1024), DhGroup(5, 1536), DhGroup(14, 2048))
}


def key_material(encryption: str, integrity: str) -> tuple[int, int]:
    """Bytes of keying material one SA takes: (cipher key with its salt, integrity key). KeyError if unknown."""
    cipher = ENCRYPTION[encryption]
    return cipher.key + cipher.salt, INTEGRITY[integrity].key
