"""Intent in, VICI messages out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

import pytest

from cryptomap_backend.conformance import PSK, example_tunnel
from cryptomap_backend.intent import (
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
    TunnelKind,
    bound,
)
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.strongswan.messages import Connection, Translator

TRANSLATOR = Translator(marks=Marks())


def body_of(tunnel: Tunnel | Responder, translator: Translator = TRANSLATOR) -> tuple[dict[str, Any], dict[str, Any]]:
    """The connection without its children, and its only child."""
    body = dict(translator.connection(tunnel).body)
    (child,) = body.pop("children").values()
    return body, child


def with_ike(tunnel: Tunnel, **changes: Any) -> Tunnel:
    assert tunnel.ike is not None
    return replace(tunnel, ike=replace(tunnel.ike, **changes))


def with_child(tunnel: Tunnel, **changes: Any) -> Tunnel:
    (child,) = tunnel.children
    return replace(tunnel, children=(replace(child, **changes),))


def test_a_tunnel_is_a_connection() -> None:
    connection = TRANSLATOR.connection(example_tunnel())
    assert connection.name == "cryptomap:t:ipsec-d/foo1@loopback"
    body, child = body_of(example_tunnel())
    assert body == {
        "version": "2",
        "local_addrs": ["192.0.2.1"],
        "remote_addrs": ["198.51.100.1"],
        "proposals": ["aes128-sha1-prfsha1-modp1024"],
        "local": {"auth": "psk", "id": "192.0.2.1"},
        "remote": {"auth": "psk", "id": "198.51.100.1"},
        "dscp": "000000",
        "fragmentation": "yes",
        "mobike": "no",
        "keyingtries": "1",
        "unique": "never",
        "over_time": "8640s",
        "rekey_time": "0s",
        "reauth_time": "77760s",
    }
    assert int(child.pop("rekey_packets")) >= 1 << 60  # never; it tells generations apart
    assert child == {
        "mode": "tunnel",
        "local_ts": ["203.0.113.0/25[17]"],
        "remote_ts": ["10.0.1.0/24[17]"],
        "dpd_action": "none",
        "close_action": "none",
        "copy_dscp": "out",
        "copy_df": "yes",
        "life_time": "86400s",
        "rekey_time": "0s",
        "rand_time": "0s",
        "life_packets": "4293918720",
        "rand_packets": "0",
        "priority": "2147483649",
        "esp_proposals": ["aes128-sha1"],
        "set_mark_out": "0x68/0x7f",
        "start_action": "trap",
    }


def test_settings_of_ike_are_translated() -> None:
    tunnel = with_ike(
        example_tunnel(),
        proposals=(IkeProposal("A", "aes-cbc-256", "sha2-256-128", "aes-xcbc-128", 14, 1000), IkeProposal("B")),
        local=Authentication(identity="gw.example"),
        remote=Authentication(identity="peer@example"),
        dscp=46,
        rekey=True,
        fragmentation=False,
        dpd=DeadPeerDetection(interval=30),
    )
    body, _ = body_of(tunnel)
    assert body["proposals"] == ["aes256-sha256-prfaesxcbc-modp2048", "aes128-sha1-prfsha1-modp1024"]
    assert (body["local"]["id"], body["remote"]["id"]) == ("gw.example", "peer@example")
    assert (body["dscp"], body["fragmentation"], body["dpd_delay"]) == ("101110", "no", "30s")
    assert (body["rekey_time"], body["over_time"], body["reauth_time"]) == ("900s", "100s", "0s")


@pytest.mark.parametrize(
    ("proposal", "key", "text"),
    [
        (EspProposal("S"), "esp_proposals", "aes128-sha1"),
        (EspProposal("S", encryption="null", integrity="md5-96"), "esp_proposals", "null-md5"),
        (EspProposal("S", encryption="aes-256-gcm-96", integrity="null"), "esp_proposals", "aes256gcm12"),
        (EspProposal("S", encryption="aes-192-gcm", integrity="null"), "esp_proposals", "aes192gcm16"),
        (EspProposal("S", dh_group=5, esn=True), "esp_proposals", "aes128-sha1-modp1536-esn"),
        (EspProposal("S", "ah", "null", "aes-xcbc-96", dh_group=1), "ah_proposals", "aesxcbc-modp768"),
    ],
)
def test_transform_sets_are_proposals(proposal: EspProposal, key: str, text: str) -> None:
    _, child = body_of(with_child(example_tunnel(), proposals=(proposal,)))
    assert child[key] == [text]
    assert len([name for name in child if name.endswith("_proposals")]) == 1


def test_the_order_of_transform_sets_is_kept() -> None:
    sets = tuple(EspProposal(name, integrity=name) for name in ("sha2-512-256", "md5-96", "sha1-96"))
    _, child = body_of(with_child(example_tunnel(), proposals=sets))
    assert child["esp_proposals"] == ["aes128-sha512", "aes128-md5", "aes128-sha1"]


@pytest.mark.parametrize(
    ("selector", "local", "remote"),
    [
        (Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")), ["10.1.0.0/16"], ["10.2.0.0/16"]),
        (
            Selector(IPv6Network("fd01::/64"), IPv6Network("fd02::/64"), 6, ((80, 80), (8000, 8010))),
            ["fd01::/64[6/80]", "fd01::/64[6/8000-8010]"],
            ["fd02::/64[6]"],
        ),
        (
            Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"), None, (), ((53, 53),)),
            ["10.1.0.0/16"],
            ["10.2.0.0/16[/53]"],
        ),
        (
            Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"), 1, ((8, 8),)),
            ["10.1.0.0/16[1/2048-2303]"],
            ["10.2.0.0/16[1/2048-2303]"],
        ),
        (
            Selector(IPv6Network("fd01::/64"), IPv6Network("fd02::/64"), 58, ((1, 1),), ((4, 4),)),
            ["fd01::/64[58/260]"],
            ["fd02::/64[58/260]"],
        ),
        (
            Selector(IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"), 1),
            ["10.1.0.0/16[1]"],
            ["10.2.0.0/16[1]"],
        ),
    ],
)
def test_a_crypto_acl_is_a_pair_of_selectors(selector: Selector, local: list[str], remote: list[str]) -> None:
    _, child = body_of(replace(example_tunnel(), selector=selector))
    assert (child["local_ts"], child["remote_ts"]) == (local, remote)


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"lifetime": 1000, "rekey": True}, ("1000s", "900s", "100s")),
        ({"lifetime": 1000, "rekey": False}, ("1000s", "0s", "0s")),
        ({"lifetime": None, "rekey": True}, ("0s", "0s", "0s")),
    ],
)
def test_lifetimes_of_a_payload(changes: dict[str, Any], times: tuple[str, str, str]) -> None:
    _, child = body_of(with_child(example_tunnel(), **changes))
    assert (child["life_time"], child["rekey_time"], child["rand_time"]) == times


def test_a_volume_and_a_sequence_number_end_a_payload() -> None:
    _, child = body_of(with_child(example_tunnel(), lifetime_kilobytes=10, lifetime_sequence=1000))
    assert (child["life_bytes"], child["rekey_bytes"], child["rand_bytes"]) == ("10240", "0", "0")
    assert child["life_packets"] == "1000"
    _, child = body_of(with_child(example_tunnel(), lifetime_kilobytes=10, lifetime_sequence=1000, rekey=True))
    assert (child["life_bytes"], child["rekey_bytes"], child["rand_bytes"]) == ("10240", "9216", "1024")
    assert (child["life_packets"], child["rekey_packets"]) == ("1000", "900")
    assert 50 <= int(child["rand_packets"]) <= 100


@pytest.mark.parametrize("rekey", [False, True])
def test_two_generations_of_a_payload_are_no_duplicates(rekey: bool) -> None:
    """Of another name of a transform set charon learns nothing else."""
    bodies = [
        body_of(with_child(example_tunnel(), proposals=(EspProposal(name),), rekey=rekey))[1] for name in ("A", "B")
    ]
    assert bodies[0] != bodies[1]


def test_the_applied_dscp_is_the_mark_and_not_the_configured_one() -> None:
    tunnel = replace(example_tunnel(dscp=0x12), applied=(("A-foo", 0x28),))
    assert body_of(tunnel)[1]["set_mark_out"] == "0x68/0x7f"
    assert body_of(replace(tunnel, applied=(("A-foo", 0),)))[1]["set_mark_out"] == "0x40/0x7f"
    assert body_of(replace(tunnel, applied=(("A-foo", None),)))[1]["set_mark_out"] == "0x0/0x7f"
    assert "set_mark_out" not in body_of(tunnel, Translator())[1]


def test_sets_with_other_dscps_have_children_of_their_own() -> None:
    sets = (EspProposal("A", dscp=1), EspProposal("B", integrity="md5-96", dscp=2), EspProposal("C", dscp=1))
    tunnel = bound(with_child(example_tunnel(), proposals=sets))
    connection = TRANSLATOR.connection(tunnel)
    bodies = [
        (child["esp_proposals"], child["set_mark_out"], child["start_action"])
        for child in connection.body["children"].values()
    ]
    assert bodies == [
        (["aes128-sha1", "aes128-md5", "aes128-sha1"], "0x41/0x7f", "trap"),
        (["aes128-md5"], "0x42/0x7f", "none"),
    ]
    assert [(key, name.dscp) for key, name in connection.variants.items()] == [(("foo-sa0", 2), 2)]
    assert connection.child_names == connection.body["children"].keys()


def test_modes_and_the_dont_fragment_bit() -> None:
    transport = with_child(example_tunnel(), proposals=(EspProposal("S", mode=Mode.TRANSPORT),))
    assert body_of(transport)[1]["mode"] == "transport"
    assert body_of(replace(example_tunnel(), df_bit=DfBit.CLEAR))[1]["copy_df"] == "no"


def test_without_acquires_nothing_is_trapped() -> None:
    assert body_of(example_tunnel(), Translator(traps=False))[1]["start_action"] == "none"
    connection = Translator(traps=False).connection(example_tunnel(initiate=Initiate.TRAFFIC))
    assert (connection.initiates, connection.reachable) == (False, True)


def test_a_dynamic_map_answers_anybody() -> None:
    dynamic = replace(example_tunnel(), kind=TunnelKind.DYNAMIC, remote=None, selector=None)
    body, child = body_of(dynamic)
    assert (body["remote_addrs"], body["remote"]["id"]) == (["%any"], "%any")
    assert (child["local_ts"], child["remote_ts"], child["start_action"]) == (["0.0.0.0/0"], ["0.0.0.0/0"], "none")
    assert not TRANSLATOR.connection(dynamic).reachable


def responder(**changes: Any) -> Responder:
    authentication = Authentication(secret=_secret("template"))
    ike = Ike((IkeProposal("I"),), authentication, authentication)
    child = Child("any", (EspProposal("E", dscp=10),), family=6)
    return replace(
        Responder(ResponderId("ipsec-d", "pgw"), "template", IPv4Address("192.0.2.9"), ike, (child,)), **changes
    )


def test_a_template_answers_anybody() -> None:
    body, child = body_of(responder())
    assert TRANSLATOR.connection(responder()).name == "cryptomap:r:ipsec-d/pgw"
    assert (body["local_addrs"], body["remote_addrs"], body["unique"]) == (["192.0.2.9"], ["%any"], "never")
    assert (child["remote_ts"], child["set_mark_out"], child["start_action"]) == (["::/0"], "0x4a/0x7f", "none")


# ===== keys =====


def _secret(fingerprint: str, clear: bytes = PSK) -> Secret:
    return Secret(fingerprint, lambda: clear)


def owners(connection: Connection) -> list[tuple[str, ...]]:
    return [shared.owners for shared in connection.shared]


def test_one_key_serves_both_directions() -> None:
    connection = TRANSLATOR.connection(example_tunnel())
    assert owners(connection) == [("192.0.2.1", "198.51.100.1")]
    (shared,) = connection.shared
    assert shared.name.startswith("cryptomap:t:ipsec-d/foo1@loopback#")
    assert shared.message() == {
        "id": shared.name,
        "type": "IKE",
        "data": PSK,
        "owners": ["192.0.2.1", "198.51.100.1"],
    }


def test_a_key_of_the_peer_serves_for_its_proof_only() -> None:
    tunnel = with_ike(
        example_tunnel(), local=Authentication(secret=_secret("ours")), remote=Authentication(secret=_secret("theirs"))
    )
    assert owners(TRANSLATOR.connection(tunnel)) == [("192.0.2.1", "198.51.100.1"), ("198.51.100.1",)]


def test_a_template_has_a_key_for_whoever_comes() -> None:
    assert owners(TRANSLATOR.connection(responder())) == [("192.0.2.9",)]


def test_another_key_has_another_name() -> None:
    names = {
        TRANSLATOR.connection(with_ike(example_tunnel(), local=Authentication(secret=_secret(text)))).shared[0].name
        for text in ("one", "two")
    }
    assert len(names) == 2


def test_no_key_is_printed() -> None:
    assert PSK.decode() not in repr(TRANSLATOR.connection(example_tunnel()))
