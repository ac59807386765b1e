"""The strongSwan backend with the kernel's ESP and AH, on the wire between two gateways in the virtual machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cryptomap_backend.change import between
from cryptomap_backend.conformance import PSK, example_tunnel
from cryptomap_backend.intent import EspProposal, Initiate, Intent, Selector, Tunnel, bound, carried
from cryptomap_backend.state import TunnelState, TunnelStatus
from cryptomap_backend.strongswan import StrongswanBackend, create
from cryptomap_backend.strongswan.vici import Rejected, Vici
from cryptomap_backend.table import STRONGSWAN
from dataplane.gateways import AH, ESP, Gateways, settings

PATIENCE = 30.0
LEFT, RIGHT = "10.0.0.1", "10.0.0.2"


@pytest.fixture(scope="module")
def daemons(kernel_charons: tuple[Vici, Vici]) -> Iterator[tuple[Vici, Vici]]:
    """A charon on either side; the right one answers whatever the left one asks for."""
    _, right = kernel_charons
    right.request("load-shared", {"id": "key", "type": "IKE", "data": PSK, "owners": ["%any"]})
    yield kernel_charons
    right.request("unload-conn", {"name": "peer"})
    right.request("clear-creds")


@pytest.fixture
def backend(gateways: Gateways, daemons: tuple[Vici, Vici]) -> Iterator[StrongswanBackend]:
    left, _ = daemons
    marking = {**settings("ipsec-d"), "helper": str(gateways.helper)}
    backend = create({"socket": left.path, "timeout": 20, "marking": marking, "certificates": "/var/empty"})
    backend.reconcile(Intent())
    yield backend
    backend.reconcile(Intent())
    backend.close()


def answer(daemons: tuple[Vici, Vici], **child: Any) -> None:
    """How the right side answers."""
    body = {
        "version": "2",
        "local_addrs": [RIGHT],
        "remote_addrs": [LEFT],
        "proposals": ["aes128-sha1-modp1024"],
        "local": {"auth": "psk", "id": RIGHT},
        "remote": {"auth": "psk", "id": "%any"},
        "children": {
            "net": {"local_ts": ["192.168.2.0/24"], "remote_ts": ["192.168.1.0/24"], "rekey_time": "0s", **child}
        },
    }
    daemons[1].request("load-conn", {"peer": body})


def tunnel(*proposals: EspProposal, initiate: Initiate = Initiate.BIND) -> Tunnel:
    base = example_tunnel()
    (child,) = base.children
    return bound(
        replace(
            base,
            local=IPv4Address(LEFT),
            remote=IPv4Address(RIGHT),
            selector=Selector(IPv4Network("192.168.1.0/24"), IPv4Network("192.168.2.0/24")),
            children=(replace(child, proposals=proposals or (EspProposal("A-foo", dscp=0x28),)),),
            initiate=initiate,
        )
    )


def commit(backend: StrongswanBackend, wanted: Tunnel) -> Intent:
    intent = Intent.of([wanted])
    backend.apply(backend.prepare(between(Intent(), intent)))
    return intent


def until(backend: StrongswanBackend, wanted: Tunnel, condition: Callable[[TunnelState], bool]) -> TunnelState:
    deadline = time.monotonic() + PATIENCE
    while True:
        state = backend.observe(wanted.id).tunnels[wanted.id]
        if condition(state):
            return state
        assert time.monotonic() < deadline, f"the state never came: {state}"
        time.sleep(0.1)


def is_up(state: TunnelState) -> bool:
    return state.status is TunnelStatus.UP


def test_the_table_of_backends_says_what_this_one_does(backend: StrongswanBackend) -> None:
    assert replace(backend.capabilities(), versions={}) == replace(STRONGSWAN, versions={})


def test_the_first_packet_brings_a_map_up(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    answer(daemons)
    waiting = tunnel(initiate=Initiate.TRAFFIC)
    commit(backend, waiting)
    assert backend.observe(waiting.id).tunnels[waiting.id].status is TunnelStatus.DOWN
    gateways.send([0], hear=False)
    until(backend, waiting, is_up)
    (seen,) = gateways.send([0])
    assert (seen.heard, seen.ipsec.protocol) == (0, ESP)


def test_an_authentication_header_is_marked_alike(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    answer(daemons, ah_proposals=["sha256"])
    authenticated = tunnel(EspProposal("H", "ah", "null", "sha2-256-128", dscp=0x28))
    commit(backend, authenticated)
    (child,) = until(backend, authenticated, is_up).children
    assert (child.protocol, child.integrity, child.transform_set) == ("ah", "sha2-256-128", "H")
    (seen,) = gateways.send([0])
    assert (seen.heard, seen.ipsec.protocol, seen.ipsec.tos) == (0, AH, 0xA0)


def test_packets_have_the_dscp_of_the_set_that_was_negotiated(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    """Not of the first one that is listed, which the peer does not take."""
    answer(daemons, esp_proposals=["aes128-sha1"])
    sets = EspProposal("S1", integrity="sha2-256-128", dscp=1), EspProposal("S2", dscp=0x12)
    wanted = tunnel(*sets)
    commit(backend, wanted)
    until(backend, wanted, lambda state: [child.applied_dscp for child in state.children] == [0x12])
    (seen,) = gateways.send([0])
    assert (seen.heard, seen.ipsec.tos) == (0, 0x12 << 2)


def test_of_two_maps_that_select_a_packet_the_preferred_takes_it(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    """Although the other is narrower; and nobody would answer that."""
    answer(daemons, local_ts=["192.168.0.0/16"])
    base = tunnel(initiate=Initiate.TRAFFIC)
    wide = Selector(IPv4Network("192.168.1.0/24"), IPv4Network("192.168.0.0/16"))
    first = replace(base, selector=wide, preference=1)
    second = replace(base, id=base.id._replace(crypto_map="second"), remote=IPv4Address("10.0.0.9"), preference=2)
    backend.apply(backend.prepare(between(Intent(), Intent.of([first, second]))))
    gateways.send([0], hear=False)
    until(backend, first, is_up)
    assert backend.observe(second.id).tunnels[second.id].status is TunnelStatus.DOWN


def traps(charon: Vici) -> set[str]:
    """The children that packets bring up."""
    policies = charon.stream("list-policies", "list-policy", {"trap": "yes"})
    return {policy["child"] for message in policies for policy in message.values()}


def children(charon: Vici) -> set[str]:
    """The children of all connections."""
    connections = (body for message in charon.stream("list-conns", "list-conn") for body in message.values())
    return {child for body in connections for child in body["children"]}


def test_no_trap_outlives_an_edit_or_its_map(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    """It would catch packets for good, with a mark of old. charon itself follows an edit of a mark, but not one after
    which a child has another name only: the DSCP that waits for a re-apply."""
    left, _ = daemons
    answer(daemons)
    wanted = tunnel()
    intent = commit(backend, wanted)
    until(backend, wanted, is_up)
    first = traps(left)
    assert first == children(left)

    edited = tunnel(EspProposal("A-foo", dscp=0x12))
    pending, remarked = Intent.of([carried(wanted, edited)]), Intent.of([edited])
    backend.apply(backend.prepare(between(intent, pending)))
    assert traps(left) == children(left) != first
    backend.apply(backend.prepare(between(pending, remarked)))
    until(backend, wanted, lambda state: [child.applied_dscp for child in state.children] == [0x12])
    assert traps(left) == children(left) != first

    (name,) = traps(left)
    left.request("uninstall", {"child": name})
    backend.reconcile(remarked)
    assert traps(left) == {name}

    backend.apply(backend.prepare(between(remarked, Intent())))
    assert traps(left) == set()
    deadline = time.monotonic() + PATIENCE
    while "tmpl" in (left_over := gateways.vm.run("ip -n left xfrm policy").out):
        assert time.monotonic() < deadline, left_over
        time.sleep(0.1)


def test_what_the_kernel_refuses_is_told_until_it_takes_it(
    gateways: Gateways, daemons: tuple[Vici, Vici], backend: StrongswanBackend
) -> None:
    """As when its tables are full: charon negotiates an SA that the kernel does not take. The peer begins, because its
    kernel is the same, and would refuse first what it is asked for."""
    answer(daemons, esp_proposals=["aes128-aesxcbc"])
    begin = {"ike": "peer", "child": "net", "timeout": "20000"}
    wanted = tunnel(EspProposal("X", integrity="aes-xcbc-96"), initiate=Initiate.TRAFFIC)
    commit(backend, wanted)
    gateways.vm.run("cp /proc/sys/kernel/modprobe /run/modprobe; echo > /proc/sys/kernel/modprobe; modprobe -r xcbc")
    try:
        with pytest.raises(Rejected):
            daemons[1].request("initiate", begin)
        state = until(backend, wanted, lambda state: state.last_error is not None)
        assert state.last_error == "the kernel refused the SA: does it have the algorithm, and ESP and AH?"
        assert not state.children
    finally:
        gateways.vm.run("cat /run/modprobe > /proc/sys/kernel/modprobe; modprobe xcbc")
    daemons[1].request("initiate", begin)
    assert until(backend, wanted, is_up).last_error is None
