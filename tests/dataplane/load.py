"""Ten thousand maps: what they cost the kernel and charon. Too long for every run: ``make load-dataplane``.

The work is counted and asserted; seconds are printed, those of the virtual machine being many times a real kernel's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from cryptomap_backend.change import Change, between, change_of
from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import Initiate, Intent, Selector, Tunnel, bound
from cryptomap_backend.linux.local import LocalKernel
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import Add, Policy, Remove
from cryptomap_backend.linux.settings import Settings as LinuxSettings
from cryptomap_backend.linux.translate import objects
from cryptomap_backend.state import TunnelStatus
from cryptomap_backend.strongswan import Settings, StrongswanBackend
from dataplane.charon import Lab, Remembered, ip
from dataplane.gateways import Gateways
from dataplane.maps import PLAIN, pair

MANY = 10_000
ASKED = 7
"""VICI requests of a change of any size: what charon is and can, twice, and a look whether it is there."""

pytestmark = pytest.mark.timeout(1800)


@contextmanager
def told(what: str) -> Iterator[None]:
    started, cpu = time.monotonic(), time.process_time()
    yield
    print(f"\n{what}: {time.monotonic() - started:.1f} s, {time.process_time() - cpu:.1f} s of them in this process")


def numbered(number: int, dscp: int | None = 0x28) -> Tunnel:
    inner = ("192.168.1.1", f"172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}")
    return pair(replace(PLAIN, dscp=dscp), inner, name=f"foo{number}", spi=0x10000 + 2 * number)[0]


def test_policies_in_this_kernel() -> None:
    """Policies and nftables, natively; this kernel may have no ESP. The table does not grow with the maps."""
    name = f"cmload{time.monotonic_ns() % 10**6}"
    settings = LinuxSettings.of({"contexts": {"ipsec-d": {"namespace": name}}})
    wanted = [
        item
        for number in range(MANY)
        for item in objects(numbered(number), settings.reqids[0] + number, settings).values()
        if isinstance(item, Policy)
    ]
    kernel = LocalKernel(settings.reqids)
    ip("netns", "add", name)
    try:
        with told(f"{len(wanted)} policies of {MANY} maps, natively"):
            assert kernel.transact([Add(name, item) for item in wanted]) == 3 * MANY
        program = Program(settings.table, settings.marks)
        with told("the nftables table for all of them"):
            kernel.load_program(name, program)
        assert kernel.program_digest(name, settings.table) == program.digest
        with told("listing them"):
            assert len(kernel.policies(name)) == 3 * MANY
        with told("removing them"):
            kernel.transact([Remove(name, item.key) for item in wanted])
    finally:
        kernel.close()
        ip("netns", "delete", name)


def test_maps_in_the_machine(gateways: Gateways) -> None:
    backend = gateways.backend("ipsec-d")
    backend.reconcile(Intent())
    intent = Intent.of([numbered(number) for number in range(MANY)])
    plan = backend.prepare(between(Intent(), intent))
    before = backend.messages
    with told(f"{MANY} maps into the kernel of the virtual machine"):
        backend.apply(plan)
    assert backend.messages - before == 5 * MANY
    before = backend.messages
    with told("one map more"):
        backend.apply(backend.prepare(change_of(intent, {numbered(MANY).id: numbered(MANY)})))
    assert backend.messages - before == 5
    with told("state of all"):
        states = backend.observe().tunnels.values()
    assert (len(states), {state.status for state in states}) == (MANY + 1, {TunnelStatus.UP})
    backend.reconcile(Intent())
    backend.close()


def test_connections_in_charon(charons: Lab) -> None:
    charons.gateway.reset()
    backend = StrongswanBackend(Settings.of({"socket": str(charons.gateway.socket), "timeout": 60}), Remembered)
    backend.reconcile(Intent())
    base = example_tunnel(initiate=Initiate.TRAFFIC)

    def waiting(number: int) -> Tunnel:
        own, other = IPv4Network("203.0.113.0/25"), IPv4Network((f"10.{number // 256}.{number % 256}.0", 24))
        remote = IPv4Address("198.51.100.1") + number
        name = base.id._replace(crypto_map=f"foo{number}")
        return replace(base, id=name, remote=remote, selector=Selector(own, other), preference=number)

    def commit(change: Change) -> int:
        """How many requests it took."""
        before = backend.messages
        backend.apply(backend.prepare(change))
        return backend.messages - before

    intent = Intent.of([waiting(number) for number in range(MANY)])
    with told(f"{MANY} connections and keys into charon"):
        assert commit(between(Intent(), intent)) == ASKED + 2 * MANY
    one = waiting(MANY)
    added = change_of(intent, {one.id: one})
    with told("one more"):
        assert commit(added) == ASKED + 2
    with told("an edit of one"):
        edited = change_of(added.new, {one.id: bound(replace(one, children=(replace(one.children[0], rekey=True),)))})
        assert commit(edited) == ASKED + 1
    with told("reconciling them, all in place"):
        assert backend.reconcile(edited.new).is_empty
    with told("removing them"):
        backend.reconcile(Intent())
    backend.close()
