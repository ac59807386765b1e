"""The order of steps, their inverse, and what a change does to live SAs."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from cryptomap_backend.change import between
from cryptomap_backend.conformance import example_l2, example_manual, example_tunnel
from cryptomap_backend.intent import (
    Authentication,
    Child,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    IkeProposal,
    Initiate,
    Intent,
    L2Marking,
    Secret,
    Selector,
    Tunnel,
    TunnelId,
    bound,
    carried,
)
from cryptomap_backend.plan import EffectKind, Plan, effect_of, make_plan

TUNNEL = example_tunnel()


def plan_of(old: Intent, new: Intent, live: int = 1) -> Plan:
    return make_plan(between(old, new), lambda tunnel: live)


def with_ike(**changes: object) -> Tunnel:
    assert TUNNEL.ike is not None
    return replace(TUNNEL, ike=replace(TUNNEL.ike, **changes))  # type: ignore[arg-type]


def with_child(**changes: object) -> Tunnel:
    (child,) = TUNNEL.children
    return replace(TUNNEL, children=(replace(child, **changes),))  # type: ignore[arg-type]


def with_sets(*proposals: EspProposal) -> Tunnel:
    return with_child(proposals=proposals)


UPDATE, REKEY, ANEW, PENDING = (
    EffectKind.UPDATE,
    EffectKind.REKEY,
    EffectKind.RE_ESTABLISH,
    EffectKind.REAPPLY_PENDING,
)


@pytest.mark.parametrize(
    ("new", "kind", "reason"),
    [
        (replace(TUNNEL, remote=IPv4Address("198.51.100.77")), ANEW, "the peer changes"),
        (replace(TUNNEL, local=IPv4Address("192.0.2.9")), ANEW, "the local gateway changes"),
        (replace(TUNNEL, natt=True), ANEW, "the NAT traversal changes"),
        (with_ike(local=Authentication(secret=Secret("new", bytes))), ANEW, "the local authentication changes"),
        (with_ike(proposals=(IkeProposal("i", dh_group=14),)), REKEY, "the list of IKE transform sets changes"),
        (with_ike(dpd=DeadPeerDetection()), UPDATE, "the IKE setting dpd changes"),
        (with_ike(max_retransmissions=3), UPDATE, "the IKE setting max-retransmissions changes"),
        (
            replace(TUNNEL, selector=Selector(IPv4Network("10.0.0.0/8"), IPv4Network("11.0.0.0/8"))),
            REKEY,
            "the traffic selector changes",
        ),
        (
            with_sets(EspProposal("A-foo", integrity="sha2-256-128", dscp=0x28)),
            REKEY,
            "the transform sets of payload foo-sa0 change",
        ),
        (with_sets(EspProposal("A-foo", dscp=0x12)), PENDING, "the DSCP of payload foo-sa0 changes"),
        (with_child(lifetime=9000), UPDATE, "the lifetime of payload foo-sa0 changes"),
        (replace(TUNNEL, df_bit=DfBit.SET), UPDATE, "the don't-fragment handling changes"),
        (replace(TUNNEL, applied=(("A-foo", 1),)), UPDATE, "the applied DSCP changes"),
        (replace(TUNNEL, children=()), ANEW, "payload foo-sa0 goes"),
        (
            replace(TUNNEL, children=(*TUNNEL.children, Child("b", (EspProposal("B"),)))),
            REKEY,
            "payload b is new",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_edit_has_its_effect_and_reason(new: Tunnel, kind: EffectKind, reason: str) -> None:
    assert effect_of(TUNNEL, new) == (kind, (reason,))


def test_the_severest_cause_decides() -> None:
    new = replace(with_child(lifetime=9000), remote=IPv4Address("198.51.100.77"))
    assert effect_of(TUNNEL, new)[0] is ANEW


def test_manual_keys_cannot_be_renegotiated() -> None:
    old = example_manual()
    assert effect_of(old, example_manual(integrity="md5-96"))[0] is ANEW
    assert effect_of(old, replace(old, selector=Selector(IPv4Network("10.0.0.0/8"), IPv4Network("11.0.0.0/8"))))[0] is (
        UPDATE
    )


def test_drops_count_only_what_goes_without_successor() -> None:
    new = Intent.of([replace(example_tunnel(1), remote=IPv4Address("198.51.100.77")), example_tunnel(3)])
    plan = plan_of(Intent.of([example_tunnel(1), example_tunnel(2)]), new, live=2)
    assert [(effect.tunnel.crypto_map, effect.kind, effect.drops) for effect in plan.effects] == [
        ("foo1", EffectKind.RE_ESTABLISH, 2),
        ("foo2", EffectKind.TEARDOWN, 2),
        ("foo3", EffectKind.CREATE, 0),
    ]


def test_pending_is_said_of_the_tunnel_after_the_change() -> None:
    pending = carried(TUNNEL, with_sets(EspProposal("A-foo", dscp=0x12)))
    (effect,) = plan_of(Intent.of([TUNNEL]), Intent.of([pending])).effects
    assert effect.reapply_pending
    (effect,) = plan_of(Intent.of([pending]), Intent.of([bound(pending)])).effects
    assert (effect.kind, effect.reapply_pending) == (UPDATE, False)


def test_qos_maps_first_then_make_before_break() -> None:
    new = Intent.of([example_tunnel(2)], l2=example_l2())
    plan = plan_of(Intent.of([example_tunnel(1)]), new)
    assert [(step.old, step.new) for step in plan.steps] == [
        (L2Marking(), example_l2()),
        (None, example_tunnel(2)),
        (example_tunnel(1), None),
    ]


def test_a_place_that_is_taken_over_is_freed_first() -> None:
    renamed = replace(TUNNEL, id=TunnelId("ipsec-d", "bar", "loopback"))
    plan = plan_of(Intent.of([TUNNEL]), Intent.of([renamed]))
    assert [(step.old, step.new) for step in plan.steps] == [(TUNNEL, None), (None, renamed)]


def test_the_inverse_undoes_the_last_step_first() -> None:
    plan = plan_of(Intent.of([example_tunnel(1)]), Intent.of([example_tunnel(2)], l2=example_l2()))
    assert [(step.old, step.new) for step in plan.inverse_steps()] == [
        (None, example_tunnel(1)),
        (example_tunnel(2), None),
        (example_l2(), L2Marking()),
    ]


def test_a_plan_asks_about_the_changed_tunnels_only() -> None:
    asked: list[TunnelId] = []
    live: Callable[[TunnelId], int] = lambda tunnel: asked.append(tunnel) or 0  # type: ignore[func-returns-value]  # noqa: E731
    old = Intent.of([example_tunnel(number) for number in range(1, 9)])
    make_plan(between(old, Intent.of(list(old.tunnels.values())[:-1])), live)
    assert len(asked) == 1


def test_initiation_at_bind_is_an_update() -> None:
    assert effect_of(replace(TUNNEL, initiate=Initiate.TRAFFIC), TUNNEL)[0] is UPDATE
