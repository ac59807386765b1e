"""The ciphers and integrity algorithms of the table, on bytes, by ``cryptography``."""

from __future__ import annotations

import hmac
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB, GCM

from cryptomap_backend.algorithms import Encryption

__all__ = ["NotAuthentic", "decrypt", "encrypt", "icv", "xcbc"]


class NotAuthentic(Exception):
    """The integrity check value does not fit."""


_DIGESTS = {
    "md5-96": "md5",
    "sha1-96": "sha1",
    "sha2-256-128": "sha256",
    "sha2-384-192": "sha384",
    "sha2-512-256": "sha512",
}


def encrypt(cipher: Encryption, key: bytes, iv: bytes, aad: bytes, plain: bytes) -> bytes:
    """The ciphertext, with its tag for AEAD. CBC wants ``plain`` in whole blocks; GCM keys end in the salt."""
    if cipher.aead:
        gcm = Cipher(AES(key[: -cipher.salt]), GCM(key[-cipher.salt :] + iv)).encryptor()
        gcm.authenticate_additional_data(aad)
        text = gcm.update(plain) + gcm.finalize()
        return text + gcm.tag[: cipher.icv]
    if cipher.name == "null":
        return plain
    cbc = Cipher(_block_cipher(cipher, key), CBC(iv)).encryptor()
    return cbc.update(plain) + cbc.finalize()


def decrypt(cipher: Encryption, key: bytes, iv: bytes, aad: bytes, text: bytes) -> bytes:
    """The reverse. Raises NotAuthentic for a wrong AEAD tag."""
    if cipher.aead:
        return _open_gcm(cipher, key, iv, aad, text)
    if cipher.name == "null":
        return text
    cbc = Cipher(_block_cipher(cipher, key), CBC(iv)).decryptor()
    return cbc.update(text) + cbc.finalize()


def icv(algorithm: str, size: int, key: bytes, data: bytes) -> bytes:
    """The integrity check value of ``data``, truncated to ``size`` bytes; empty for "null"."""
    if algorithm == "null":
        return b""
    if algorithm == "aes-xcbc-96":
        return xcbc(key, data)[:size]
    return hmac.digest(key, data, _DIGESTS[algorithm])[:size]


def xcbc(key: bytes, data: bytes) -> bytes:
    """AES-XCBC-MAC, all 16 bytes (RFC 3566 section 4)."""
    k1, k2, k3 = _xcbc_keys(key)
    head = max(len(data) - 1, 0) // 16 * 16
    last, mask = data[head:], k2
    if len(last) < 16:
        last, mask = (last + b"\x80").ljust(16, b"\0"), k3
    chain = Cipher(AES(k1), CBC(bytes(16))).encryptor()
    return chain.update(data[:head] + _xor(last, mask))[-16:]


def _open_gcm(cipher: Encryption, key: bytes, iv: bytes, aad: bytes, text: bytes) -> bytes:
    body, tag = text[: -cipher.icv], text[-cipher.icv :]
    mode = GCM(key[-cipher.salt :] + iv, tag, min_tag_length=cipher.icv)
    gcm = Cipher(AES(key[: -cipher.salt]), mode).decryptor()
    gcm.authenticate_additional_data(aad)
    try:
        return gcm.update(body) + gcm.finalize()
    except InvalidTag as fault:
        raise NotAuthentic from fault


def _block_cipher(cipher: Encryption, key: bytes) -> CipherAlgorithm:
    if cipher.name == "des-cbc":
        return TripleDES(key * 3)  # three times the same key is single DES
    return TripleDES(key) if cipher.name == "3des-cbc" else AES(key)


@lru_cache(maxsize=4096)
def _xcbc_keys(key: bytes) -> tuple[bytes, bytes, bytes]:
    book = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - RFC 3566 derives its keys this way
    k1, k2, k3 = (book.update(bytes((number,)) * 16) for number in (1, 2, 3))
    return k1, k2, k3


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
