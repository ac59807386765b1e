"""The algorithms of SSH we negotiate: modern ones, and a profile for clients that know none of them.

Either way strict key exchange is used with each client that knows it (CVE-2023-48795), and nothing is compressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from asyncssh.kex import get_kex_algs

__all__ = ["COMPAT", "MODERN", "PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The names of RFC 4253 section 6, preferred ones first. ``has_rsa_host_key``: whether the server needs an RSA host
    key besides its own."""

    key_exchanges: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    signatures: tuple[str, ...]
    has_rsa_host_key: bool = False

    def options(self) -> Mapping[str, Any]:
        """As asyncssh wants them; a key exchange that the installed OpenSSL lacks is left out."""
        known = {name.decode() for name in get_kex_algs()}
        return {
            "kex_algs": [name for name in self.key_exchanges if name in known],
            "encryption_algs": self.ciphers,
            "mac_algs": self.macs,
            "signature_algs": self.signatures,
        }


MODERN: Final = Profile(
    key_exchanges=(
        "mlkem768x25519-sha256",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
    ),
    ciphers=(
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
    ),
    macs=(
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",  # RFC 6668, for clients on libssh2 before 1.11, such as Debian 12's yangcli
        "hmac-sha2-512",
    ),
    signatures=(
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "rsa-sha2-256",
        "rsa-sha2-512",
    ),
)

COMPAT: Final = Profile(
    key_exchanges=(
        *MODERN.key_exchanges,
        "ecdh-sha2-nistp521",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp256",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group14-sha1",
    ),
    ciphers=MODERN.ciphers,
    macs=MODERN.macs,
    signatures=(*MODERN.signatures, "ssh-rsa"),
    has_rsa_host_key=True,
)
"""For clients on libssh2 before 1.9, which know neither Ed25519 nor Curve25519, and sign with SHA-1: their key exchange
has SHA-1 in it, too. What they encrypt and authenticate with is sound."""

PROFILES: Final[Mapping[str, Profile]] = {"modern": MODERN, "compat": COMPAT}
