"""charon's events and reports in; state, events and jobs out. The clock stands still unless told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import (
    Child,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    Responder,
    ResponderId,
    Tunnel,
    bound,
)
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import Counters, EventKind, Role, TunnelState, TunnelStatus
from cryptomap_backend.strongswan.jobs import Close, Job, Look
from cryptomap_backend.strongswan.jobs import Initiate as Begin
from cryptomap_backend.strongswan.messages import Translator
from cryptomap_backend.strongswan.monitor import Monitor

TRANSLATOR = Translator(marks=Marks())
TUNNEL = example_tunnel()
NOW = 1000.0


class World:
    """A monitor with a clock that is set by hand, and charon's side of the conversation."""

    def __init__(self, tunnel: Tunnel | Responder = TUNNEL) -> None:
        self.now = NOW
        self.queue = EventQueue()
        self.monitor = Monitor(self.queue, (1.0, 8.0), lambda: self.now)
        self.hold(tunnel)

    def hold(self, item: Tunnel | Responder, renegotiate: bool = False, fresh: bool = True) -> None:
        self.connection = TRANSLATOR.connection(item)
        self.monitor.hold(self.connection, renegotiate, fresh)

    @property
    def child(self) -> str:
        (name,) = self.connection.children.values()
        return str(name)

    @property
    def state(self) -> TunnelState:
        (state,) = self.monitor.tunnels().values()
        return state

    def jobs(self) -> list[Job]:
        return self.monitor.jobs()[0]

    def events(self) -> list[tuple[EventKind, str]]:
        return [(event.kind, event.reason) for event in self.queue.take()]

    # ===== what charon says =====

    def ike(self, uid: int = 1, state: str = "ESTABLISHED", **more: Any) -> dict[str, Any]:
        return {
            "uniqueid": str(uid),
            "state": state,
            "local-host": "192.0.2.1",
            "remote-host": "198.51.100.1",
            "initiator": "yes",
            "initiator-spi": f"{uid:016x}",
            "responder-spi": f"{uid + 100:016x}",
            "encr-alg": "AES_CBC",
            "encr-keysize": "128",
            "integ-alg": "HMAC_SHA1_96",
            "prf-alg": "PRF_HMAC_SHA1",
            "dh-group": "MODP_1024",
            "established": "5",
            "rekey-time": "100",
            **more,
        }

    def sa(self, uid: int = 1, name: str | None = None, packets: int = 0, state: str = "INSTALLED") -> dict[str, Any]:
        return {
            "name": name or self.child,
            "uniqueid": str(uid),
            "state": state,
            "mode": "TUNNEL",
            "protocol": "ESP",
            "spi-in": f"{0xA0 + uid:08x}",
            "spi-out": f"{0xB0 + uid:08x}",
            "encr-alg": "AES_CBC",
            "encr-keysize": "128",
            "integ-alg": "HMAC_SHA1_96",
            "packets-out": str(packets),
            "bytes-out": str(100 * packets),
            "install-time": "2",
        }

    def report(self, *sas: dict[str, Any], ike: int = 1) -> dict[str, Any]:
        children = {f"{sa['name']}-{sa['uniqueid']}": sa for sa in sas}
        return {self.connection.name: {**self.ike(ike), "child-sas": children}}

    def up(self, *sas: dict[str, Any], ike: int = 1) -> None:
        self.monitor.heard("child-updown", {"up": "yes", **self.report(*(sas or (self.sa(),)), ike=ike)})

    def down(self, *sas: dict[str, Any], ike: int = 1) -> None:
        self.monitor.heard("child-updown", self.report(*sas, ike=ike))

    def ike_down(self, uid: int = 1, state: str = "DELETING") -> None:
        self.monitor.heard("ike-updown", {self.connection.name: self.ike(uid, state)})

    def log(self, line: str, uid: int = 1) -> None:
        message = {"ikesa-name": self.connection.name, "ikesa-uniqueid": str(uid), "msg": line}
        self.monitor.heard("log", message)


@pytest.fixture
def world() -> World:
    return World()


# ===== counters =====


@pytest.mark.parametrize("side", ["generating", "parsed"])
def test_the_counters_are_read_when_a_rekey_begins(world: World, side: str) -> None:
    """Once the outbound SA is replaced charon can tell no more what it has sent."""
    world.up()
    world.jobs()
    world.log(f"{side} CREATE_CHILD_SA request 2 [ N(REKEY_SA) SA No TSi TSr ]")
    assert world.jobs() == [Look(world.connection.name)]
    assert world.jobs() == []
    world.log(f"{side} CREATE_CHILD_SA request 3 [ SA No TSi TSr ]")
    assert world.jobs() == []


# ===== up and down =====


def test_a_bound_tunnel_is_negotiated_once(world: World) -> None:
    assert world.jobs() == [Begin(world.connection.name, world.child)]
    assert world.state.status is TunnelStatus.CONNECTING
    assert world.jobs() == []


def test_a_tunnel_that_waits_for_traffic_is_left_alone() -> None:
    world = World(example_tunnel(initiate=Initiate.TRAFFIC))
    assert world.jobs() == []
    assert world.state.status is TunnelStatus.DOWN


def test_an_installed_child_is_a_tunnel_that_is_up(world: World) -> None:
    world.jobs()
    world.up()
    state = world.state
    assert state.status is TunnelStatus.UP
    assert state.ike is not None
    assert (state.ike.initiator_spi, state.ike.responder_spi, state.ike.role) == (1, 101, Role.INITIATOR)
    assert (state.ike.transform_set, state.ike.established, state.ike.next_rekey) == ("ikesa-foo", 995.0, 1100.0)
    (child,) = state.children
    assert (child.name, child.spi_in, child.spi_out, child.transform_set) == ("foo-sa0", 0xA1, 0xB1, "A-foo")
    assert (child.applied_dscp, child.established) == (0x28, 998.0)
    assert world.events() == [(EventKind.TUNNEL_UP, "negotiated")]
    assert world.jobs() == []


def test_what_an_event_says_twice_is_taken_in_once(world: World) -> None:
    world.up()
    before = world.state
    world.now += 7
    world.up()
    assert world.state == before
    assert len(world.events()) == 1


def test_a_closed_tunnel_is_negotiated_again_after_a_pause(world: World) -> None:
    world.jobs()
    world.up()
    world.ike_down()
    assert world.events()[1:] == [(EventKind.TUNNEL_DOWN, "closed by the peer")]
    assert world.state.status is TunnelStatus.DOWN
    assert world.monitor.jobs() == ([], 1.0)
    world.now += 1
    assert world.jobs() == [Begin(world.connection.name, world.child)]


def test_a_lost_peer_is_named(world: World) -> None:
    world.up()
    world.events()
    world.log("giving up after 5 retransmits")
    world.ike_down()
    text = "the peer does not answer: given up after 5 retransmissions"
    assert world.events() == [(EventKind.TUNNEL_ERROR, text), (EventKind.TUNNEL_DOWN, text)]
    assert (world.state.status, world.state.last_error) == (TunnelStatus.ERROR, text)


def test_an_event_of_a_connection_that_is_not_held_is_nothing(world: World) -> None:
    world.monitor.release(world.connection.name, "gone")
    world.up()
    assert not world.monitor.tunnels()
    assert world.events() == []


def test_a_released_tunnel_is_announced_once(world: World) -> None:
    world.up()
    world.up(world.sa(2), ike=2)
    world.events()
    world.monitor.release(world.connection.name, "the map left the interface")
    world.ike_down(1)
    world.ike_down(2)
    assert world.events() == [(EventKind.TUNNEL_DOWN, "the map left the interface")]


# ===== failures =====


def test_a_refusal_is_told_and_tried_again_ever_less_often(world: World) -> None:
    pauses = []
    for _ in range(5):
        assert len(world.jobs()) == 1
        world.log("received NO_PROPOSAL_CHOSEN notify error")
        world.ike_down(state="CONNECTING")
        assert world.state.last_error == "the peer accepts none of our IKE transform sets (NO_PROPOSAL_CHOSEN)"
        assert world.state.status is TunnelStatus.ERROR
        assert world.events()[0][0] is EventKind.TUNNEL_ERROR
        jobs, pause = world.monitor.jobs()
        assert (jobs, pause is None) == ([], False)
        pauses.append(pause)
        world.now += pause or 0
    assert pauses == [1, 2, 4, 8, 8]
    world.up()
    assert (world.state.status, world.state.last_error) == (TunnelStatus.UP, None)


def test_a_refused_child_fails_although_its_ike_sa_stays(world: World) -> None:
    world.jobs()
    world.monitor.heard("ike-updown", {"up": "yes", world.connection.name: world.ike()})
    world.log("received TS_UNACCEPTABLE notify, no CHILD_SA built")
    assert world.state.status is TunnelStatus.ERROR
    assert world.state.ike is not None


def test_a_cause_that_comes_late_replaces_the_unknown_one(world: World) -> None:
    world.jobs()
    world.ike_down(state="CONNECTING")
    assert world.state.last_error == "the negotiation failed; charon's log has the details"
    world.log("received AUTHENTICATION_FAILED notify error")
    assert "AUTHENTICATION_FAILED" in (world.state.last_error or "")


def test_silence_has_no_event_of_its_own(world: World) -> None:
    world.jobs()
    world.log("giving up after 3 retransmits")
    world.log("establishing IKE_SA failed, peer not responding")
    assert world.state.last_error == "the peer does not answer: given up after 3 retransmissions"


def test_the_setup_timer_ends_a_negotiation() -> None:
    assert TUNNEL.ike is not None
    world = World(replace(TUNNEL, ike=replace(TUNNEL.ike, setup_timer=30)))
    world.jobs()
    assert world.monitor.jobs() == ([], 30.0)
    world.now += 30
    assert world.jobs() == []
    assert world.state.last_error == "not negotiated within 30 s"


# ===== renegotiation =====


def reapplied(world: World) -> None:
    world.hold(bound(example_tunnel(dscp=0x12)))


def test_a_stale_sa_goes_when_its_successor_is_up(world: World) -> None:
    world.jobs()
    world.up()
    reapplied(world)
    assert world.state.status is TunnelStatus.CONNECTING
    assert not world.state.children
    assert world.jobs() == [Begin(world.connection.name, world.child)]
    world.up(world.sa(2))
    assert [child.spi_in for child in world.state.children] == [0xA2]
    assert world.jobs() == [Close(None, 1)]
    assert [kind for kind, _ in world.events()] == [
        EventKind.TUNNEL_UP,
        EventKind.REAPPLIED,
        EventKind.CHILD_REKEYED,
    ]


def test_a_stale_ike_sa_goes_whole(world: World) -> None:
    world.jobs()
    world.up()
    reapplied(world)
    world.jobs()
    world.up(world.sa(2), ike=2)
    assert world.jobs() == [Close(1)]


def test_a_peer_that_refuses_the_new_loses_the_old(world: World) -> None:
    world.jobs()
    world.up()
    reapplied(world)
    world.jobs()
    world.log("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built")
    assert world.jobs() == [Close(1)]
    world.ike_down()
    assert world.events()[-1] == (EventKind.TUNNEL_DOWN, "the peer refused to renegotiate")
    assert world.state.status is TunnelStatus.ERROR


def test_a_peer_that_is_busy_keeps_the_old(world: World) -> None:
    world.jobs()
    world.up()
    reapplied(world)
    world.jobs()
    world.log("received TEMPORARY_FAILURE notify, no CHILD_SA built")
    assert world.jobs() == []
    world.now += 1
    assert world.jobs() == [Begin(world.connection.name, world.child)]


def test_an_edit_that_sas_survive_begins_nothing(world: World) -> None:
    world.jobs()
    world.up()
    before = world.state
    (child,) = TUNNEL.children
    world.hold(replace(TUNNEL, children=(replace(child, lifetime=60),)))
    assert world.jobs() == []
    assert world.state.children == before.children
    assert world.state.status is TunnelStatus.UP


def test_sas_that_are_there_already_are_adopted_before_anything_begins() -> None:
    world = World()
    world.monitor.release(world.connection.name, "")
    world.hold(TUNNEL, fresh=False)
    assert world.jobs() == []
    world.monitor.resync([world.report(world.sa())])
    assert world.jobs() == []
    assert world.state.status is TunnelStatus.UP


def test_an_sa_is_marked_as_the_set_it_uses_says() -> None:
    """Two sets, two DSCPs: the peer took the second, so the child that marks for the second follows."""
    sets = (EspProposal("A", integrity="md5-96", dscp=1), EspProposal("B", dscp=2))
    (child,) = TUNNEL.children
    world = World(bound(replace(TUNNEL, children=(replace(child, proposals=sets),))))
    world.jobs()
    world.up()
    assert [(sa.transform_set, sa.applied_dscp) for sa in world.state.children] == [("B", 1)]
    (right,) = world.connection.variants.values()
    assert world.jobs() == [Begin(world.connection.name, str(right))]
    assert world.jobs() == []
    world.up(world.sa(2, str(right)))
    assert [(sa.transform_set, sa.applied_dscp) for sa in world.state.children] == [("B", 2)]
    assert world.jobs() == [Close(None, 1)]
    world.down(world.sa(1))
    assert world.jobs() == []
    assert world.state.status is TunnelStatus.UP


def test_of_two_ike_sas_begun_at_once_both_ends_keep_the_same(world: World) -> None:
    world.jobs()
    world.up(world.sa(2), ike=2)
    world.up(world.sa(1), ike=1)
    assert world.jobs() == [Close(2)]
    assert [child.spi_in for child in world.state.children] == [0xA1]
    world.ike_down(2)
    assert [kind for kind, _ in world.events()] == [EventKind.TUNNEL_UP]


def test_a_peer_that_came_back_replaces_its_former_ike_sa(world: World) -> None:
    world.jobs()
    world.up(world.sa(1), ike=1)
    world.now += 60
    world.up(world.sa(2), ike=2)
    assert world.jobs() == [Close(1)]
    assert world.state.status is TunnelStatus.UP


# ===== rekey, counters =====


def test_counters_outlive_every_sa(world: World) -> None:
    world.up(world.sa(1, packets=1))
    world.monitor.refresh([world.report(world.sa(1, packets=5))])
    world.monitor.refresh([world.report(world.sa(1, packets=3))])  # a look from before the last one
    assert world.state.counters == Counters(packets_out=5, bytes_out=500)
    pair = {"old": world.sa(1, packets=6), "new": world.sa(2, packets=1)}
    world.monitor.heard("child-rekey", {world.connection.name: {**world.ike(), "child-sas": {"x": pair}}})
    assert world.state.counters.packets_out == 7
    world.ike_down()
    world.down(world.sa(2, packets=1))  # the same end, told once more
    assert world.state.counters.packets_out == 7
    world.up(world.sa(3, packets=2), ike=2)
    assert world.state.counters.packets_out == 9
    world.monitor.resync([])
    assert world.state.counters.packets_out == 9
    assert world.state.status is TunnelStatus.DOWN


def test_a_rekeyed_child_is_announced(world: World) -> None:
    world.up()
    world.events()
    pair = {"old": world.sa(1), "new": world.sa(2)}
    world.monitor.heard("child-rekey", {world.connection.name: {**world.ike(), "child-sas": {"x": pair}}})
    assert [child.spi_in for child in world.state.children] == [0xA2]
    assert world.events() == [(EventKind.CHILD_REKEYED, "child SA rekeyed")]


def test_children_follow_a_rekeyed_ike_sa(world: World) -> None:
    world.up()
    world.events()
    both = {"old": world.ike(1), "new": world.ike(2)}
    world.monitor.heard("ike-rekey", {world.connection.name: both})
    world.ike_down(1)
    state = world.state
    assert (state.ike and state.ike.initiator_spi, len(state.children)) == (2, 1)
    assert world.events() == [(EventKind.IKE_REKEYED, "IKE SA rekeyed")]


# ===== responders =====


def test_a_responder_has_sessions() -> None:
    identity = ResponderId("ipsec-d", "pgw")
    child = Child("any", (EspProposal("E", dscp=10),))
    world = World(Responder(identity, "template", IPv4Address("192.0.2.1"), Ike((IkeProposal("I"),)), (child,)))
    world.up()
    (session,) = world.monitor.responders()[identity].sessions
    assert (session.remote, session.ike.transform_set) == (IPv4Address("198.51.100.1"), "I")
    assert [sa.applied_dscp for sa in session.children] == [10]
    world.ike_down()
    assert [kind for kind, _ in world.events()] == [EventKind.SESSION_UP, EventKind.SESSION_DOWN]
    assert world.jobs() == []
