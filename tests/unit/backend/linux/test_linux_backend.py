"""Backend linux without root: the conformance suite and the failure paths over a kernel in memory."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cryptomap_backend.change import between, change_of
from cryptomap_backend.conformance import BackendConformance, example_l2, example_manual, example_tunnel
from cryptomap_backend.contract import ApplyFailed, Backend, Lane, Refused, Unavailable, Unsupported
from cryptomap_backend.helper.codec import encode
from cryptomap_backend.helper.guard import Guard
from cryptomap_backend.helper.server import answer_to
from cryptomap_backend.intent import DfBit, Intent, L2Marking, L2Table, Mode, TunnelId
from cryptomap_backend.linux.backend import LinuxBackend
from cryptomap_backend.linux.egress import Egress, Marked, Priorities
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import (
    Add,
    Algorithms,
    Object,
    Operation,
    Policy,
    Remove,
    Sa,
    SaKey,
    SeenSa,
    Traffic,
    Update,
)
from cryptomap_backend.linux.probe import probe
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.load import load
from cryptomap_backend.marking import l2_table
from cryptomap_backend.state import TunnelStatus

NOTHING = Intent()
SETTINGS = {
    "contexts": {"ipsec-d": {"namespace": "gw"}},
    "devices": [{"context": "ipsec-d", "device": "v100", "mpls-label": 200}],
}


class MemoryKernel:
    """Keeps what it is told. ``refuse_spi`` makes an Add of that SPI fail, as if somebody else had one. ``torn`` are
    the devices that were changed for priorities that packets had."""

    def __init__(self) -> None:
        self.objects: dict[Any, Object] = {}
        self.programs: dict[tuple[str, str], Program] = {}
        self.devices: dict[tuple[str, Priorities], Marked] = {}
        self.torn: list[str] = []
        self.refuse_spi: int | None = None
        self.broken_device = False
        self.asked: list[str] = []

    def versions(self) -> Mapping[str, str]:
        return {"kernel": "memory"}

    def algorithms(self) -> Algorithms:
        return probe(lambda sa: True)

    def transact(self, operations: Sequence[Operation]) -> int:
        after = dict(self.objects)
        for operation in operations:
            self._do(after, operation)
        self.objects = after
        return len(operations)

    def _do(self, objects: dict[Any, Object], operation: Operation) -> None:
        key = operation.key if isinstance(operation, Remove) else operation.item.key
        place = operation.namespace, key
        if isinstance(operation, Add) == (place in objects) or getattr(key, "spi", 0) == self.refuse_spi:
            raise ApplyFailed(f"{errno.EEXIST}: {key}")
        if isinstance(operation, Remove):
            del objects[place]
        else:
            objects[place] = operation.item

    def sas(self, namespace: str) -> tuple[SeenSa, ...]:
        return tuple(
            self._seen(item) for (where, _), item in self.objects.items() if where == namespace and isinstance(item, Sa)
        )

    def find_sas(self, namespace: str, keys: Sequence[SaKey]) -> tuple[SeenSa, ...]:
        found = (self.objects.get((namespace, key)) for key in keys)
        return tuple(self._seen(item) for item in found if isinstance(item, Sa))

    def _seen(self, item: Sa) -> SeenSa:
        return SeenSa(item.key, item.reqid, item.mark, item.fingerprint, Traffic(3, 300, added=1.0))

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        return tuple(
            item for (where, _), item in self.objects.items() if where == namespace and isinstance(item, Policy)
        )

    def load_program(self, namespace: str, program: Program) -> None:
        self.programs[namespace, program.table] = program

    def program_digest(self, namespace: str, table: str) -> str | None:
        program = self.programs.get((namespace, table))
        return program.digest if program else None

    def remove_program(self, namespace: str, table: str) -> None:
        self.programs.pop((namespace, table), None)

    def set_egress(self, egress: Egress, priorities: Priorities, marked: Marked) -> None:
        if self.broken_device and marked.pcps[1] == 2:
            raise ApplyFailed("no such device")
        if self.marks(egress.device) not in (None, marked) and self.in_use(egress.device) == priorities:
            self.torn.append(egress.device)
        self.devices[egress.device, priorities] = marked

    def egress(self, egress: Egress, priorities: Priorities) -> Marked:
        return self.devices.get((egress.device, priorities), Marked((0,) * 8))

    def in_use(self, device: str) -> Priorities | None:
        """The priorities that packets get which leave by a device."""
        return next((program.priorities for program in self.programs.values() if device in program.devices), None)

    def marks(self, device: str) -> Marked | None:
        """What such packets are marked with."""
        priorities = self.in_use(device)
        return self.devices[device, priorities] if priorities else None

    def interrupt(self) -> None:
        self.asked.append("interrupt")

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel()


@pytest.fixture
def backend(kernel: MemoryKernel) -> LinuxBackend:
    return opened(kernel)


def opened(kernel: MemoryKernel, intent: Intent = NOTHING) -> LinuxBackend:
    """A backend of a server that has just been started."""
    made = LinuxBackend(Settings.of(SETTINGS), kernel, kernel)
    made.reconcile(intent)
    return made


class TestOverMemory(BackendConformance):
    @pytest.fixture
    def make_backend(self, kernel: MemoryKernel) -> Backend:
        return LinuxBackend(Settings.of(SETTINGS), kernel, kernel)


def commit(backend: LinuxBackend, intent: Intent) -> Intent:
    backend.apply(backend.prepare(between(Intent(), intent)))
    return intent


def test_it_is_found_by_name() -> None:
    assert load("linux", SETTINGS).name == "linux"


def test_ikev2_is_left_to_another_backend(backend: LinuxBackend) -> None:
    with pytest.raises(Unsupported, match="map type ikev2: it has manual keys only, backend strongswan negotiates"):
        backend.prepare(between(Intent(), Intent.of([example_tunnel()])))


def test_the_dont_fragment_bit_is_never_set(backend: LinuxBackend) -> None:
    with pytest.raises(Unsupported, match="the kernel copies or clears the don't-fragment bit of the outer header"):
        backend.prepare(between(Intent(), Intent.of([replace(example_manual(), df_bit=DfBit.SET)])))


def test_a_drop_eligible_indicator_is_warned_about(backend: LinuxBackend) -> None:
    odd = L2Marking(system_default=L2Table.of({(1, 0): (0x5, 6)}))
    (warning,) = backend.prepare(between(Intent(), Intent(l2=odd))).warnings
    assert "802.1p-dei" in warning
    assert "sent as 0" in warning


def test_a_failure_puts_the_qos_maps_back(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    before = dict(kernel.programs), kernel.marks("v100")
    kernel.refuse_spi = 0x1001
    with pytest.raises(ApplyFailed):
        commit(backend, Intent.of([example_manual()], l2=example_l2()))
    assert (kernel.programs, kernel.marks("v100")) == before
    assert (kernel.objects, dict(backend.observe().tunnels)) == ({}, {})


def test_qos_maps_that_fail_half_way_are_put_back(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    before = dict(kernel.programs), kernel.marks("v100")
    kernel.broken_device = True
    with pytest.raises(ApplyFailed, match="no such device"):
        commit(backend, Intent.of([example_manual()], l2=example_l2()))
    assert (kernel.programs, kernel.marks("v100")) == before
    assert not kernel.objects


def test_no_packet_is_marked_by_half_of_a_change(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    """Devices learn the new L2 table for priorities that no packet has yet; one transaction of nftables makes both
    count. So it goes with every change, and with one that is undone."""
    wanted = example_l2()
    before = NOTHING
    for l2 in (wanted, replace(wanted, dscp_to_cos=(0,) * 64), L2Marking(), wanted):
        change = between(before, before := Intent(l2=l2))
        backend.apply(backend.prepare(change))
        marks = kernel.marks("v100")
        assert marks == Marked.by(l2_table(l2, "ipsec-d", None)[2], 200)
    kernel.refuse_spi = 0x1001
    with pytest.raises(ApplyFailed):
        backend.apply(backend.prepare(between(before, Intent.of([example_manual()]))))
    assert kernel.marks("v100") == marks
    assert kernel.torn == []


def test_a_restarted_server_goes_on_with_the_priorities_in_use(kernel: MemoryKernel) -> None:
    configured = commit(opened(kernel), Intent(l2=example_l2()))
    restarted = opened(kernel, configured)
    restarted.apply(restarted.prepare(between(configured, NOTHING)))
    assert kernel.torn == []


def test_two_maps_of_one_selector_are_refused(backend: LinuxBackend) -> None:
    first, second = example_manual(1), example_manual(2)
    intent = commit(backend, Intent.of([first]))
    with pytest.raises(Refused, match="ipsec-d/foo2@loopback and ipsec-d/foo1@loopback have the same traffic selector"):
        backend.prepare(change_of(intent, {second.id: replace(second, selector=first.selector)}))
    moved = change_of(intent, {first.id: None, second.id: replace(second, selector=first.selector)})
    backend.apply(backend.prepare(moved))
    assert set(backend.observe().tunnels) == {second.id}


def test_a_key_of_the_wrong_size_is_refused(backend: LinuxBackend) -> None:
    tunnel = example_manual()
    assert tunnel.manual is not None
    wrong = replace(tunnel.manual.inbound, auth_key=tunnel.manual.inbound.cipher_key)
    with pytest.raises(Unsupported, match="authenticator key of SPI 0x1001 has 16 bytes, not 20"):
        backend.prepare(between(Intent(), Intent.of([replace(tunnel, manual=replace(tunnel.manual, inbound=wrong))])))


def test_ports_need_a_protocol_that_has_them(backend: LinuxBackend) -> None:
    tunnel = example_manual()
    assert tunnel.selector is not None
    selector = replace(tunnel.selector, protocol=1, source_ports=((1, 2),))
    with pytest.raises(Unsupported, match="only where the IP protocol has ports"):
        backend.prepare(between(Intent(), Intent.of([replace(tunnel, selector=selector)])))


def test_counters_never_go_back_when_an_sa_is_replaced(backend: LinuxBackend) -> None:
    old, new = example_manual(1), example_manual(1, integrity="sha2-256-128")
    intent = commit(backend, Intent.of([old]))
    assert backend.observe(old.id).tunnels[old.id].counters.packets_out == 3
    backend.apply(backend.prepare(change_of(intent, {new.id: new})))
    assert backend.observe(old.id).tunnels[old.id].counters.packets_out == 6


def test_transport_mode_marks_nothing(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    tunnel = example_manual()
    (child,) = tunnel.children
    proposals = (replace(child.proposals[0], mode=Mode.TRANSPORT),)
    commit(backend, Intent.of([replace(tunnel, children=(replace(child, proposals=proposals),))]))
    sas = [item for item in kernel.objects.values() if isinstance(item, Sa)]
    assert [(sa.mark, sa.mask) for sa in sas] == [(0, 0), (0, 0)]
    assert len(kernel.objects) == 4  # two SAs, policies in and out


def test_a_map_somebody_removed_from_the_kernel_is_in_error(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    tunnel = example_manual()
    commit(backend, Intent.of([tunnel]))
    kernel.objects.clear()
    state = backend.observe().tunnels[tunnel.id]
    assert state.status is TunnelStatus.ERROR
    assert state.last_error == "the inbound and the outbound SA is not in the kernel: somebody removed it"
    assert backend.reconcile(Intent.of([tunnel])).missing == (tunnel.id,)


def test_what_a_former_life_left_is_removed_and_named(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    commit(backend, Intent.of([example_manual()]))
    restarted = LinuxBackend(Settings.of(SETTINGS), kernel, kernel)
    (unknown,) = restarted.reconcile(Intent()).unexpected
    assert (unknown.context, unknown.crypto_map.split(",")[0]) == ("gw", "unknown map")
    assert not kernel.objects


def test_an_unreadable_namespace_makes_the_answer_incomplete(
    backend: LinuxBackend, kernel: MemoryKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(backend, Intent.of([example_manual()]))

    def gone(namespace: str) -> tuple[SeenSa, ...]:
        raise Unavailable(f"network namespace {namespace!r} is not there")

    monkeypatch.setattr(kernel, "sas", gone)
    seen = backend.observe()
    assert (dict(seen.tunnels), seen.complete) == ({}, False)
    assert backend.health().last_error == "network namespace 'gw' is not there"


def test_interrupting_and_closing_reach_the_kernel(backend: LinuxBackend, kernel: MemoryKernel) -> None:
    backend.interrupt(Lane.COMMANDS)
    backend.close()
    assert kernel.asked == ["interrupt", "close", "close"]


# ===== the helper =====


def asked(kernel: MemoryKernel, verb: str, *arguments: object) -> Any:
    """The helper's answer to a request in bytes."""
    line = json.dumps([verb, *map(encode, arguments)]).encode()
    return answer_to(line, kernel, Guard(Settings.of(SETTINGS)))


def sa_of(number: int = 0x10000001) -> Sa:
    tunnel = example_manual()
    assert tunnel.remote is not None
    return Sa(tunnel.local, tunnel.remote, 0x1001, "esp", Mode.TUNNEL, number, "null", "sha1-96", b"", bytes(20))


def test_the_helper_does_what_is_allowed(kernel: MemoryKernel) -> None:
    assert asked(kernel, "transact", [Add("gw", sa_of())]) == {"answer": 1}
    assert len(kernel.objects) == 1


@pytest.mark.parametrize(
    ("verb", "arguments", "text"),
    [
        ("sas", ["elsewhere"], "a namespace or table that is not ours"),
        ("transact", [[Add("elsewhere", sa_of())]], "a namespace that is not ours"),
        ("transact", [[Add("gw", sa_of(5))]], "a request id that is not ours"),
        ("transact", [[Update("gw", replace(sa_of(), mark=0x80, mask=0xFF))]], "marks that are not ours"),
        ("load_program", ["gw", Program("theirs")], "a table or marks that are not ours"),
        ("load_program", ["gw", Program(priorities=Priorities(7))], "packet priorities that are not ours"),
        ("load_program", ["gw", Program(devices=("eth0",))], "a device that is not in the settings"),
        ("load_program", ["gw", Program(vrfs=((1, "red"),))], "a VRF device that is not in the settings"),
        (
            "transact",
            [[Add("gw", replace(sa_of(), vrf_mark=(0x80, 0x7F80)))]],
            "the mark of a VRF that is not in the settings",
        ),
        ("load_program", ["gw", Program(dscp_to_cos=(9,) * 64)], "strange priorities"),
        ("egress", [Egress("eth0", "ipsec-d", "gw"), Priorities()], "a device that is not in the settings"),
    ],
)
def test_the_helper_refuses_everything_else(
    kernel: MemoryKernel, verb: str, arguments: list[object], text: str
) -> None:
    answer = asked(kernel, verb, *arguments)
    assert answer == {"error": ["Unavailable", f"the helper's settings do not allow {text}"]}
    assert (kernel.objects, kernel.programs) == ({}, {})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'["close"]',
        b'["__init__"]',
        b'["sas"]',
        b'["sas", 5]',
        b'["sas", "gw", "gw"]',
        b'["transact", [{"!": "Remove", "namespace": "gw", "key": {"!": "SaKey", "spi": true}}]]',
        b'["load_program", "gw", {"!": "Program", "table": "cryptomap"}]',
    ],
)
def test_the_helper_refuses_what_it_cannot_read(kernel: MemoryKernel, line: bytes) -> None:
    answer = answer_to(line, kernel, Guard(Settings.of(SETTINGS)))
    assert answer == {"error": ["Unavailable", "the helper does not understand the request"]}


def test_an_unknown_tunnel_is_not_observed(backend: LinuxBackend) -> None:
    assert not backend.observe(TunnelId("no", "such", "map")).tunnels
