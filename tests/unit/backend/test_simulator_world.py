"""The simulated gateway: tunnels come up, carry packets, rekey, expire, fail and recover, at the times told to it."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address

import pytest

from cryptomap_backend.change import Change, between, change_of, with_reapplied
from cryptomap_backend.conformance import example_l2, example_manual, example_tunnel, spis
from cryptomap_backend.contract import ApplyFailed
from cryptomap_backend.intent import (
    Child,
    DeadPeerDetection,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    Intent,
    Mode,
    Responder,
    ResponderId,
    Selector,
    Tunnel,
    TunnelKind,
    bound,
    carried,
)
from cryptomap_backend.marking import DscpSource
from cryptomap_backend.simulator import Behaviour, Peer, World, create
from cryptomap_backend.simulator.backend import SimulatorBackend
from cryptomap_backend.simulator.packet import ESP, build_header, read
from cryptomap_backend.simulator.peers import NegotiationFault, setup_budget
from cryptomap_backend.state import EventKind, Observation, TunnelState, TunnelStatus

PEER = ip_address("198.51.100.1")
DEAD, ANSWERS = Peer(Behaviour.DEAD), Peer()


class Gateway:
    """A simulator at second 1000 of a clock that stands still, and one intent on it."""

    def __init__(self, *tunnels: Tunnel, **settings: object) -> None:
        self.backend = create({"seed": 3, **settings}, clock=lambda: 1000.0)
        assert isinstance(self.backend.world, World)
        self.world = self.backend.world
        self.intent = Intent()
        self.commit(between(Intent(), Intent.of(tunnels)))

    def commit(self, change: Change) -> None:
        self.backend.apply(self.backend.prepare(change))
        self.intent = change.new

    def set(self, tunnel: Tunnel) -> None:
        self.commit(change_of(self.intent, {tunnel.id: tunnel}))

    def state(self, tunnel: Tunnel) -> TunnelState:
        return self.backend.observe(tunnel.id).tunnels[tunnel.id]

    def events(self) -> list[EventKind]:
        return [event.kind for event in self.backend.events()]


def udp(source: str = "203.0.113.5", destination: str = "10.0.1.9", tos: int = 0, payload: bytes = b"abcd") -> bytes:
    return build_header(ip_address(source), ip_address(destination), 17, len(payload), tos) + payload


def with_child(tunnel: Tunnel, **changes: object) -> Tunnel:
    (child,) = tunnel.children
    return replace(tunnel, children=(replace(child, **changes),))  # type: ignore[arg-type]


def with_ike(tunnel: Tunnel, **changes: object) -> Tunnel:
    assert tunnel.ike is not None
    return replace(tunnel, ike=replace(tunnel.ike, **changes))  # type: ignore[arg-type]


# ===== packets =====


def test_the_seeds_story_on_bytes() -> None:
    tunnel = example_tunnel(dscp=0x28)
    gateway = Gateway(tunnel)
    gateway.commit(change_of(gateway.intent, l2=example_l2()))
    sent = gateway.world.send_packet("ipsec-d", udp())
    assert sent.packet is not None
    assert sent.packet[1] == 0xA0
    assert (sent.dscp.dscp, sent.dscp.source) == (0x28, DscpSource.CRYPTO_MAP)
    assert (sent.l2.cos, sent.l2.dot1p, sent.l2.mpls_tc) == (1, 0x4, 6)
    facts = read(sent.packet)
    assert (facts.protocol, facts.source, facts.destination) == (ESP, tunnel.local, tunnel.remote)
    assert gateway.world.peer_open(tunnel.id, sent.packet) == udp()


def test_the_applications_own_dscp_wins() -> None:
    gateway = Gateway(example_tunnel(dscp=0x28))
    sent = gateway.world.send_packet("ipsec-d", udp(tos=0xB9))
    assert sent.packet is not None
    assert sent.packet[1] == 0xB9
    assert sent.dscp.source is DscpSource.APPLICATION


def test_the_first_packet_brings_the_tunnel_up() -> None:
    tunnel = example_tunnel(initiate=Initiate.TRAFFIC)
    gateway = Gateway(tunnel)
    assert gateway.state(tunnel).status is TunnelStatus.DOWN
    sent = gateway.world.send_packet("ipsec-d", udp())
    assert sent.packet is not None
    assert gateway.state(tunnel).status is TunnelStatus.UP
    assert gateway.events() == [EventKind.TUNNEL_UP]


def test_a_packet_nobody_protects_leaves_as_it_came() -> None:
    gateway = Gateway(example_tunnel())
    for packet, context in ((udp(destination="10.0.2.1"), "ipsec-d"), (udp(), "other")):
        sent = gateway.world.send_packet(context, packet)
        assert (sent.packet, sent.tunnel, sent.spi) == (packet, None, None)


def test_packets_both_ways_are_counted_on_the_sa_and_the_tunnel() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    for _ in range(3):
        gateway.world.send_packet("ipsec-d", udp())
    reply = udp("10.0.1.9", "203.0.113.5", payload=b"a longer reply")
    outer = gateway.world.peer_seal(tunnel.id, reply)
    assert gateway.world.receive_packet("ipsec-d", outer).packet == reply
    assert gateway.world.receive_packet("ipsec-d", outer).dropped == "sequence number 1 was seen or is too old"
    broken = gateway.world.peer_seal(tunnel.id, reply)[:-1] + b"\0"
    assert gateway.world.receive_packet("ipsec-d", broken).packet is None
    state = gateway.state(tunnel)
    for counters in (state.counters, state.children[0].counters):
        assert (counters.packets_out, counters.bytes_out) == (3, 3 * len(udp()))
        assert (counters.packets_in, counters.bytes_in) == (1, len(reply))
        assert (counters.replay_failures, counters.integrity_failures) == (1, 1)


def test_what_a_tunnel_does_not_protect_does_not_come_out_of_it() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    outer = gateway.world.peer_seal(tunnel.id, udp("10.9.9.9", "203.0.113.5"))
    received = gateway.world.receive_packet("ipsec-d", outer)
    assert (received.packet, received.tunnel) == (None, tunnel.id)
    assert gateway.state(tunnel).counters.decapsulation_failures == 1


def test_an_unknown_spi_and_another_context_receive_nothing() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    outer = gateway.world.peer_seal(tunnel.id, udp("10.0.1.9", "203.0.113.5"))
    assert gateway.world.receive_packet("other", outer).dropped == "no SA has this SPI"
    assert gateway.world.receive_packet("ipsec-d", udp()).dropped == "no SA has this SPI"


def test_two_contexts_with_the_same_addresses_and_spis_coexist() -> None:
    one = example_manual()
    two = replace(one, id=one.id._replace(context="other"))
    gateway = Gateway(one, two)
    outer = gateway.world.peer_seal(two.id, udp("10.0.1.9", "203.0.113.5"))
    assert gateway.world.receive_packet("other", outer).tunnel == two.id
    assert gateway.world.receive_packet("ipsec-d", outer).tunnel == one.id
    gateway.commit(change_of(gateway.intent, {one.id: None}))
    assert gateway.world.receive_packet("ipsec-d", outer).tunnel is None
    assert gateway.world.receive_packet("other", outer).packet is not None


def test_manual_keys_know_no_replay_and_no_lifetime() -> None:
    tunnel = example_manual()
    gateway = Gateway(tunnel)
    outer = gateway.world.peer_seal(tunnel.id, udp("10.0.1.9", "203.0.113.5"))
    assert gateway.world.receive_packet("ipsec-d", outer).packet is not None
    gateway.world.advance(10**9)
    assert gateway.world.receive_packet("ipsec-d", outer).packet is not None
    assert gateway.state(tunnel).ike is None


def test_a_packet_of_the_wrong_family_is_dropped_with_the_reason() -> None:
    tunnel = with_child(example_tunnel(), family=6)
    sent = Gateway(tunnel).world.send_packet("ipsec-d", udp())
    assert (sent.packet, sent.dropped) == (None, "no payload is for IPv4")


def test_transport_mode_keeps_the_tos() -> None:
    host = Selector(IPv4Network("192.0.2.1/32"), IPv4Network("198.51.100.1/32"))
    base = replace(example_tunnel(), selector=host)
    tunnel = bound(with_child(base, proposals=(EspProposal("T", mode=Mode.TRANSPORT),)))
    sent = Gateway(tunnel).world.send_packet("ipsec-d", udp("192.0.2.1", "198.51.100.1", tos=0x48))
    assert sent.packet is not None
    assert (sent.packet[1], sent.dscp.source) == (0x48, DscpSource.APPLICATION)


def test_ah_protects_too() -> None:
    tunnel = bound(with_child(example_tunnel(), proposals=(EspProposal("A", "ah", "null", "sha2-256-128", dscp=5),)))
    gateway = Gateway(tunnel)
    sent = gateway.world.send_packet("ipsec-d", udp())
    assert sent.packet is not None
    assert sent.packet[1] == 5 << 2
    assert gateway.world.peer_open(tunnel.id, sent.packet) == udp()
    back = udp("10.0.1.9", "203.0.113.5")
    assert gateway.world.receive_packet("ipsec-d", gateway.world.peer_seal(tunnel.id, back)).packet == back


# ===== DSCP =====


def test_live_sas_take_a_new_dscp_only_by_a_reapply() -> None:
    tunnel = example_tunnel(dscp=0x28)
    gateway = Gateway(tunnel)
    gateway.events()
    gateway.set(carried(tunnel, example_tunnel(dscp=0x12)))
    before = spis(gateway.state(tunnel))
    assert gateway.world.send_packet("ipsec-d", udp()).dscp.dscp == 0x28
    gateway.commit(with_reapplied(gateway.intent, tunnel.id))
    assert gateway.world.send_packet("ipsec-d", udp()).dscp.dscp == 0x12
    assert spis(gateway.state(tunnel)) == before
    assert gateway.events() == [EventKind.REAPPLY_NEEDED, EventKind.REAPPLIED]


def test_rekey_and_reconnect_keep_the_applied_dscp() -> None:
    tunnel = with_child(example_tunnel(dscp=0x28), rekey=True, rekey_keepalive=True, lifetime=100)
    pending = carried(tunnel, with_child(tunnel, proposals=(EspProposal("A-foo", dscp=0x12),)))
    gateway = Gateway(tunnel)
    gateway.set(pending)
    before = spis(gateway.state(tunnel))
    gateway.world.advance(90)
    assert spis(gateway.state(tunnel)) != before
    assert gateway.world.send_packet("ipsec-d", udp()).dscp.dscp == 0x28
    gateway.world.forget()
    gateway.backend.reconcile(gateway.intent)
    assert gateway.world.send_packet("ipsec-d", udp()).dscp.dscp == 0x28


def test_the_dscp_is_that_of_the_transform_set_that_was_negotiated() -> None:
    sets = (EspProposal("A", dscp=0x28), EspProposal("B", "esp", "aes-cbc-256", dscp=0x0A))
    tunnel = bound(with_child(example_tunnel(), proposals=sets))
    gateway = Gateway(tunnel, peers={"198.51.100.1": {"accepts": ["B"]}})
    (child,) = gateway.state(tunnel).children
    assert (child.transform_set, child.encryption, child.applied_dscp) == ("B", "aes-cbc-256", 0x0A)


# ===== time =====


def test_a_used_sa_is_rekeyed_at_nine_tenths_and_the_old_one_still_receives() -> None:
    tunnel = with_child(example_tunnel(), rekey=True, lifetime=100)
    gateway = Gateway(tunnel)
    gateway.events()
    gateway.world.send_packet("ipsec-d", udp())
    on_its_way = gateway.world.peer_seal(tunnel.id, udp("10.0.1.9", "203.0.113.5"))
    late = gateway.world.peer_seal(tunnel.id, udp("10.0.1.9", "203.0.113.5"))
    before = gateway.state(tunnel)
    assert before.children[0].next_rekey == 1090.0
    gateway.world.advance(90)
    after = gateway.state(tunnel)
    assert spis(after) != spis(before)
    assert after.children[0].established == 1090.0
    assert after.ike == before.ike
    assert gateway.events() == [EventKind.CHILD_REKEYED]
    assert gateway.world.receive_packet("ipsec-d", on_its_way).packet is not None
    gateway.world.advance(1)
    assert gateway.world.receive_packet("ipsec-d", late).packet is None
    counters = gateway.state(tunnel).counters
    assert (counters.packets_out, counters.packets_in) == (1, 1), "counters of a tunnel outlive its SAs"


def test_an_idle_sa_ends_with_its_lifetime_and_is_made_anew_if_kept_up() -> None:
    tunnel = with_child(example_tunnel(), rekey=True, lifetime=100)
    gateway = Gateway(tunnel)
    before = spis(gateway.state(tunnel))
    gateway.world.advance(95)
    assert spis(gateway.state(tunnel)) == before
    gateway.world.advance(5)
    assert gateway.state(tunnel).children[0].established == 1100.0
    assert gateway.events() == [EventKind.TUNNEL_UP, EventKind.TUNNEL_DOWN, EventKind.TUNNEL_UP]


def test_a_tunnel_by_traffic_goes_down_with_its_lifetime_and_comes_back_with_the_next_packet() -> None:
    tunnel = with_child(example_tunnel(initiate=Initiate.TRAFFIC), lifetime=100)
    gateway = Gateway(tunnel)
    gateway.world.send_packet("ipsec-d", udp())
    gateway.world.advance(100)
    assert gateway.state(tunnel).status is TunnelStatus.DOWN
    assert gateway.world.send_packet("ipsec-d", udp()).packet is not None


def test_the_ike_sa_is_rekeyed_or_ends_with_everything() -> None:
    short = IkeProposal("i", lifetime=100)
    rekeyed = with_ike(example_tunnel(1), proposals=(short,), rekey=True)
    ended = with_ike(example_tunnel(2, initiate=Initiate.TRAFFIC), proposals=(short,))
    gateway = Gateway(rekeyed, ended)
    gateway.world.send_packet("ipsec-d", udp(destination="10.0.2.9"))
    before = gateway.state(rekeyed)
    gateway.events()
    gateway.world.advance(100)
    after = gateway.state(rekeyed)
    assert spis(after) == spis(before)
    assert after.ike is not None
    assert after.ike != before.ike
    assert gateway.state(ended).status is TunnelStatus.DOWN
    assert gateway.events() == [EventKind.IKE_REKEYED, EventKind.TUNNEL_DOWN]


def test_a_dead_peer_is_given_up_after_the_budget_and_tried_again() -> None:
    tunnel = with_ike(example_tunnel(), max_retransmissions=3, retransmission_timeout_ms=15000, setup_timer=50)
    gateway = Gateway(tunnel, peers={"198.51.100.1": "dead"})
    assert gateway.state(tunnel).status is TunnelStatus.CONNECTING
    sent = gateway.world.send_packet("ipsec-d", udp())
    assert (sent.packet, sent.dropped) == (None, "the tunnel is connecting")
    gateway.world.advance(50)
    state = gateway.state(tunnel)
    assert state.status is TunnelStatus.ERROR
    assert state.last_error == "peer 198.51.100.1 does not answer: gave up after 50 s"
    gateway.world.advance(60)
    assert gateway.state(tunnel).status is TunnelStatus.CONNECTING
    gateway.world.set_peer(PEER, ANSWERS)
    assert gateway.state(tunnel).status is TunnelStatus.UP
    assert gateway.state(tunnel).counters.dropped_out == 1


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 3.0),
        ({"max_retransmissions": 3, "retransmission_timeout_ms": 15000}, 60.0),
        ({"max_retransmissions": 3, "retransmission_timeout_ms": 1000, "exponential": True}, 15.0),
        ({"max_retransmissions": 8, "retransmission_timeout_ms": 15000, "setup_timer": 60}, 60.0),
    ],
)
def test_the_budget_of_a_negotiation(changes: dict[str, int], seconds: float) -> None:
    assert setup_budget(replace(Ike(()), **changes)) == seconds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("refuses", "NO_PROPOSAL_CHOSEN: the peer accepts no transform set of payload foo-sa0; compare both ends"),
        ("bad-psk", "AUTHENTICATION_FAILED: the pre-shared keys of the two ends differ"),
    ],
)
def test_a_peer_that_says_no_is_an_error_in_words(behaviour: str, error: str) -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel, peers={"198.51.100.1": behaviour})
    state = gateway.state(tunnel)
    assert (state.status, state.last_error, state.children) == (TunnelStatus.ERROR, error, ())
    assert gateway.events() == [EventKind.TUNNEL_ERROR]
    assert gateway.world.send_packet("ipsec-d", udp()).dropped == error


def test_a_peer_that_dies_is_noticed_by_the_liveness_check_only() -> None:
    checked = with_ike(example_tunnel(1), dpd=DeadPeerDetection(30, 10, 2))
    unchecked = replace(example_tunnel(2), remote=PEER)
    gateway = Gateway(checked, unchecked)
    gateway.events()
    gateway.world.set_peer(PEER, DEAD)
    gateway.world.advance(49)
    assert gateway.state(checked).status is TunnelStatus.UP
    gateway.world.advance(1)
    assert gateway.state(checked).last_error == "peer 198.51.100.1 stopped answering"
    assert gateway.state(unchecked).status is TunnelStatus.UP
    assert gateway.events() == [EventKind.TUNNEL_DOWN, EventKind.TUNNEL_ERROR]


def test_a_peer_back_in_time_is_not_missed() -> None:
    tunnel = with_ike(example_tunnel(), dpd=DeadPeerDetection(30, 10, 2))
    gateway = Gateway(tunnel)
    gateway.world.set_peer(PEER, DEAD)
    gateway.world.advance(20)
    gateway.world.set_peer(PEER, ANSWERS)
    gateway.world.advance(10**4)
    assert gateway.state(tunnel).status is TunnelStatus.UP


def test_a_rekey_that_is_refused_or_unanswered_takes_the_tunnel_down() -> None:
    rekeying = {"rekey": True, "rekey_keepalive": True, "lifetime": 100}
    one, two = with_child(example_tunnel(1), **rekeying), with_child(example_tunnel(2), **rekeying)
    gateway = Gateway(one, two)
    gateway.events()
    gateway.world.set_peer(PEER, Peer(Behaviour.REFUSES))
    gateway.world.set_peer(PEER + 1, DEAD)
    gateway.world.advance(90)
    assert gateway.state(one).status is TunnelStatus.ERROR
    assert gateway.state(two).status is TunnelStatus.CONNECTING
    assert gateway.events() == [EventKind.TUNNEL_DOWN, EventKind.TUNNEL_ERROR, EventKind.TUNNEL_DOWN]


# ===== changes =====


def test_a_lifetime_changed_in_place_holds_for_the_live_sa() -> None:
    tunnel = with_child(example_tunnel(), lifetime=1000)
    gateway = Gateway(tunnel)
    before = spis(gateway.state(tunnel))
    gateway.set(with_child(tunnel, lifetime=100))
    assert spis(gateway.state(tunnel)) == before
    gateway.world.advance(100)
    assert spis(gateway.state(tunnel)) != before


def test_another_peer_is_another_tunnel_but_the_same_counters() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    gateway.world.send_packet("ipsec-d", udp())
    gateway.set(replace(tunnel, remote=IPv4Address("198.51.100.77")))
    state = gateway.state(tunnel)
    assert state.ike is not None
    assert state.ike.remote == IPv4Address("198.51.100.77")
    assert state.counters.packets_out == 1
    assert gateway.events() == [EventKind.TUNNEL_UP, EventKind.TUNNEL_DOWN, EventKind.TUNNEL_UP]


def test_a_changed_selector_takes_effect_at_once() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    moved = replace(tunnel, selector=Selector(IPv4Network("203.0.113.0/25"), IPv4Network("10.77.0.0/16")))
    gateway.set(moved)
    assert gateway.world.send_packet("ipsec-d", udp()).tunnel is None
    assert gateway.world.send_packet("ipsec-d", udp(destination="10.77.0.1")).tunnel == tunnel.id


def test_an_added_payload_gets_its_own_sa_and_the_other_stays() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    before = gateway.state(tunnel)
    gateway.set(replace(tunnel, children=(*tunnel.children, Child("b", (EspProposal("A-foo", dscp=0x28),)))))
    after = gateway.state(tunnel)
    assert [child.name for child in after.children] == ["foo-sa0", "b"]
    assert spis(after)[:1] == spis(before)
    assert after.ike == before.ike


def test_a_revert_gives_back_the_very_sas() -> None:
    tunnel = example_tunnel()
    gateway = Gateway(tunnel)
    gateway.world.send_packet("ipsec-d", udp())
    before = gateway.state(tunnel)
    plan = gateway.backend.prepare(change_of(gateway.intent, {tunnel.id: None}))
    gateway.backend.apply(plan)
    gateway.backend.revert(plan)
    assert gateway.state(tunnel) == before
    assert gateway.world.send_packet("ipsec-d", udp()).tunnel == tunnel.id
    assert gateway.events() == [EventKind.TUNNEL_UP, EventKind.TUNNEL_DOWN, EventKind.TUNNEL_UP]


def test_an_older_plan_is_reverted_by_its_inverse() -> None:
    one, two = example_tunnel(1), example_tunnel(2)
    gateway = Gateway()
    first = gateway.backend.prepare(change_of(Intent(), {one.id: one}))
    gateway.backend.apply(first)
    gateway.commit(change_of(first.change.new, {two.id: two}))
    gateway.backend.revert(first)
    assert set(gateway.backend.observe().tunnels) == {two.id}
    with pytest.raises(ApplyFailed, match="not what the plan starts from"):
        gateway.backend.revert(first)


def test_the_same_seed_makes_the_same_world() -> None:
    def story() -> Observation:
        gateway = Gateway(*(example_tunnel(number) for number in range(1, 5)))
        gateway.world.send_packet("ipsec-d", udp())
        return gateway.backend.observe()

    assert story() == story()


# ===== responders and dynamic maps =====

RESPONDER = Responder(
    ResponderId("ipsec-d", "gateway"),
    "template",
    IPv4Address("192.0.2.1"),
    Ike((IkeProposal("i"),)),
    (Child("p", (EspProposal("A", dscp=0x28),)),),
)


def responding(backend: SimulatorBackend) -> None:
    backend.apply(backend.prepare(change_of(Intent(), None, {RESPONDER.id: RESPONDER})))


def test_a_responder_listens_and_takes_sessions() -> None:
    gateway = Gateway()
    responding(gateway.backend)
    assert gateway.backend.observe().responders[RESPONDER.id].sessions == ()
    gateway.world.dial_in(RESPONDER.id, PEER)
    (session,) = gateway.backend.observe().responders[RESPONDER.id].sessions
    assert (session.remote, session.ike.role, session.children[0].applied_dscp) == (PEER, "responder", 0x28)
    change = change_of(Intent.of([], [RESPONDER]), None, {RESPONDER.id: None})
    gateway.backend.apply(gateway.backend.prepare(change))
    assert gateway.backend.observe().responders == {}
    assert gateway.events() == [EventKind.SESSION_UP, EventKind.SESSION_DOWN]


def test_a_responder_keeps_its_sessions_over_a_change_that_does_not_concern_them() -> None:
    gateway = Gateway()
    responding(gateway.backend)
    gateway.world.dial_in(RESPONDER.id, PEER)
    renamed = replace(RESPONDER, template="other")
    change = change_of(Intent.of([], [RESPONDER]), None, {RESPONDER.id: renamed})
    gateway.backend.apply(gateway.backend.prepare(change))
    assert len(gateway.backend.observe().responders[RESPONDER.id].sessions) == 1


def test_a_peer_with_another_key_gets_no_session() -> None:
    gateway = Gateway(peers={"198.51.100.1": "bad-psk"})
    responding(gateway.backend)
    with pytest.raises(NegotiationFault, match="AUTHENTICATION_FAILED"):
        gateway.world.dial_in(RESPONDER.id, PEER)
    assert gateway.backend.observe().responders[RESPONDER.id].sessions == ()


def test_a_dynamic_map_waits_for_its_peer() -> None:
    tunnel = replace(example_tunnel(), kind=TunnelKind.DYNAMIC, remote=None)
    gateway = Gateway(tunnel)
    assert gateway.state(tunnel).status is TunnelStatus.DOWN
    assert gateway.world.send_packet("ipsec-d", udp()).dropped == "the tunnel is down"
    gateway.world.dial_in(tunnel.id, PEER)
    state = gateway.state(tunnel)
    assert state.ike is not None
    assert (state.status, state.ike.remote, state.ike.role) == (TunnelStatus.UP, PEER, "responder")
    assert gateway.world.send_packet("ipsec-d", udp()).packet is not None
