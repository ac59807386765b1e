"""No setting is kept in silence: each changes what charon is told or when a tunnel is negotiated, or is a limit that
capabilities declare."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest

from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import (
    NO_PREFERENCE,
    Authentication,
    Child,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    Mode,
    Responder,
    ResponderId,
    Secret,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
)
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.strongswan.limits import complaints
from cryptomap_backend.strongswan.messages import Connection, Translator
from cryptomap_backend.table import STRONGSWAN, USER_SPACE

ENDS = IPv4Address("192.0.2.8"), IPv4Address("192.0.2.9")
KEY = Secret("another", lambda: b"another")

TUNNEL: dict[str, Any] = {
    "id": TunnelId("ipsec-d", "bar", "loopback"),
    "kind": TunnelKind.MANUAL,
    "local": ENDS[0],
    "remote": ENDS[1],
    "selector": Selector(IPv4Network("10.0.0.0/8"), IPv4Network("10.0.0.0/8")),
    "initiate": Initiate.TRAFFIC,
    "df_bit": DfBit.CLEAR,
    "preference": 5,
    "applied": (("A-foo", 1),),
}
IKE: dict[str, Any] = {
    "local": Authentication(secret=KEY),
    "remote": Authentication(secret=KEY, identity="peer"),
    "dscp": 46,
    "max_retransmissions": 3,
    "retransmission_timeout_ms": 900,
    "exponential": True,
    "rekey": True,
    "disallow_param_change": True,
    "dpd": DeadPeerDetection(interval=30),
    "fragmentation": False,
    "max_child_sa": 3,
}
CHILD: dict[str, Any] = {
    "lifetime": 60,
    "rekey": True,
    "ignore_rekey": True,
    "max_child_sa": 2,
    "mtu": 1300,
    "lifetime_kilobytes": 10,
    "lifetime_sequence": 1000,
}
IKE_SET: dict[str, Any] = {
    "encryption": "aes-cbc-256",
    "integrity": "md5-96",
    "prf": "md5",
    "dh_group": 14,
    "lifetime": 600,
}
ESP_SET: dict[str, Any] = {
    "protocol": "ah",
    "encryption": "aes-cbc-256",
    "integrity": "md5-96",
    "dh_group": 14,
    "mode": Mode.TRANSPORT,
    "esn": True,
}
DPD: dict[str, Any] = {"interval": 5, "timeout": 5, "retries": 5}

ELSEWHERE = {
    Tunnel: {"family", "children", "ike", "manual", "vrf", "natt"},  # of the addresses; below; a limit; marking; a note
    Ike: {
        *("proposals", "allow_empty", "error_notification", "rfc5996_notification"),  # below; notes
        *("ca_certificates", "crls", "setup_timer"),  # files that are read; the monitor's clock
    },
    Child: {"name", "proposals", "family", "rekey_keepalive", "tsi", "tsr"},  # a name; below; a note; of templates
    IkeProposal: {"name"},
    EspProposal: {"name", "dscp"},  # the applied one counts
    DeadPeerDetection: set(),
}
"""Where no value of the tables above can show what becomes of a field."""

EVERY = {Tunnel: TUNNEL, Ike: IKE, Child: CHILD, IkeProposal: IKE_SET, EspProposal: ESP_SET, DeadPeerDetection: DPD}


def base() -> Tunnel:
    """With dead peer detection, and without a preference."""
    tunnel = replace(example_tunnel(), preference=NO_PREFERENCE)
    assert tunnel.ike is not None
    return replace(tunnel, ike=replace(tunnel.ike, dpd=DeadPeerDetection()))


def changed(kind: type, name: str, value: Any) -> Tunnel:
    tunnel, change = base(), {name: value}
    ike, (child,) = tunnel.ike, tunnel.children
    assert ike is not None
    assert ike.dpd is not None
    if kind is Tunnel:
        return replace(tunnel, **change)
    if kind is IkeProposal:
        return replace(tunnel, ike=replace(ike, proposals=(replace(ike.proposals[0], **change),)))
    if kind is DeadPeerDetection:
        return replace(tunnel, ike=replace(ike, dpd=replace(ike.dpd, **change)))
    if kind is Ike:
        return replace(tunnel, ike=replace(ike, **change))
    if kind is EspProposal:
        return replace(tunnel, children=(replace(child, proposals=(replace(child.proposals[0], **change),)),))
    return replace(tunnel, children=(replace(child, **change),))


def told(connection: Connection) -> object:
    """What charon and the keeper are told, without the names, in which any change shows."""
    body = dict(connection.body)
    children = [
        {key: text for key, text in child.items() if key not in ("rekey_packets", "rand_packets")}
        for child in body.pop("children").values()
    ]
    keys = [(shared.secret.fingerprint, shared.owners) for shared in connection.shared]
    return body, children, keys, connection.initiates, connection.name


def declared(tunnel: Tunnel) -> set[str]:
    return {complaint.feature for complaint in (*STRONGSWAN.complaints(tunnel), *complaints(tunnel, marks=True))}


def translated(item: Tunnel) -> object:
    return None if item.kind is TunnelKind.MANUAL else told(Translator(marks=Marks()).connection(item))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, values in EVERY.items() for name in values])
def test_a_setting_is_carried_or_declared(kind: type, name: str) -> None:
    tunnel = changed(kind, name, EVERY[kind][name])
    assert translated(tunnel) != translated(base()) or declared(tunnel) - declared(base())


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_no_setting_is_forgotten(kind: type) -> None:
    assert {field.name for field in fields(kind)} == EVERY[kind].keys() | ELSEWHERE[kind]


def test_what_is_the_same_whatever_is_set_is_told_too() -> None:
    notes = " ".join(STRONGSWAN.notes.values())
    for words in (
        *("allow-empty-ikesa", "rekeys an idle SA too", "notifies the peer of all errors", "NAT detection"),
        "has no pool",
    ):
        assert words in notes


def test_what_is_of_the_whole_daemon_is_told() -> None:
    notes = " ".join(STRONGSWAN.notes.values())
    for option in (
        *("retransmit_tries", "cookie_threshold", "half_open_timeout", "fragment_size", "hash_and_url"),
        "container ocsp",
    ):
        assert option in notes


def template(**changes: Any) -> Responder:
    child = replace(Child("any", (EspProposal("E"),)), **changes)
    proof = Authentication(secret=KEY)
    return Responder(ResponderId("c", "s"), "t", ENDS[0], Ike((IkeProposal("I"),), proof, proof), (child,))


@pytest.mark.parametrize(
    ("changes", "ours", "theirs"),
    [
        ({}, "0.0.0.0/0", "0.0.0.0/0"),
        ({"family": 6}, "::/0", "::/0"),
        ({"tsi": ENDS}, "0.0.0.0/0", "192.0.2.8-192.0.2.9"),
        ({"tsr": (IPv6Address("fd00::1"), IPv6Address("fd00::9")), "family": 6}, "fd00::1-fd00::9", "::/0"),
    ],
)
def test_a_template_answers_for_a_range_of_addresses(changes: dict[str, Any], ours: str, theirs: str) -> None:
    (child,) = Translator().connection(template(**changes)).body["children"].values()
    assert (child["local_ts"], child["remote_ts"]) == ([ours], [theirs])


def test_a_setup_timer_of_a_template_is_told_to_be_the_daemons() -> None:
    responder = template()
    timed = replace(responder, ike=replace(responder.ike, setup_timer=30))
    assert not list(complaints(responder, marks=True))
    (complaint,) = complaints(timed, marks=True)
    assert "half_open_timeout" in complaint.message
    assert not complaint.fatal


def test_a_preference_is_a_priority_of_the_kernel_and_nothing_in_user_space() -> None:
    first, second = (
        next(iter(Translator().connection(replace(base(), preference=preference)).body["children"].values()))
        for preference in (7, NO_PREFERENCE)
    )
    assert int(first["priority"]) == 0x10007
    assert int(first["priority"]) < int(second["priority"]) < 1 << 32
    preferred = replace(base(), preference=7)
    (child,) = Translator(traps=False).connection(preferred).body["children"].values()
    assert "priority" not in child
    assert "match-preference" in {complaint.feature for complaint in USER_SPACE.complaints(preferred)}
