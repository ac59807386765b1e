"""Charons in network namespaces: IKE for real, ESP in user space (plugin kernel-libipsec), on any kernel with TUN.

``Lab`` is one gateway under test and one peer, joined by a veth pair. Nothing leaves the two namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptomap_backend.intent import L2Marking
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.strongswan.vici import Lost, Rejected, Vici

CHARON = "/usr/sbin/charon-systemd"
PLUGINS = Path("/usr/lib/ipsec/plugins")
PACKAGES = "charon-systemd libstrongswan-standard-plugins libcharon-extra-plugins iproute2 iputils-ping"

LOCAL = "192.0.2.1"
PEERS = tuple(f"198.51.100.{number}" for number in range(1, 6))
SOURCE = "203.0.113.0/25"

CONFIGURATION = """
charon-systemd {{
  load = {plugins}
  install_routes = no
  install_virtual_ip = no
  prefer_configured_proposals = no
  retransmit_tries = 2
  retransmit_timeout = 0.5
  retransmit_base = 1
  threads = 16
  plugins {{
    vici {{ socket = unix://{socket} }}
    kernel-libipsec {{ allow_peer_ts = yes }}
    openssl {{ load_legacy = yes }}
  }}
  filelog {{ main {{
      path = {log}
      default = 1
      flush_line = yes
  }} }}
  journal {{ default = -1 }}
}}
"""


ALL_PLUGINS = (
    "random nonce aes sha1 sha2 md5 hmac gmp xcbc openssl gcm kdf pem pkcs1 x509 pubkey revocation constraints"
    " kernel-libipsec kernel-netlink socket-default vici counters"
)
FEW_PLUGINS = "random nonce aes sha1 hmac gmp kdf kernel-libipsec kernel-netlink socket-default vici"


def why_not() -> str | None:
    """Why charons cannot be started here, ``None`` if they can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if not Path(CHARON).exists() or not (PLUGINS / "libstrongswan-kernel-libipsec.so").exists():
        return f"needs the Debian packages {PACKAGES}"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    return None if shutil.which("ip") else "needs the program ip"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Charon:
    """One daemon in a network namespace, with all its files in one directory."""

    def __init__(self, namespace: str, directory: Path, plugins: str = ALL_PLUGINS) -> None:
        self.namespace = namespace
        self.socket = directory / "charon.vici"
        self.log = directory / "charon.log"
        self._configuration = directory / "strongswan.conf"
        self._configuration.write_text(CONFIGURATION.format(plugins=plugins, socket=self.socket, log=self.log))
        self._process: subprocess.Popen[bytes] | None = None
        self.vici = Vici(str(self.socket), 5.0)

    def start(self) -> None:
        """Returns when it answers."""
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, CHARON],
            env=os.environ | {"STRONGSWAN_CONF": str(self._configuration)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                self.vici.request("version")
                return
            except Lost:
                time.sleep(0.05)
        raise AssertionError(f"charon does not start: {self.log}")

    def kill(self) -> None:
        """It dies without a word to anybody."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        self.vici.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    # ===== what a peer's operator does =====

    def load(self, name: str, body: Mapping[str, Any]) -> None:
        self.vici.request("load-conn", {name: body})

    def unload(self, name: str) -> None:
        self.vici.request("unload-conn", {"name": name})

    def share(self, name: str, secret: bytes) -> None:
        """The key for whoever comes."""
        self.vici.request("load-shared", {"id": name, "type": "IKE", "data": secret, "owners": ["%any"]})

    def sas(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [item for message in self.vici.stream("list-sas", "list-sa") for item in message.items()]

    def connections(self) -> list[str]:
        return list(self.vici.request("get-conns").get("conns", []))

    def initiate(self, connection: str, child: str) -> None:
        self.vici.request("initiate", {"ike": connection, "child": child, "timeout": "5000"})

    def reset(self) -> None:
        """No connection, no SA, no key."""
        for name in self.connections():
            self.unload(name)
        for name, _ in self.sas():
            self.try_("terminate", {"ike": name, "force": "yes", "timeout": "-1"})
        self.vici.request("clear-creds")

    def try_(self, command: str, message: Mapping[str, Any]) -> None:
        try:
            self.vici.request(command, message)
        except Rejected:
            return


class Remembered:
    """QoS maps that are only remembered: what they do to packets is for the tests of backend linux."""

    held: L2Marking | None = None

    @property
    def marks(self) -> Marks:
        return Marks()

    def program(self, marking: L2Marking) -> None:
        Remembered.held = marking

    def fits(self, marking: L2Marking) -> bool:
        return Remembered.held == marking

    def interrupt(self) -> None:
        """Never waits."""

    def close(self) -> None:
        """Holds nothing."""


class Lab:
    """``gateway`` at 192.0.2.1 with the subnet 203.0.113.0/25, ``peer`` at 198.51.100.1 .. 5 with 10.0.1.0/24 .. 5."""

    def __init__(self, directory: Path) -> None:
        self._names = [f"cmss{os.getpid()}{side}" for side in "ab"]
        for name in self._names:
            ip("netns", "add", name)
        self._wire()
        charons = []
        for name in self._names:
            (directory / name).mkdir()
            charons.append(Charon(name, directory / name))
        self.gateway, self.peer = charons

    def start(self) -> None:
        self.gateway.start()
        self.peer.start()

    def stop(self) -> None:
        self.gateway.stop()
        self.peer.stop()
        for name in self._names:
            ip("netns", "delete", name)

    def cut(self) -> None:
        """The wire between gateway and peer breaks."""
        ip("-n", self._names[1], "link", "set", "wire", "down")

    def mend(self) -> None:
        ip("-n", self._names[1], "link", "set", "wire", "up")
        self._peer_routes()

    def ping(self, number: int, count: int = 1, patience: int | None = None) -> bool:
        """From the gateway's subnet into the peer's subnet of that number. With ``patience``, goes on for up to so many
        seconds until ``count`` answers have come."""
        wait = "-W1" if patience is None else f"-w{patience}"
        command = ["ip", "netns", "exec", self._names[0], "ping", "-n", "-q", "-i", "0.05", f"-c{count}", wait]
        command += ["-I", "203.0.113.1", f"10.0.{number}.1"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _wire(self) -> None:
        gateway, peer = self._names
        ip("link", "add", "wire", "netns", gateway, "type", "veth", "peer", "name", "wire", "netns", peer)
        for name in self._names:
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "wire", "up")
        ip("-n", gateway, "address", "add", f"{LOCAL}/32", "dev", "wire")
        ip("-n", gateway, "address", "add", "203.0.113.1/32", "dev", "lo")
        ip("-n", gateway, "route", "add", "198.51.100.0/24", "dev", "wire", "src", LOCAL)
        for number, address in enumerate(PEERS, 1):
            ip("-n", peer, "address", "add", f"{address}/32", "dev", "wire")
            ip("-n", peer, "address", "add", f"10.0.{number}.1/32", "dev", "lo")
        self._peer_routes()

    def _peer_routes(self) -> None:
        ip("-n", self._names[1], "route", "replace", "192.0.2.0/24", "dev", "wire")


@contextmanager
def running(directory: Path) -> Iterator[Lab]:
    lab = Lab(directory)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def answering(number: int, **changes: Any) -> dict[str, Any]:
    """A peer's connection that answers the conformance suite's tunnel of that number; ``changes`` of the child begin
    with ``child_``."""
    child = {
        "local_ts": [f"10.0.{number}.0/24[udp]"],
        "remote_ts": [f"{SOURCE}[udp]"],
        "esp_proposals": ["aes128-sha1", "aes128-sha256"],
        "rekey_time": "0s",
    }
    child |= {key.removeprefix("child_"): value for key, value in changes.items() if key.startswith("child_")}
    body: dict[str, Any] = {
        "version": "2",
        "local_addrs": [PEERS[number - 1]],
        "remote_addrs": [LOCAL],
        "proposals": ["aes128-sha1-modp1024"],
        "rekey_time": "0s",
        "mobike": "no",
        "local": {"auth": "psk", "id": PEERS[number - 1]},
        "remote": {"auth": "psk", "id": "%any"},
        "children": {"net": child},
    }
    return body | {key: value for key, value in changes.items() if not key.startswith("child_")}
