"""Algorithms: our keywords, strongSwan's proposal keywords, and the names VICI reports them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptomap_backend.algorithms import ENCRYPTION
from cryptomap_backend.intent import EspProposal, IkeProposal

__all__ = ["ah_proposal", "esp_proposal", "ike_proposal", "loaded", "same_algorithms", "vici_group", "vici_name"]

_ENCRYPTION = {
    "null": "null",
    "des-cbc": "des",
    "3des-cbc": "3des",
    "aes-cbc-128": "aes128",
    "aes-cbc-192": "aes192",
    "aes-cbc-256": "aes256",
    "aes-128-gcm-64": "aes128gcm8",
    "aes-128-gcm-96": "aes128gcm12",
    "aes-128-gcm-128": "aes128gcm16",
    "aes-192-gcm": "aes192gcm16",
    "aes-256-gcm-64": "aes256gcm8",
    "aes-256-gcm-96": "aes256gcm12",
    "aes-256-gcm-128": "aes256gcm16",
}
_INTEGRITY = {
    "md5-96": "md5",
    "sha1-96": "sha1",
    "aes-xcbc-96": "aesxcbc",
    "sha2-256-128": "sha256",
    "sha2-384-192": "sha384",
    "sha2-512-256": "sha512",
}
_PRF = {"md5": "prfmd5", "sha1": "prfsha1", "aes-xcbc-128": "prfaesxcbc"}
_DH = {1: "modp768", 2: "modp1024", 5: "modp1536", 14: "modp2048"}

_VICI_ENCRYPTION = {"NULL": "null", "DES_CBC": "des-cbc", "3DES_CBC": "3des-cbc"}
_VICI_INTEGRITY = {
    "HMAC_MD5_96": "md5-96",
    "HMAC_SHA1_96": "sha1-96",
    "AES_XCBC_96": "aes-xcbc-96",
    "HMAC_SHA2_256_128": "sha2-256-128",
    "HMAC_SHA2_384_192": "sha2-384-192",
    "HMAC_SHA2_512_256": "sha2-512-256",
}
_VICI_PRF = {"PRF_HMAC_MD5": "md5", "PRF_HMAC_SHA1": "sha1", "PRF_AES128_XCBC": "aes-xcbc-128"}
_VICI_DH = {"MODP_768": 1, "MODP_1024": 2, "MODP_1536": 5, "MODP_2048": 14}


def ike_proposal(proposal: IkeProposal) -> str:
    """For example ``aes128-sha1-prfsha1-modp1024``. KeyError for what capabilities do not name."""
    integrity = [] if ENCRYPTION[proposal.encryption].aead else [_INTEGRITY[proposal.integrity]]
    return "-".join([_ENCRYPTION[proposal.encryption], *integrity, _PRF[proposal.prf], _DH[proposal.dh_group]])


def esp_proposal(proposal: EspProposal) -> str:
    """For example ``aes256-sha256-modp2048`` or ``aes128gcm16-esn``."""
    return "-".join([_ENCRYPTION[proposal.encryption], *_common(proposal)])


def ah_proposal(proposal: EspProposal) -> str:
    """For example ``sha1``: AH does not encrypt."""
    return "-".join(_common(proposal))


def _common(proposal: EspProposal) -> Iterable[str]:
    if proposal.integrity != "null":
        yield _INTEGRITY[proposal.integrity]
    if proposal.dh_group is not None:
        yield _DH[proposal.dh_group]
    if proposal.esn:
        yield "esn"


def vici_name(kind: str, reported: Mapping[str, str]) -> str:
    """Our keyword for what VICI reports of an SA; ``kind`` is "encr", "integ" or "prf". What we have no word for is
    given as reported, what is absent is "null"."""
    name = reported.get(f"{kind}-alg")
    if name is None:
        return "null"
    if kind == "integ":
        return _VICI_INTEGRITY.get(name, name)
    if kind == "prf":
        return _VICI_PRF.get(name, name)
    return _VICI_ENCRYPTION.get(name) or _aes(name, reported.get("encr-keysize", "")) or name


def vici_group(reported: Mapping[str, str]) -> int | None:
    """The DH group of an SA, ``None`` if it was made without."""
    return _VICI_DH.get(reported.get("dh-group", ""))


def same_algorithms(proposal: EspProposal, encryption: str, integrity: str, protocol: str) -> bool:
    """True if an SA with these algorithms can come from that proposal. PFS and ESN do not tell: the first child of an
    IKE SA is made without a DH exchange of its own (RFC 7296 section 1.2)."""
    if (proposal.protocol, proposal.integrity) != (protocol, integrity):
        return False
    return protocol == "ah" or proposal.encryption == encryption


def loaded(algorithms: Mapping[str, Mapping[str, str]]) -> tuple[set[str], set[str], set[str], set[int]]:
    """What charon's plugins offer, from the answer to ``get-algorithms``: encryption, integrity, PRFs, DH groups."""
    ciphers = {*algorithms.get("encryption", {}), *algorithms.get("aead", {})}
    sizes = ("128", "192", "256")
    known = {_VICI_ENCRYPTION.get(name) or _aes(name, size) for name in ciphers for size in sizes}
    return (
        {name for name in known if name},
        {_VICI_INTEGRITY[name] for name in algorithms.get("integrity", {}) if name in _VICI_INTEGRITY},
        {_VICI_PRF[name] for name in algorithms.get("prf", {}) if name in _VICI_PRF},
        {_VICI_DH[name] for name in algorithms.get("dh", {}) if name in _VICI_DH},
    )


def _aes(name: str, size: str) -> str | None:
    if name == "AES_CBC":
        return f"aes-cbc-{size}"
    icv = {"AES_GCM_8": "64", "AES_GCM_12": "96", "AES_GCM_16": "128"}.get(name)
    if icv is None:
        return None
    if size == "192":
        return "aes-192-gcm" if icv == "128" else None
    return f"aes-{size}-gcm-{icv}"
