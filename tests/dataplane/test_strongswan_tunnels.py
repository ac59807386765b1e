"""Tunnels by the strongSwan backend between real charons: algorithms, refusals, losses, restarts.

Every test begins with two charons without anything and a backend that has been reconciled to nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cryptomap_backend.change import between, change_of, with_reapplied
from cryptomap_backend.conformance import PSK, example_tunnel, spis
from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Unavailable
from cryptomap_backend.intent import (
    Authentication,
    Child,
    DeadPeerDetection,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    Intent,
    Responder,
    ResponderId,
    Secret,
    Selector,
    Tunnel,
    TunnelKind,
    bound,
    carried,
)
from cryptomap_backend.plan import EffectKind
from cryptomap_backend.state import Event, EventKind, TunnelState, TunnelStatus
from cryptomap_backend.strongswan import Settings, StrongswanBackend
from cryptomap_backend.strongswan.vici import Rejected
from cryptomap_backend.table import USER_SPACE
from dataplane.charon import LOCAL, PEERS, SOURCE, Charon, Lab, Remembered, answering

PATIENCE = 10.0
"""Seconds until a state must have come."""


def open_backend(charon: Charon, **settings: object) -> StrongswanBackend:
    return StrongswanBackend(
        Settings.of({"socket": str(charon.socket), "retry-min": 0.2, "retry-max": 1, **settings}), Remembered
    )


@pytest.fixture
def backend(lab: Lab) -> Iterator[StrongswanBackend]:
    backend = open_backend(lab.gateway)
    backend.reconcile(Intent())
    yield backend
    backend.close()


def any_protocol(tunnel: Tunnel) -> Tunnel:
    """The tunnel with a selector that takes a ping."""
    assert tunnel.selector is not None
    return replace(tunnel, selector=replace(tunnel.selector, protocol=None))


def with_ike(tunnel: Tunnel, **changes: Any) -> Tunnel:
    assert tunnel.ike is not None
    return replace(tunnel, ike=replace(tunnel.ike, **changes))


def with_sets(tunnel: Tunnel, *proposals: EspProposal) -> Tunnel:
    (child,) = tunnel.children
    return replace(tunnel, children=(replace(child, proposals=proposals),))


def pingable(number: int, **changes: Any) -> dict[str, Any]:
    everything = {"child_local_ts": [f"10.0.{number}.0/24"], "child_remote_ts": [SOURCE]}
    return answering(number, **{**everything, **changes})


def ready(lab: Lab, number: int = 1, **changes: Any) -> None:
    """A peer that knows the key and answers."""
    lab.peer.share("key", PSK)
    lab.peer.load(f"peer{number}", answering(number, **changes))


def commit(backend: StrongswanBackend, *tunnels: Tunnel) -> Intent:
    intent = Intent.of(tunnels)
    backend.apply(backend.prepare(between(Intent(), intent)))
    return intent


def until(
    backend: StrongswanBackend, tunnel: Tunnel, condition: Callable[[TunnelState], bool], patience: float = PATIENCE
) -> TunnelState:
    deadline = time.monotonic() + patience
    while True:
        state = backend.observe(tunnel.id).tunnels[tunnel.id]
        if condition(state):
            return state
        assert time.monotonic() < deadline, f"the state never came: {state}"
        time.sleep(0.05)


def until_up(backend: StrongswanBackend, tunnel: Tunnel) -> TunnelState:
    return until(backend, tunnel, lambda state: state.status is TunnelStatus.UP)


def until_error(backend: StrongswanBackend, tunnel: Tunnel) -> str:
    state = until(backend, tunnel, lambda state: state.last_error is not None)
    assert state.last_error is not None
    assert not state.children
    return state.last_error


def hear(backend: StrongswanBackend, kind: EventKind, patience: float = PATIENCE) -> Event:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for event in backend.events(0.2):
            if event.kind is kind:
                return event
    raise AssertionError(f"no event {kind}")


# ===== algorithms =====

IKE = [
    IkeProposal("I", encryption, integrity, prf, group)
    for encryption, integrity, prf, group in (
        ("des-cbc", "md5-96", "md5", 1),
        ("3des-cbc", "sha1-96", "sha1", 2),
        ("aes-cbc-128", "aes-xcbc-96", "aes-xcbc-128", 5),
        ("aes-cbc-256", "sha2-256-128", "sha1", 14),
        ("aes-cbc-128", "sha2-384-192", "sha1", 2),
        ("aes-cbc-128", "sha2-512-256", "sha1", 2),
    )
]
ESP = [
    EspProposal("E", "esp", encryption, integrity)
    for encryption, integrity in (
        ("null", "sha1-96"),
        ("des-cbc", "md5-96"),
        ("3des-cbc", "sha1-96"),
        ("aes-cbc-128", "aes-xcbc-96"),
        ("aes-cbc-192", "sha1-96"),
        ("aes-cbc-256", "sha2-256-128"),
        ("aes-cbc-128", "sha2-384-192"),
        ("aes-cbc-128", "sha2-512-256"),
        ("aes-128-gcm-64", "null"),
        ("aes-128-gcm-96", "null"),
        ("aes-128-gcm-128", "null"),
        ("aes-192-gcm", "null"),
        ("aes-256-gcm-64", "null"),
        ("aes-256-gcm-96", "null"),
        ("aes-256-gcm-128", "null"),
    )
]
PAIRS = [(ike, ESP[0]) for ike in IKE] + [(IkeProposal("I"), esp) for esp in ESP]


def test_the_table_of_backends_says_what_this_one_does(lab: Lab) -> None:
    unmarked = StrongswanBackend(Settings.of({"socket": str(lab.gateway.socket), "certificates": "/var/empty"}))
    assert replace(unmarked.capabilities(), versions={}) == replace(USER_SPACE, versions={})
    unmarked.close()


def _words(pair: tuple[IkeProposal, EspProposal]) -> str:
    ike, esp = pair
    return f"{ike.encryption}+{ike.integrity}+{ike.dh_group}--{esp.encryption}+{esp.integrity}"


@pytest.mark.parametrize("pair", PAIRS, ids=_words)
def test_every_algorithm_is_negotiated(
    lab: Lab, backend: StrongswanBackend, pair: tuple[IkeProposal, EspProposal]
) -> None:
    ike, esp = pair
    everything = "des-3des-aes128-aes256-md5-sha1-aesxcbc-sha256-sha384-sha512-prfmd5-prfsha1-prfaesxcbc-modp768"
    ciphers = "null-des-3des-aes128-aes192-aes256-md5-sha1-aesxcbc-sha256-sha384-sha512"
    sealed = "-".join(f"aes{size}gcm{icv}" for size in (128, 192, 256) for icv in (8, 12, 16))
    proposals = [f"{everything}-modp1024-modp1536-modp2048"]
    ready(lab, proposals=proposals, child_esp_proposals=[ciphers, sealed])
    tunnel = with_sets(with_ike(example_tunnel(), proposals=(ike,)), esp)
    commit(backend, tunnel)
    state = until_up(backend, tunnel)
    assert state.ike is not None
    assert (state.ike.encryption, state.ike.integrity, state.ike.prf, state.ike.dh_group) == (
        ike.encryption,
        ike.integrity,
        ike.prf,
        ike.dh_group,
    )
    (child,) = state.children
    assert (child.encryption, child.integrity, child.transform_set) == (esp.encryption, esp.integrity, "E")


def test_the_first_transform_set_the_peer_accepts_is_used(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab, child_esp_proposals=["aes128-sha256", "aes256-sha1"])
    sets = (EspProposal("S1"), EspProposal("S2", encryption="aes-cbc-256"), EspProposal("S3", integrity="sha2-256-128"))
    tunnel = with_sets(example_tunnel(), *sets)
    commit(backend, tunnel)
    assert [child.transform_set for child in until_up(backend, tunnel).children] == ["S2"]


def test_the_dscp_follows_the_transform_set_that_was_negotiated(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab, child_esp_proposals=["aes128-sha1"])
    tunnel = bound(
        with_sets(example_tunnel(), EspProposal("S1", integrity="sha2-256-128", dscp=1), EspProposal("S2", dscp=2))
    )
    commit(backend, tunnel)
    state = until(backend, tunnel, lambda state: [child.applied_dscp for child in state.children] == [2])
    assert [child.transform_set for child in state.children] == ["S2"]
    _wait(lambda: [len(report["child-sas"]) for _, report in lab.gateway.sas()] == [1])


def test_a_packet_goes_through(lab: Lab, backend: StrongswanBackend) -> None:
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", pingable(1))
    tunnel = any_protocol(example_tunnel())
    commit(backend, tunnel)
    until_up(backend, tunnel)
    assert lab.ping(1)
    counters = until(backend, tunnel, lambda state: state.counters.packets_in > 0).counters
    assert (counters.packets_in, counters.packets_out) == (1, 1)


# ===== refusals, in the words of an operator =====


def test_another_key_is_told(lab: Lab, backend: StrongswanBackend) -> None:
    lab.peer.share("key", b"another")
    lab.peer.load("peer1", answering(1))
    tunnel = example_tunnel()
    commit(backend, tunnel)
    assert "key, certificate or identities differ (AUTHENTICATION_FAILED)" in until_error(backend, tunnel)
    assert hear(backend, EventKind.TUNNEL_ERROR).tunnel == tunnel.id

    lab.peer.share("key", PSK)  # the peer's operator mends it: nothing is to be done here
    assert until_up(backend, tunnel).last_error is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"proposals": ["aes256-sha512-modp2048"]}, "none of our IKE transform sets (NO_PROPOSAL_CHOSEN)"),
        ({"child_esp_proposals": ["aes256-sha512"]}, "none of our IPsec transform sets (NO_PROPOSAL_CHOSEN)"),
        ({"child_local_ts": ["10.9.9.0/24"]}, "its crypto ACL must mirror ours (TS_UNACCEPTABLE)"),
    ],
    ids=["ike", "esp", "selector"],
)
def test_a_refusal_is_told(lab: Lab, backend: StrongswanBackend, changes: dict[str, Any], words: str) -> None:
    ready(lab, **changes)
    tunnel = example_tunnel()
    commit(backend, tunnel)
    assert words in until_error(backend, tunnel)


def test_a_silent_peer_is_told(lab: Lab, backend: StrongswanBackend) -> None:
    lab.cut()
    try:
        tunnel = example_tunnel()
        commit(backend, tunnel)
        until(backend, tunnel, lambda state: state.status is TunnelStatus.CONNECTING)
        assert "the peer does not answer" in until_error(backend, tunnel)
    finally:
        lab.mend()


def test_the_setup_timer_ends_an_attempt(lab: Lab, backend: StrongswanBackend) -> None:
    lab.cut()
    try:
        tunnel = with_ike(example_tunnel(), setup_timer=1)
        commit(backend, tunnel)
        assert until_error(backend, tunnel) == "not negotiated within 1 s"
    finally:
        lab.mend()


def test_what_charon_refuses_is_undone_whole(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    good, bad = example_tunnel(1), example_tunnel(2)
    assert bad.selector is not None
    bad = replace(bad, selector=replace(bad.selector, protocol=300))
    plan = backend.prepare(between(Intent(), Intent.of([good, bad])))
    with pytest.raises(ApplyFailed, match="charon refuses"):
        backend.apply(plan)
    assert lab.gateway.connections() == []
    assert lab.gateway.vici.request("get-shared")["keys"] == []
    assert not backend.observe().tunnels


def _secret(clear: bytes) -> Secret:
    return Secret(clear.hex(), lambda: clear)


# ===== changes of live tunnels =====


def test_a_reapply_drops_nothing(lab: Lab, backend: StrongswanBackend) -> None:
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", pingable(1))
    old = any_protocol(example_tunnel(dscp=0x28))
    intent = commit(backend, old)
    before = until_up(backend, old)
    new = carried(old, any_protocol(example_tunnel(dscp=0x12)))
    change = change_of(intent, {old.id: new})
    backend.apply(backend.prepare(change))
    assert spis(until_up(backend, old)) == spis(before)

    plan = backend.prepare(with_reapplied(change.new, old.id))
    (effect,) = plan.effects
    assert (effect.kind, effect.drops) == (EffectKind.REKEY, 0)
    assert effect.reasons[-1] == "live SAs take the applied DSCP by a renegotiation"
    backend.apply(plan)
    assert lab.ping(1, count=20)
    after = until(backend, old, lambda state: bool(state.children) and spis(state) != spis(before))
    assert [child.applied_dscp for child in after.children] == [0x12]
    assert (after.ike and after.ike.initiator_spi) == (before.ike and before.ike.initiator_spi)
    assert hear(backend, EventKind.REAPPLIED).tunnel == old.id


def test_another_name_of_a_transform_set_renegotiates(lab: Lab, backend: StrongswanBackend) -> None:
    """The same algorithms: charon must not take the new SA for a duplicate of the old."""
    ready(lab)
    tunnel = example_tunnel()
    intent = commit(backend, tunnel)
    before = until_up(backend, tunnel)
    other = with_sets(tunnel, EspProposal("B-foo", dscp=0x28))
    backend.apply(backend.prepare(change_of(intent, {tunnel.id: other})))
    after = until_up(backend, tunnel)
    assert spis(after) != spis(before)
    assert [child.transform_set for child in after.children] == ["B-foo"]


def test_a_refused_renegotiation_takes_the_tunnel_down(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    tunnel = example_tunnel()
    intent = commit(backend, tunnel)
    until_up(backend, tunnel)
    other = with_sets(tunnel, EspProposal("A-foo", encryption="aes-cbc-256", integrity="sha2-512-256", dscp=0x28))
    backend.apply(backend.prepare(change_of(intent, {tunnel.id: other})))
    assert "NO_PROPOSAL_CHOSEN" in until_error(backend, tunnel)
    assert hear(backend, EventKind.TUNNEL_DOWN).reason == "the peer refused to renegotiate"


def test_a_removed_map_leaves_nothing_behind(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    tunnel = example_tunnel()
    intent = commit(backend, tunnel)
    until_up(backend, tunnel)
    backend.apply(backend.prepare(change_of(intent, {tunnel.id: None})))
    assert lab.gateway.connections() == []
    assert lab.gateway.vici.request("get-shared")["keys"] == []
    _wait(lambda: not lab.gateway.sas() and not lab.peer.sas())


def test_counters_never_go_backwards(lab: Lab, backend: StrongswanBackend) -> None:
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", pingable(1))
    tunnel = any_protocol(example_tunnel())
    commit(backend, tunnel)
    first = until_up(backend, tunnel)
    assert lab.ping(1, count=3)
    until(backend, tunnel, lambda state: state.counters.packets_out == 3)
    name, report = lab.gateway.sas()[0]
    lab.gateway.vici.request("rekey", {"child-id": next(iter(report["child-sas"].values()))["uniqueid"]})
    second = until(backend, tunnel, lambda state: bool(state.children) and spis(state) != spis(first))
    assert hear(backend, EventKind.CHILD_REKEYED).tunnel == tunnel.id
    assert second.counters.packets_out == 3
    assert lab.ping(1, count=2)
    until(backend, tunnel, lambda state: state.counters.packets_out == 5)

    lab.gateway.vici.request("rekey", {"ike": name})
    assert hear(backend, EventKind.IKE_REKEYED).tunnel == tunnel.id
    assert backend.observe(tunnel.id).tunnels[tunnel.id].counters.packets_out == 5

    lab.gateway.vici.request("terminate", {"ike": name, "force": "yes", "timeout": "-1"})
    until(backend, tunnel, lambda state: bool(state.children) and spis(state) != spis(second))
    assert lab.ping(1)
    until(backend, tunnel, lambda state: state.counters.packets_out == 6)


# ===== losses and restarts =====


def test_a_lost_peer_comes_back(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    tunnel = with_ike(example_tunnel(), dpd=DeadPeerDetection(interval=1))
    commit(backend, tunnel)
    until_up(backend, tunnel)
    assert hear(backend, EventKind.TUNNEL_UP).remote == IPv4Address(PEERS[0])
    lab.cut()
    try:
        assert "the peer does not answer" in hear(backend, EventKind.TUNNEL_DOWN).reason
        assert not backend.observe(tunnel.id).tunnels[tunnel.id].children
    finally:
        lab.mend()
    assert hear(backend, EventKind.TUNNEL_UP).tunnel == tunnel.id


def test_a_restarted_charon_is_filled_again(lab: Lab, backend: StrongswanBackend) -> None:
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", pingable(1))
    tunnel = any_protocol(example_tunnel())
    intent = commit(backend, tunnel)
    until_up(backend, tunnel)
    assert lab.ping(1, count=2)
    until(backend, tunnel, lambda state: state.counters.packets_out == 2)
    lab.gateway.kill()
    assert hear(backend, EventKind.BACKEND_LOST).reason
    assert not backend.health().connected
    with pytest.raises(Unavailable):
        backend.prepare(change_of(intent, {tunnel.id: None}))
    with pytest.raises(Unavailable):
        backend.observe()
    lab.gateway.start()
    hear(backend, EventKind.BACKEND_BACK)
    with pytest.raises(Unavailable, match="must be reconciled first"):
        backend.prepare(change_of(intent, {tunnel.id: None}))
    assert backend.reconcile(intent).missing == (tunnel.id,)
    until_up(backend, tunnel)
    assert lab.ping(1)
    until(backend, tunnel, lambda state: state.counters.packets_out == 3)


def test_a_restarted_server_finds_its_tunnels_up(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    pending = carried(example_tunnel(dscp=0x28), example_tunnel(dscp=0x12))
    intent = commit(backend, pending)
    before = until_up(backend, pending)
    backend.close()
    second = open_backend(lab.gateway)
    try:
        assert second.reconcile(intent).is_empty
        after = until_up(second, pending)
        assert spis(after) == spis(before)
        assert [child.applied_dscp for child in after.children] == [0x28]
        assert len(lab.gateway.sas()) == 1
    finally:
        second.close()


def test_connections_of_others_are_left_alone(lab: Lab, backend: StrongswanBackend) -> None:
    ready(lab)
    lab.gateway.load("office", answering(3) | {"local_addrs": [LOCAL], "remote_addrs": [PEERS[2]]})
    lab.gateway.share("office-key", b"theirs")
    tunnel = example_tunnel()
    commit(backend, tunnel)
    until_up(backend, tunnel)
    backend.reconcile(Intent())
    assert lab.gateway.connections() == ["office"]
    assert lab.gateway.vici.request("get-shared")["keys"] == ["office-key"]


def test_a_hanging_charon_does_not_hang_the_backend(lab: Lab, backend: StrongswanBackend) -> None:
    impatient = open_backend(lab.gateway, timeout=0.5, prefix="impatient")
    try:
        impatient.reconcile(Intent())
        tunnel = example_tunnel()
        intent = Intent.of([tunnel])
        plan = impatient.prepare(between(Intent(), intent))
        os.kill(lab.gateway.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises((Unavailable, OutcomeUnknown)):
                impatient.apply(plan)
            assert time.monotonic() - begun < 5
        finally:
            os.kill(lab.gateway.pid, signal.SIGCONT)
        ready(lab)
        assert impatient.reconcile(intent).missing == (tunnel.id,)
        until_up(impatient, tunnel)
    finally:
        impatient.close()


# ===== responders, and cryptomap on both ends =====


def test_a_template_answers_any_peer(lab: Lab, backend: StrongswanBackend) -> None:
    authentication = Authentication(secret=_secret(PSK))
    ike = Ike((IkeProposal("I"),), authentication, authentication)
    identity = ResponderId("ipsec-d", "service")
    responder = Responder(identity, "template", IPv4Address(LOCAL), ike, (Child("any", (EspProposal("E", dscp=10),)),))
    backend.apply(backend.prepare(between(Intent(), Intent.of((), [responder]))))
    lab.peer.share("key", PSK)
    for number in (1, 2):
        changes = {"remote": {"auth": "psk", "id": LOCAL}, "child_esp_proposals": ["aes128-sha1"]}
        lab.peer.load(f"peer{number}", answering(number, **changes))
        lab.peer.initiate(f"peer{number}", "net")
    sessions = backend.observe().responders[identity].sessions
    assert {session.remote for session in sessions} == {IPv4Address(PEERS[0]), IPv4Address(PEERS[1])}
    assert [child.applied_dscp for session in sessions for child in session.children] == [10, 10]
    assert hear(backend, EventKind.SESSION_UP).responder == identity
    lab.peer.try_("terminate", {"ike": "peer1"})
    assert hear(backend, EventKind.SESSION_DOWN).remote == IPv4Address(PEERS[0])


def test_a_peer_that_wants_an_address_gets_none_and_no_tunnel(lab: Lab, backend: StrongswanBackend) -> None:
    """The configuration has no pool of addresses, which is a declared limit."""
    commit(backend, replace(example_tunnel(), initiate=Initiate.TRAFFIC))
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", answering(1, remote={"auth": "psk", "id": LOCAL}, vips=["0.0.0.0"]))
    with pytest.raises(Rejected):
        lab.peer.initiate("peer1", "net")
    assert "INTERNAL_ADDRESS_FAILURE" in lab.peer.log.read_text()
    assert "pools" in backend.capabilities().notes


def mirrored(tunnel: Tunnel, **changes: Any) -> Tunnel:
    """The same tunnel as its peer has it."""
    selector, remote = tunnel.selector, tunnel.remote
    assert selector is not None
    assert remote is not None
    other = Selector(selector.destination, selector.source, selector.protocol)
    return bound(replace(tunnel, local=remote, remote=tunnel.local, selector=other, **changes))


def test_cryptomap_on_both_ends(lab: Lab, backend: StrongswanBackend) -> None:
    ours = any_protocol(example_tunnel())
    theirs = mirrored(ours, initiate=Initiate.TRAFFIC)
    peer = open_backend(lab.peer)
    try:
        peer.reconcile(Intent())
        plan = peer.prepare(between(Intent(), Intent.of([theirs])))
        assert "the tunnel waits for its peer" in plan.warnings[0]
        peer.apply(plan)
        assert peer.observe(theirs.id).tunnels[theirs.id].status is TunnelStatus.DOWN
        commit(backend, ours)
        here, there = until_up(backend, ours), until_up(peer, theirs)
        assert spis(here) == [(out, back) for back, out in spis(there)]
        assert lab.ping(1)
    finally:
        peer.close()


def test_both_ends_begin_at_once(lab: Lab, backend: StrongswanBackend) -> None:
    ours = any_protocol(example_tunnel())
    theirs = mirrored(ours)
    peer = open_backend(lab.peer)
    try:
        peer.reconcile(Intent())
        plans = [
            (side, side.prepare(between(Intent(), Intent.of([item]))))
            for side, item in ((backend, ours), (peer, theirs))
        ]
        threads = [threading.Thread(target=side.apply, args=(plan,)) for side, plan in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until_up(backend, ours)
        until_up(peer, theirs)
        _wait(lambda: len(lab.gateway.sas()) == len(lab.peer.sas()) == 1)
        assert lab.ping(1)
    finally:
        peer.close()


def test_a_dynamic_map_answers(lab: Lab, backend: StrongswanBackend) -> None:
    dynamic = replace(
        any_protocol(example_tunnel()), kind=TunnelKind.DYNAMIC, remote=None, selector=None, initiate=Initiate.TRAFFIC
    )
    intent = commit(backend, dynamic)
    lab.peer.share("key", PSK)
    lab.peer.load("peer1", answering(1, remote={"auth": "psk", "id": LOCAL}))
    lab.peer.initiate("peer1", "net")
    state = until_up(backend, dynamic)
    assert state.ike is not None
    assert state.ike.remote == IPv4Address(PEERS[0])
    other = with_sets(dynamic, EspProposal("A-foo", integrity="sha2-256-128", dscp=0x28))
    (effect,) = backend.prepare(change_of(intent, {dynamic.id: other})).effects
    assert (effect.kind, effect.drops) == (EffectKind.RE_ESTABLISH, 1)
    assert effect.reasons[-1] == "the peer has to negotiate anew"


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
