"""Backend linux against a kernel that others use too: what it leaves alone, what it undoes, what it mends, what it
costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cryptomap_backend.change import between, change_of, with_reapplied
from cryptomap_backend.conformance import example_l2
from cryptomap_backend.contract import ApplyFailed, Refused, Unavailable
from cryptomap_backend.intent import Intent, Tunnel
from cryptomap_backend.linux.backend import LinuxBackend
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.state import TunnelStatus
from dataplane.gateways import Gateways
from dataplane.maps import PLAIN, pair

pytestmark = pytest.mark.timeout(300)  # the first test waits for the machine to boot, on a busy host too

MARKED = replace(PLAIN, dscp=0x28)
FOREIGN_SA = "xfrm state {verb} src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x{spi:x}"
KEYS = "reqid 7 mode tunnel enc 'cbc(aes)' 0x000102030405060708090a0b0c0d0e0f auth-trunc 'hmac(sha1)' 0x{0} 96"


def foreign(verb: str, spi: int) -> str:
    """The command that adds or deletes somebody else's SA in namespace left."""
    keys = KEYS.format("11" * 20) if verb == "add" else ""
    return f"ip -n left {FOREIGN_SA.format(verb=verb, spi=spi)} {keys}"


@pytest.fixture
def backend(gateways: Gateways) -> Iterator[LinuxBackend]:
    made = gateways.backend("ipsec-d")
    made.reconcile(Intent())
    yield made
    made.reconcile(Intent())
    made.close()
    gateways.vm.run("ip -n left xfrm state flush; ip -n left xfrm policy flush")


def numbered(number: int, dscp: int | None = 0x28) -> Tunnel:
    """The left map of a pair, with addresses of its own behind the peer."""
    inner = ("192.168.1.1", f"172.16.{number // 256}.{number % 256}")
    return pair(replace(PLAIN, dscp=dscp), inner, name=f"foo{number}", spi=0x10000 + 2 * number)[0]


def kernel_objects(gateways: Gateways) -> tuple[int, int]:
    """How many SAs and policies there are in namespace left, whoever's, but for the policies of a charon's sockets."""
    count = "grep -c ^src"
    out = gateways.vm.run(f"ip -n left xfrm state | {count}; ip -n left xfrm policy list nosock | {count}; true").out
    states, policies = out.split()
    return int(states), int(policies)


def test_objects_of_others_are_left_alone(gateways: Gateways, backend: LinuxBackend) -> None:
    gateways.vm.run(foreign("add", 0x9999))
    gateways.vm.run("ip netns exec left nft 'add table inet theirs; add chain inet theirs c'")
    gateways.vm.run(
        "ip -n left xfrm policy add src 1.1.1.1 dst 2.2.2.2 dir out tmpl dst 3.3.3.3 proto esp mode tunnel reqid 7"
    )
    gateways.vm.run("ip -n left link set dev v100 type vlan egress-qos-map 3:5")
    backend.apply(backend.prepare(between(Intent(), Intent.of([numbered(1)], l2=example_l2()))))
    assert kernel_objects(gateways) == (3, 4)
    backend.reconcile(Intent())
    assert kernel_objects(gateways) == (1, 1)
    assert "table inet theirs" in gateways.vm.run("ip netns exec left nft list tables").out
    assert "3:5" in gateways.vm.run("ip -n left -d link show dev v100").out
    gateways.vm.run(foreign("delete", 0x9999))
    gateways.vm.run("ip -n left xfrm policy delete src 1.1.1.1 dst 2.2.2.2 dir out")
    gateways.vm.run("ip netns exec left nft delete table inet theirs")


def test_a_commit_that_fails_half_way_leaves_everything_as_it_was(gateways: Gateways, backend: LinuxBackend) -> None:
    """An SA of somebody else has the key of one that the commit makes after others."""
    intent = Intent.of([numbered(1)])
    backend.apply(backend.prepare(between(Intent(), intent)))
    before = backend.observe()
    gateways.vm.run(foreign("add", 0x10000 + 2 * 3))
    change = change_of(
        intent, {numbered(1).id: None, numbered(2).id: numbered(2), numbered(3).id: numbered(3)}, l2=example_l2()
    )
    plan = backend.prepare(change)
    with pytest.raises(ApplyFailed, match=r"refused to add the ESP SA to 10\.0\.0\.2 with SPI 0x10006: .*exists"):
        backend.apply(plan)
    after = backend.observe()
    assert (after.tunnels, after.l2) == (before.tunnels, before.l2)
    assert kernel_objects(gateways) == (3, 3)
    gateways.vm.run(foreign("delete", 0x10000 + 2 * 3))
    backend.apply(plan)
    assert set(backend.observe().tunnels) == {numbered(2).id, numbered(3).id}


def test_a_policy_of_somebody_else_in_the_way_undoes_the_whole_commit(
    gateways: Gateways, backend: LinuxBackend
) -> None:
    """It meets a message of the second batch: what the first one did is undone as well."""
    taken = "src 192.168.1.1/32 dst 172.16.0.21/32 dir out"
    gateways.vm.run(f"ip -n left xfrm policy add {taken} action block")
    plan = backend.prepare(between(Intent(), Intent.of([numbered(number) for number in range(25)])))
    words = "refused to add the policy out from .* to 172.16.0.21/32: somebody else has one of that kind"
    with pytest.raises(ApplyFailed, match=words):
        backend.apply(plan)
    assert kernel_objects(gateways) == (0, 1)
    assert "action block" in gateways.vm.run("ip -n left xfrm policy").out
    assert (dict(backend.observe().tunnels), backend.reconcile(Intent()).is_empty) == ({}, True)
    gateways.vm.run(f"ip -n left xfrm policy delete {taken}")
    backend.apply(plan)
    assert kernel_objects(gateways) == (50, 75)


def test_nftables_that_refuses_our_table_undoes_the_whole_commit(gateways: Gateways, backend: LinuxBackend) -> None:
    """Another program owns a table of our name, until it ends."""
    gateways.vm.run("ip netns exec left nft delete table inet cryptomap; mkfifo /run/typed")
    gateways.vm.start(["sh", "-c", "exec nft -i < /run/typed"], namespace="left")
    gateways.vm.start(["sh", "-c", "echo $$ > /run/typist; exec sleep infinity > /run/typed"], ready="/run/typist")
    gateways.vm.run("echo 'add table inet cryptomap { flags owner; }' > /run/typed")
    gateways.vm.run(
        "for i in $(seq 100); do ip netns exec left nft list tables | grep -q cryptomap && exit 0; sleep .1; done"
    )
    plan = backend.prepare(between(Intent(), Intent.of([numbered(1)], l2=example_l2())))
    with pytest.raises(ApplyFailed, match=r"nft failed in namespace left: .*Operation not permitted"):
        backend.apply(plan)
    assert kernel_objects(gateways) == (0, 0)
    assert dict(backend.observe().tunnels) == {}
    gateways.vm.run("kill $(cat /run/typist); rm /run/typed")
    gateways.vm.run(
        "for i in $(seq 100); do ip netns exec left nft list tables | grep -q cryptomap || exit 0; sleep .1; done"
    )
    assert backend.reconcile(plan.change.new).missing == (numbered(1).id,)
    assert backend.observe().l2 == example_l2()


def test_what_was_removed_comes_back_as_it_was(gateways: Gateways, backend: LinuxBackend) -> None:
    """A deletion that is undone restores SAs to the byte: the peer goes on with the same keys and numbers."""
    intent = Intent.of([numbered(1)])
    backend.apply(backend.prepare(between(Intent(), intent)))
    plan = backend.prepare(change_of(intent, {numbered(1).id: None}))
    backend.apply(plan)
    assert kernel_objects(gateways) == (0, 0)
    backend.revert(plan)
    assert backend.reconcile(intent).is_empty


def test_two_maps_with_one_selector_are_refused(backend: LinuxBackend) -> None:
    same = pair(MARKED, ("192.168.1.1", "172.16.0.1"), name="same", spi=0x3000)[0]
    intent = Intent.of([numbered(1)])
    backend.apply(backend.prepare(between(Intent(), intent)))
    with pytest.raises(Refused, match="same traffic selector"):
        backend.prepare(change_of(intent, {same.id: same}))


def test_a_change_of_one_map_sends_its_own_messages_only(backend: LinuxBackend) -> None:
    """Two SAs and three policies; a removal asks for each before; a re-apply asks for one SA and updates it."""
    intent = Intent.of([numbered(number) for number in range(1, 41)])
    backend.apply(backend.prepare(between(Intent(), intent)))
    costs = []
    for change in (
        added := change_of(intent, {numbered(41).id: numbered(41)}),
        pending := change_of(added.new, {numbered(41).id: replace(numbered(41, 0x12), applied=numbered(41).applied)}),
        reapplied := with_reapplied(pending.new, numbered(41).id),
        change_of(reapplied.new, {numbered(41).id: None}),
    ):
        before = backend.messages
        backend.apply(backend.prepare(change))
        costs.append(backend.messages - before)
    assert costs == [5, 0, 2, 10]


def test_many_maps_are_five_messages_each(backend: LinuxBackend, record_property: pytest.RecordProperty) -> None:
    intent = Intent.of([numbered(number) for number in range(300)])
    before, start = backend.messages, time.monotonic()
    backend.apply(backend.prepare(between(Intent(), intent)))
    record_property("seconds", time.monotonic() - start)
    assert backend.messages - before == 1500
    states = backend.observe().tunnels.values()
    assert {state.status for state in states} == {TunnelStatus.UP}
    assert len(states) == 300


def test_what_others_break_is_reported_and_mended(gateways: Gateways, backend: LinuxBackend) -> None:
    intent = Intent.of([numbered(number) for number in (1, 2, 3)], l2=example_l2())
    backend.apply(backend.prepare(between(Intent(), intent)))
    gateways.vm.run("ip -n left xfrm state delete src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x10002")
    gateways.vm.run("ip -n left xfrm policy delete src 192.168.1.1 dst 172.16.0.2 dir out")
    gateways.vm.run("ip netns exec left nft flush ruleset")
    seen = backend.observe()
    assert seen.tunnels[numbered(1).id].status is TunnelStatus.ERROR
    assert seen.tunnels[numbered(1).id].last_error == "the outbound SA is not in the kernel: somebody removed it"
    assert seen.l2 is None
    drift = backend.reconcile(intent)
    assert drift.different == (numbered(1).id, numbered(2).id)
    assert (drift.missing, drift.unexpected, drift.l2) == ((), (), True)
    assert backend.reconcile(intent).is_empty
    assert backend.observe().l2 == example_l2()


def test_a_restarted_server_finds_everything_in_place(gateways: Gateways, backend: LinuxBackend) -> None:
    intent = Intent.of([numbered(1), numbered(2)], l2=example_l2())
    backend.apply(backend.prepare(between(Intent(), intent)))
    before = backend.observe().tunnels
    restarted = gateways.backend("ipsec-d")
    less = Intent.of([numbered(1)], l2=example_l2())
    drift = restarted.reconcile(less)
    assert (drift.missing, drift.different, drift.l2) == ((), (), False)
    assert [str(tunnel) for tunnel in drift.unexpected] != []
    assert restarted.observe().tunnels == {numbered(1).id: before[numbered(1).id]}
    restarted.close()
    assert backend.reconcile(Intent()).missing == ()


def test_the_helper_refuses_what_its_settings_do_not_allow(gateways: Gateways) -> None:
    beyond = gateways.backend("ipsec-d")._commands
    with pytest.raises(Unavailable, match="a namespace or table that is not ours"):
        beyond.sas("somewhere")
    with pytest.raises(Unavailable, match="a table or marks that are not ours"):
        beyond.load_program("left", Program(table="theirs"))
    beyond.close()
