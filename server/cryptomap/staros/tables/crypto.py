"""Transform sets, ISAKMP policies, crypto maps, crypto templates and the services that bind one."""

from __future__ import annotations

from cryptomap.staros.arguments import Fixed, Value, Values
from cryptomap.staros.forms import Hex, Plain
from cryptomap.staros.grammar import Mode, Source, Statement
from cryptomap.staros.keys import KeyMaterial
from cryptomap.staros.manual_sets import IPSEC_SETS, SETS, ManualSet, SharedMode
from cryptomap.staros.paths import entries_at, text_at, values_at
from cryptomap.staros.statements import Command, Entry
from cryptomap.staros.tables.ike import (
    CERTIFICATES,
    EAP,
    IKE_SA,
    MAP_PAYLOADS,
    PEER_CHECKS,
    TEMPLATE_PAYLOADS,
    authentication,
)

__all__ = ["CRYPTO_MAPS", "SERVICES", "TEMPLATES", "TRANSFORM_SETS"]

# ===== transform sets =====

_IKE_SET = Mode(
    "ikev2-ikesa transform-set",
    (
        Command("encryption", (Value("encryption"),)),
        Command("hmac", (Value("hmac"),)),
        # aes-scbc-128 is how StarOS is said to spell it.
        Command("prf", (Value("prf", form=Plain(also={"aes-scbc-128": "aes-xcbc-128"})),)),
        Command("group", (Value("group"),)),
        Command("lifetime", (Value("lifetime"),)),
    ),
)

_IPSEC_SET = Mode(
    IPSEC_SETS,
    (
        Command("encryption", (Value("encryption"),)),
        Command("hmac", (Value("hmac"),)),
        Command("group", (Value("group"),)),
        Command("mode", (Value("mode"),)),
        Command("esn", switch="esn"),
        Command("dscp", (Value("dscp", form=Hex(2)),)),
    ),
)

_ISAKMP = Mode(
    "ikev1 policy",
    (
        Command("authentication", (Value("authentication", form=Plain(spelling={"pre-shared-key": "preshared-key"})),)),
        Command("encryption", (Value("encryption"),)),
        Command("hash", (Value("hash"),)),
        Command("group", (Value("group"),)),
        Command("lifetime", (Value("lifetime"),)),
    ),
)

TRANSFORM_SETS = (
    Entry("ikev1 policy", (Value("priority"),), at="cryptomap-ipsec:isakmp-policy", mode=_ISAKMP),
    Entry("ikev2-ikesa transform-set", (Value("name"),), at="cryptomap-ipsec:ikev2-ikesa-transform-set", mode=_IKE_SET),
    Entry(IPSEC_SETS, (Value("name"),), at=SETS, mode=_IPSEC_SET, fixed={"protocol": "esp"}),
    ManualSet(Mode("crypto ipsec transform-set", (SharedMode(),))),
)

# ===== crypto maps =====

_MATCH = Command("match address", (Value("match-address"), Value("match-preference", optional=True)))
_DONT_FRAGMENT = Command("control-dont-fragment", (Value("control-dont-fragment"),))

_NEGOTIATED: tuple[Statement, ...] = (
    *authentication("local"),
    *authentication("remote"),
    *IKE_SA,
    *MAP_PAYLOADS,
    *PEER_CHECKS,
    *CERTIFICATES,
    _DONT_FRAGMENT,
)

_IKEV2_MAP = Mode("crypto map", (_MATCH, Command("peer", (Value("peer"),)), *_NEGOTIATED))
_DYNAMIC_MAP = Mode("crypto map ipsec-dynamic", (_MATCH, *_NEGOTIATED))


def _is_for_ah(source: Source) -> bool:
    """Whether the transform set of a manual map is AH."""
    if source.context is None:
        return False
    sets = entries_at(source.context, SETS)
    used = [sets.get(name) for name in values_at(source.node, "manual/transform-set")]
    return any(entry is not None and text_at(entry, "protocol") == "ah" for entry in used)


def _session_key(direction: str) -> tuple[Command, ...]:
    at = f"manual/session-key/{direction}"
    words = f"set session-key {direction}"
    spi, cipher, authenticator = Value(f"{at}/spi"), f"{at}/cipher-key", f"{at}/authenticator-key"

    def for_ah(source: Source) -> bool:
        return _is_for_ah(source) and source.explicit(cipher) is None

    def for_esp(source: Source) -> bool:
        return not for_ah(source)

    return (
        Command(
            f"{words} ah", (spi, KeyMaterial((("key", authenticator),))), clears=(cipher,), undo=words, when=for_ah
        ),
        Command(
            f"{words} esp",
            (spi, KeyMaterial((("cipher", cipher), ("authenticator", authenticator)))),
            undo=words,
            when=for_esp,
        ),
    )


_MANUAL_MAP = Mode(
    "crypto map ipsec-manual",
    (
        _MATCH,
        Command("set peer", (Value("peer"),)),
        Command("set transform-set", (Values("manual/transform-set"),)),
        *_session_key("inbound"),
        *_session_key("outbound"),
        Command("set control-dont-fragment", (Value("control-dont-fragment"),)),
        Command("set ip mtu", (Value("manual/mtu"),)),
    ),
)

_MAP_TYPES = (
    ("ikev2-ipv4", "ikev2-ipv4", _IKEV2_MAP),
    ("ikev2-ipv6", "ikev2-ipv6", _IKEV2_MAP),
    ("ipsec-manual", "manual", _MANUAL_MAP),
    ("ipsec-dynamic", "dynamic", _DYNAMIC_MAP),
)
"""StarOS word, YANG type, commands. There is no ipsec-ikev1 (oddity O-17)."""

CRYPTO_MAPS = tuple(
    Entry(
        "crypto map",
        (Value("name"), Fixed(word)),
        at="cryptomap-ipsec:crypto-map",
        mode=mode,
        fixed={"type": kind},
    )
    for word, kind, mode in _MAP_TYPES
)

# ===== templates and services =====

_TEMPLATE = Mode(
    "crypto template",
    (
        *authentication("local"),
        *authentication("remote"),
        *EAP,
        *IKE_SA,
        *TEMPLATE_PAYLOADS,
        *PEER_CHECKS,
        *CERTIFICATES,
        _DONT_FRAGMENT,
        Command(
            "max-childsa",
            (
                Value("max-childsa/maximum"),
                Value("max-childsa/overload-action", "overload-action", optional=True),
            ),
        ),
    ),
)

TEMPLATES = (
    Entry(
        "crypto template",
        (Value("name"), Fixed("ikev2-dynamic")),
        at="cryptomap-ipsec:crypto-template",
        mode=_TEMPLATE,
    ),
)

_SECURITY_SERVICE = Mode(
    "security-service",
    (
        Command(
            "bind address",
            (Value("bind/address"), Value("bind/crypto-template", "crypto-template", optional=True)),
            undo="bind",
        ),
    ),
)

SERVICES = (Entry("security-service", (Value("name"),), at="cryptomap-ipsec:security-service", mode=_SECURITY_SERVICE),)
"""The seed names no such service; the word is the one of the model."""
