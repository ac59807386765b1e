"""What a backend says it cannot do, about what, in which words."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.conformance import example_l2, example_manual, example_tunnel
from cryptomap_backend.intent import (
    Authentication,
    Child,
    DfBit,
    EspProposal,
    Ike,
    IkeProposal,
    L2Marking,
    L2Table,
    Mode,
    Responder,
    ResponderId,
    Tunnel,
    TunnelKind,
)

FULL = Capabilities("demo")


def child(**changes: object) -> tuple[Child, ...]:
    return (Child("p", (EspProposal("X", **changes),)),)  # type: ignore[arg-type]


def features(able: Capabilities, tunnel: Tunnel) -> list[tuple[str, str | None]]:
    return [(complaint.feature, complaint.item) for complaint in able.complaints(tunnel)]


def test_a_full_backend_complains_about_nothing() -> None:
    assert features(FULL, example_tunnel()) == []
    assert features(FULL, example_manual()) == []
    assert list(FULL.l2_complaints(example_l2())) == []


@pytest.mark.parametrize(
    ("lacks", "tunnel", "complaint"),
    [
        (
            {"esp_encryption": frozenset({"null"})},
            example_tunnel(),
            ("aes-cbc-128", "A-foo"),
        ),
        ({"esp_integrity": frozenset()}, example_tunnel(), ("sha1-96", "A-foo")),
        ({"dh_groups": frozenset({14})}, example_tunnel(), ("2", "ikesa-foo")),
        ({"ike_prf": frozenset()}, example_tunnel(), ("sha1", "ikesa-foo")),
        ({"kinds": frozenset({TunnelKind.MANUAL})}, example_tunnel(), ("ikev2", None)),
        ({"modes": frozenset({Mode.TUNNEL})}, replace(example_tunnel(), children=child(mode=Mode.TRANSPORT)),
         ("transport", "X")),
        ({"features": FULL.features - {Feature.ESN}}, replace(example_tunnel(), children=child(esn=True)),
         ("esn", None)),
        ({"features": FULL.features - {Feature.SET_DF}}, replace(example_tunnel(), df_bit=DfBit.SET),
         ("df-bit-set", None)),
        ({"features": FULL.features - {Feature.AH}}, replace(example_tunnel(), children=child(protocol="ah")),
         ("ah", None)),
        ({"features": FULL.features - {Feature.INITIATE_BIND}}, example_tunnel(), ("initiate-at-bind", None)),
        ({"features": FULL.features - {Feature.MIXED_FAMILY}},
         replace(example_tunnel(), children=(Child("six", (EspProposal("X"),), family=6),)),
         ("inner-family-differs", None)),
        ({"manual_encryption": frozenset({"null"})}, example_manual(), ("aes-cbc-128", "M")),
    ],
)  # fmt: skip
def test_each_thing_that_is_missing_is_named(
    lacks: dict[str, object], tunnel: Tunnel, complaint: tuple[str, str | None]
) -> None:
    assert features(replace(FULL, **lacks), tunnel) == [complaint]  # type: ignore[arg-type]


def test_gcm_with_manual_keys_is_always_missing() -> None:
    tunnel = replace(example_manual(), children=child(encryption="aes-128-gcm-128", integrity="null"))
    assert features(FULL, tunnel) == [("aes-128-gcm-128", "X")]


def test_a_tolerated_lack_is_only_a_warning_and_carries_its_note() -> None:
    able = replace(
        FULL,
        features=FULL.features - {Feature.IKE_TIMERS},
        tolerated=frozenset({Feature.IKE_TIMERS}),
        notes={"ike-retransmission-timers": "they are global in strongswan.conf"},
    )
    authentication = Authentication()
    tunnel = replace(
        example_tunnel(), ike=Ike((IkeProposal("i"),), authentication, authentication, max_retransmissions=3)
    )
    (complaint,) = able.complaints(tunnel)
    assert not complaint.fatal
    assert complaint.message == ("backend demo cannot do ike-retransmission-timers: they are global in strongswan.conf")


def test_a_responder_needs_a_backend_that_answers() -> None:
    responder = Responder(ResponderId("c", "s"), "t", IPv4Address("192.0.2.1"), Ike((IkeProposal("i"),)), child())
    able = replace(FULL, features=FULL.features - {Feature.RESPONDER})
    assert [complaint.feature for complaint in able.responder_complaints(responder)] == ["responder"]
    assert list(FULL.responder_complaints(responder)) == []


def test_dei_is_asked_for_only_by_odd_nibbles() -> None:
    able = replace(FULL, features=FULL.features - {Feature.DEI})
    assert list(able.l2_complaints(example_l2())) == []
    odd = L2Marking(system_default=L2Table.of({(0, 0): (0x1, None)}))
    assert [complaint.feature for complaint in able.l2_complaints(odd)] == ["802.1p-dei"]


def test_default_qos_maps_ask_for_nothing() -> None:
    assert list(replace(FULL, features=frozenset()).l2_complaints(L2Marking())) == []
