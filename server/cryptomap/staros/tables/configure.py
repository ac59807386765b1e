"""The outer modes: configure, context, and what stands in a context besides IPsec."""

from __future__ import annotations

from cryptomap.staros.addresses import InterfaceAddress
from cryptomap.staros.arguments import Flag, Value
from cryptomap.staros.forms import AddressOf
from cryptomap.staros.grammar import Mode
from cryptomap.staros.rules import Placement, Rule
from cryptomap.staros.statements import Command, Entry
from cryptomap.staros.tables.crypto import CRYPTO_MAPS, SERVICES, TEMPLATES, TRANSFORM_SETS
from cryptomap.staros.tables.qos import ASSOCIATE, QOS

__all__ = ["CONFIGURE"]

_ACCESS_LIST = Mode("access-list", (Rule("permit"), Rule("deny"), Placement("before"), Placement("after")))

_ACCESS_LISTS = tuple(
    Entry(
        f"{word} access-list",
        (Value("name"),),
        at="cryptomap-acl:access-list",
        mode=_ACCESS_LIST,
        fixed={"family": family},
    )
    for word, family in (("ip", "ipv4"), ("ipv6", "ipv6"))
)

_VRF = Mode("ip vrf", ASSOCIATE)

_INTERFACE = Mode(
    "interface",
    (
        Command("description", (Value("description"),)),  # recalled, as the next three
        Command("ip vrf forwarding", (Value("vrf"),)),
        Command("ip address", (InterfaceAddress("ipv4"),)),
        Command("ipv6 address", (InterfaceAddress("ipv6"),)),
        Entry("crypto-map", (Value("name"),), at="cryptomap-ipsec:crypto-map"),
    ),
)

_SX_SERVICE = Mode(
    "sx-service",
    (
        Command("bind ipv4-address", (Value("local-address", form=AddressOf(4)),)),
        Command("bind ipv6-address", (Value("local-address", form=AddressOf(6)),)),
    ),
)

_FOREIGN = "this server has nothing for it"

_CONTEXT = Mode(
    "context",
    (
        Entry("ip vrf", (Value("name"),), at="vrf", mode=_VRF),
        *_ACCESS_LISTS,
        *TRANSFORM_SETS,
        *CRYPTO_MAPS,
        *TEMPLATES,
        Entry("interface", (Value("name"), Flag("loopback", "loopback")), at="interface", mode=_INTERFACE),
        *SERVICES,
        Entry(
            "sx-service",
            (Value("name"),),
            at="cryptomap-application:application",
            mode=_SX_SERVICE,
            fixed={"type": "cryptomap-types:sx"},
        ),
        *ASSOCIATE,
    ),
    foreign={
        "aaa group": _FOREIGN,
        "apn": _FOREIGN,
        "crypto group": _FOREIGN,
        "gtpp group": _FOREIGN,
        "router": _FOREIGN,
        "service-redundancy-protocol": "only its protection by a crypto map is configured here, by NETCONF",
        "subscriber": _FOREIGN,
        "*-service": _FOREIGN,
    },
)

CONFIGURE = Mode(
    "configure",
    (*QOS, Entry("context", (Value("name"),), at="cryptomap-context:contexts/context", mode=_CONTEXT)),
    foreign={
        "active-charging service": _FOREIGN,
        "card": _FOREIGN,
        "port": _FOREIGN,
    },
)
"""The mode of a configuration file."""
