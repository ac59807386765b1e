"""Two gateways and their wires inside the virtual machine, and backends that reach them from outside.

Namespaces ``left`` and ``right`` are joined by a veth pair with VLAN 100 (10.0.0.0/24, 2001:db8::/64) and VLAN 300
(10.3.0.0/24, whose IPsec packets leave with an MPLS label, which the other end takes off; it leads to 192.168.22.0/24).
Behind them are 192.168.1.1, 192.168.11.1 and fd01::1 on the left; 192.168.2.1, 192.168.12.1, 192.168.22.1 and fd02::1
on the right. ``left2`` and ``right2`` are the same once more, with equal addresses, on wires of their own. Each is a
context of the backend.

Namespaces ``hidden``, ``nat`` and ``open``, made on demand, are in a row: what the first sends to the last has the
address of the one between, which translates it.

Namespace ``vrfs``, made on demand, is a left gateway three times over, in VRF devices ``red`` and ``blue`` and in its
main routing table: equal addresses again, and wires to ``right3``, ``right4`` and ``right5``.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cryptomap_backend.linux import create
from cryptomap_backend.linux.backend import LinuxBackend
from cryptomap_backend.strongswan.vici import Vici
from dataplane import charon, frames
from dataplane.vm.machine import HERE, Machine

ROOT = HERE.parents[2]
SOCKET = "/run/cryptomap/helper.sock"
VRF_SOCKET = "/run/cryptomap/vrf-helper.sock"
LABEL = 200
CONTEXTS = {"ipsec-d": "left", "peer": "right", "second": "left2", "second-peer": "right2"}
NAT_CONTEXTS = {"behind-nat": "hidden"}
DEVICES = [
    {"context": "ipsec-d", "device": "v100"},
    {"context": "ipsec-d", "device": "v300", "mpls-label": LABEL},
]
VRF_CONTEXTS = {"red": "vrfs", "shared": "vrfs", "red-peer": "right3", "blue-peer": "right4", "main-peer": "right5"}
VRF_PEERS = {"red": "right3", "blue": "right4", "": "right5"}
ESP, AH = 50, 51

MODULES = (
    "veth 8021q xfrm_user nf_tables esp4 esp6 ah4 ah6 authenc echainiv cbc ecb ctr drbg jitterentropy_rng ansi_cprng"
    " crypto_null des_generic xcbc md5 sha256 sha512 sha3_generic act_mpls em_meta cls_basic sch_ingress mpls_router"
)


def side(name: str, host: int, neighbour: str) -> list[str]:
    """Commands for ``ip -batch`` in the namespace of one side, which is host 1 or 2."""
    mine, theirs = host, 3 - host
    devices = [
        line
        for vlan in (100, 300)
        for line in (f"link add link {name} name v{vlan} type vlan id {vlan}", f"link set v{vlan} up")
    ]
    return [
        *("link set lo up", f"link set {name} up"),
        *devices,
        *(f"addr add 10.0.0.{mine}/24 dev v100", f"addr add 2001:db8::{mine}/64 dev v100 nodad"),
        *(f"addr add 10.3.0.{mine}/24 dev v300", f"neigh replace 10.3.0.{theirs} lladdr {neighbour} dev v300"),
        *(f"addr add 192.168.{mine}.1/32 dev lo", f"addr add 192.168.1{mine}.1/32 dev lo"),
        *(f"addr add 192.168.2{mine}.1/32 dev lo", f"addr add fd0{mine}::1/128 dev lo nodad"),
        f"route add 192.168.{theirs}.0/24 via 10.0.0.{theirs} src 192.168.{mine}.1",
        f"route add 192.168.1{theirs}.0/24 via 10.0.0.{theirs} src 192.168.1{mine}.1",
        f"route add 192.168.2{theirs}.0/24 via 10.3.0.{theirs} src 192.168.{mine}.1",
        f"route add fd0{theirs}::/64 via 2001:db8::{theirs} src fd0{mine}::1",
    ]


def wiring(left: str, right: str, number: int) -> str:
    """A shell script that makes two namespaces and the wire between them."""
    macs = f"02:00:00:00:{number:02x}:01", f"02:00:00:00:{number:02x}:02"
    pair = f"link add {left} netns {left} address {macs[0]} type veth peer name {right} netns {right} address {macs[1]}"
    parts = [
        f"ip netns add {left}; ip netns add {right}; ip {pair}",
        _batch(left, side(left, 1, macs[1])),
        _batch(right, side(right, 2, macs[0])),
        *map(_unlabelled, (left, right)),
    ]
    return "set -e; " + "\n".join(parts)


def _unlabelled(namespace: str) -> str:
    """The label of packets that arrive on VLAN 300 is taken off, and they are looked at as if they had come by lo."""
    settings = "echo 1000 > /proc/sys/net/mpls/platform_labels; echo 1 > /proc/sys/net/mpls/conf/v300/input"
    return f"ip netns exec {namespace} sh -c '{settings}'; ip -n {namespace} -f mpls route add {LABEL} dev lo"


def _batch(namespace: str, lines: Sequence[str]) -> str:
    return f"ip -n {namespace} -batch - <<'END'\n" + "\n".join(lines) + "\nEND"


def vrf_wiring(vrf: str, peer: str, number: int) -> str:
    """A shell script that joins one routing table of namespace ``vrfs`` with a namespace on the right."""
    wire, vlan, loopback, table = f"w{number}", f"{vrf or 'main'}100", vrf or "lo", f"vrf {vrf}" if vrf else ""
    macs = f"02:00:00:00:{number:02x}:01", f"02:00:00:00:{number:02x}:02"
    pair = f"link add {wire} netns vrfs address {macs[0]} type veth peer name {peer} netns {peer} address {macs[1]}"
    master = [f"link add {vrf} type vrf table {number}", f"link set {vrf} up"] if vrf else []
    lines = [
        *master,
        *(f"link set {wire} up", f"link add link {wire} name {vlan} type vlan id 100"),
        *([f"link set {vlan} master {vrf}"] if vrf else []),
        *(f"link set {vlan} up", f"addr add 10.0.0.1/24 dev {vlan}", f"addr add 2001:db8::1/64 dev {vlan} nodad"),
        *(f"addr add 192.168.1.1/32 dev {loopback}", f"addr add fd01::1/128 dev {loopback} nodad"),
        f"route add 192.168.2.0/24 via 10.0.0.2 src 192.168.1.1 {table}",
        f"route add fd02::/64 via 2001:db8::2 src fd01::1 {table}",
    ]
    return "\n".join([f"ip netns add {peer}; ip {pair}", _batch("vrfs", lines), _batch(peer, side(peer, 2, macs[0]))])


LOCAL_AFTER_VRFS = "\n".join(
    f"ip -n vrfs -{family} rule add pref 32765 table local; ip -n vrfs -{family} rule del pref 0" for family in (4, 6)
)
"""An address of the main table would else be ours in every VRF."""


NAT_WIRING = """set -e
for name in hidden nat open; do ip netns add $name; ip -n $name link set lo up; done
ip link add inside netns hidden type veth peer name inside netns nat
ip link add outside netns nat type veth peer name outside netns open
ip -n nat -batch - <<'END'
addr add 10.8.0.1/24 dev inside
link set inside up
addr add 10.9.0.1/24 dev outside
link set outside up
END
ip -n hidden -batch - <<'END'
addr add 10.8.0.2/24 dev inside
addr add 192.168.1.1/32 dev lo
link set inside up
route add default via 10.8.0.1
route add 192.168.2.0/24 via 10.8.0.1 src 192.168.1.1
END
ip -n open -batch - <<'END'
addr add 10.9.0.2/24 dev outside
addr add 192.168.2.1/32 dev lo
link set outside up
route add 192.168.1.0/24 via 10.9.0.1 src 192.168.2.1
END
ip netns exec nat sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; nft -f -' <<'END'
table ip nat { chain postrouting { type nat hook postrouting priority srcnat; oifname "outside" masquerade; }; }
END
"""
"""There is no way from the open side to the hidden one but through a translation that the hidden one has begun."""


def settings(*contexts: str) -> dict[str, object]:
    """Of backend and helper alike; of these contexts or of all that have gateways on either side."""
    places = CONTEXTS | NAT_CONTEXTS
    named = contexts or tuple(CONTEXTS)
    return {
        "contexts": {context: {"namespace": places[context]} for context in named},
        "devices": [device for device in DEVICES if device["context"] in named],
    }


def vrf_settings() -> dict[str, object]:
    """Of the contexts around namespace ``vrfs``: red lives in a VRF device, shared in the main routing table, its VRF
    customer in another VRF device."""
    contexts = {context: {"namespace": namespace} for context, namespace in VRF_CONTEXTS.items()}
    contexts["red"]["vrf-device"] = "red"
    return {
        "contexts": contexts,
        "vrfs": [{"context": "shared", "vrf": "customer", "vrf-device": "blue"}],
        "devices": [
            {"context": "red", "device": "red100"},
            {"context": "shared", "device": "main100"},
            {"context": "shared", "vrf": "customer", "device": "blue100"},
        ],
    }


CHARON = """
charon-systemd {
  load = random nonce aes sha1 sha2 md5 hmac gmp xcbc openssl gcm kdf pem pkcs1 x509 pubkey revocation constraints \
kernel-netlink socket-default vici
  install_routes = no
  install_virtual_ip = no
  threads = 16
  plugins { vici { socket = unix:///run/SIDE.vici } }
}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one packet: its ToS byte at the receiving application, and the IP frames on the wire."""

    heard: int | None
    wire: tuple[frames.Frame, ...]

    @property
    def ipsec(self) -> frames.Frame:
        """The one ESP or AH packet of it."""
        (found,) = [frame for frame in self.wire if frame.protocol in (ESP, AH)]
        return found


class Gateways:
    """The two gateways in a machine."""

    def __init__(self, vm: Machine) -> None:
        self.vm = vm
        vm.run("mkdir -p /run/cryptomap")
        self._start_helper(SOCKET, settings(*CONTEXTS, *NAT_CONTEXTS))
        vm.run(f"modprobe -a {MODULES}", check=False)
        vm.run(wiring("left", "right", 1))
        vm.run(wiring("left2", "right2", 2))
        vm.wait_for(SOCKET)
        self.helper = vm.forward(SOCKET)
        self._try_algorithms()

    def _start_helper(self, at: str, allowed: dict[str, object]) -> None:
        self.vm.run(f"cat > {at}.json <<'END'\n{json.dumps(allowed)}\nEND")
        helper = [sys.executable, "-m", "cryptomap_backend.helper", "--socket", at, "--settings", f"{at}.json"]
        self.vm.start(["env", f"PYTHONPATH={ROOT / 'backend'}", *helper])

    def _try_algorithms(self) -> None:
        """Once with nothing to load: the kernel would start modprobe some sixty times, which is slow without KVM."""
        self.vm.run("cp /proc/sys/kernel/modprobe /run/modprobe; echo > /proc/sys/kernel/modprobe")
        backend = self.backend("ipsec-d")
        backend.capabilities()
        backend.close()
        self.vm.run("cat /run/modprobe > /proc/sys/kernel/modprobe")

    def with_vrfs(self) -> LinuxBackend:
        """Namespace ``vrfs`` and its peers, a helper for them, and a backend of all their contexts."""
        self.vm.run("modprobe vrf; ip netns add vrfs; ip -n vrfs link set lo up")
        for number, (vrf, peer) in enumerate(VRF_PEERS.items(), 3):
            self.vm.run(f"set -e; {vrf_wiring(vrf, peer, number)}")
        self.vm.run(LOCAL_AFTER_VRFS)
        self._start_helper(VRF_SOCKET, vrf_settings())
        self.vm.wait_for(VRF_SOCKET)
        return create({**vrf_settings(), "helper": str(self.vm.forward(VRF_SOCKET))})

    def with_nat(self) -> dict[str, object]:
        """Namespaces ``hidden``, ``nat`` and ``open``, and how the hidden one marks."""
        self.vm.run(NAT_WIRING)
        return {**settings(*NAT_CONTEXTS), "helper": str(self.helper)}

    def backend(self, *contexts: str) -> LinuxBackend:
        """A backend of these contexts or of all, in this process, whose kernel is the machine's."""
        return create({**settings(*contexts), "helper": str(self.helper)})

    def charon(self, side: str) -> Vici:
        """A charon started in that namespace, on its VICI socket."""
        self.vm.run(f"cat > /run/{side}.conf <<'END'\n{CHARON.replace('SIDE', side)}\nEND")
        command = ["env", f"STRONGSWAN_CONF=/run/{side}.conf", charon.CHARON]
        self.vm.start(command, ready=f"/run/{side}.vici", namespace=side)
        return Vici(str(self.vm.forward(f"/run/{side}.vici")), 20.0)

    def send(
        self,
        tos: Sequence[int],
        source: str = "192.168.1.1",
        destination: str = "192.168.2.1",
        ends: tuple[str, str] = ("left", "right"),
        hear: bool = True,
        ports: Sequence[int] = (4000,),
        wire: str = "",
        vrfs: tuple[str, str] = ("", ""),
    ) -> list[Seen]:
        """UDP packets of each ToS byte to each port, from the first end to the second, which is to hear them. The wire
        is the second end's device of its own name if none is given; ``vrfs`` are the VRF devices of the two ends."""
        said = {
            "from": ends[0],
            "to": ends[1],
            "wire": wire or ends[1],
            "vrfs": vrfs,
            "source": source,
            "destination": destination,
            "packets": [(byte, port) for port in ports for byte in tos],
            "hear": hear,
        }
        done = self.vm.run(f"python3 -S {HERE / 'traffic.py'} {shlex.quote(json.dumps(said))}")
        return [_seen(answer["heard"], answer["frames"]) for answer in json.loads(done.out)]


def _seen(heard: int | None, captured: Sequence[str]) -> Seen:
    parsed = (frames.parse(bytes.fromhex(frame)) for frame in captured)
    return Seen(heard, tuple(frame for frame in parsed if frame))
