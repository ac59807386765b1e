"""A real tunnel on one machine: two hosts in network namespaces, strongSwan and cryptomapd on each, a ping through ESP.

    sudo make demo-strongswan

Everything is configured by NETCONF commits. Where the kernel has ESP, packets are marked: the application's DSCP if it
set one, else that of the crypto map. Where it has not, strongSwan's ESP in user space is used, which marks nothing.
Nothing outside the two namespaces is changed, and they are gone at the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_server import local_server
from lxml import etree
from ncclient import manager
from session import NS

from cryptomap_backend.linux.namespace import inside

CHARON = "/usr/sbin/charon-systemd"
USER_SPACE = Path("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so")
PACKAGES = (
    "charon-systemd libstrongswan-standard-plugins libcharon-extra-plugins iproute2 iputils-ping nftables tcpdump"
)
PATIENCE = 30
DSCP = 0x28
PLUGINS = "random nonce aes sha1 sha2 hmac gmp openssl gcm kdf socket-default vici"

STRONGSWAN = """
charon-systemd {{
  load = {plugins}
  install_routes = no
  threads = 16
  plugins {{
    vici {{ socket = unix://{socket} }}
    kernel-libipsec {{ allow_peer_ts = yes }}
  }}
  filelog {{ main {{
    path = {log}
    flush_line = yes
  }} }}
}}
"""

BACKEND = """
[backend]
name = "strongswan"
[backend.strongswan]
socket = "{socket}"
{marking}
"""

CONFIGURATION = """
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><contexts xmlns="{ctx}"><context><name>demo</name>
  <interface><name>wire</name><ipv4><address>{host.address}</address></ipv4>
    <crypto-map xmlns="{ips}"><name>tunnel</name><initiate>{initiate}</initiate></crypto-map></interface>
  <access-list xmlns="{acl}"><name>between-subnets</name><rule><name>rule-1</name><protocol>ip</protocol>
    <source><prefix>{host.subnet}</prefix></source><destination><prefix>{peer.subnet}</prefix></destination></rule></access-list>
  <ikev2-ikesa-transform-set xmlns="{ips}"><name>ike</name><group>14</group></ikev2-ikesa-transform-set>
  <ipsec-transform-set xmlns="{ips}"><name>esp</name><dscp>{dscp}</dscp></ipsec-transform-set>
  <crypto-map xmlns="{ips}"><name>tunnel</name><type>ikev2-ipv4</type>
    <match-address>between-subnets</match-address><peer>{peer.address}</peer>
    <ikev2>
      <authentication><local><pre-shared-key>{key}</pre-shared-key></local>
        <remote><pre-shared-key>{key}</pre-shared-key></remote></authentication>
      <ikev2-ikesa><transform-set>ike</transform-set></ikev2-ikesa>
      <payload><name>all</name><match>ipv4</match><transform-set>esp</transform-set></payload>
    </ikev2></crypto-map>
</context></contexts></config>"""


@dataclass(frozen=True)
class Host:
    """A network namespace with one end of the wire and a subnet behind it."""

    name: str
    address: str
    inner: str

    @property
    def subnet(self) -> str:
        return f"{self.inner.rpartition('.')[0]}.0/24"

    @property
    def namespace(self) -> str:
        return f"cryptomap-demo-{os.getpid()}-{self.name}"


ALPHA = Host("alpha", "192.0.2.1", "10.0.1.1")
BETA = Host("beta", "192.0.2.2", "10.0.2.1")


def why_not() -> str | None:
    """Why the demo cannot run here, ``None`` if it can."""
    if os.geteuid() != 0:
        return "it makes network namespaces, so it needs root: sudo make demo-strongswan"
    programs = [CHARON, *(shutil.which(name) or name for name in ("ip", "ping", "nft", "tcpdump"))]
    missing = [program for program in programs if not Path(program).exists()]
    if missing:
        return f"{', '.join(missing)} missing; on Debian: apt-get install --no-install-recommends {PACKAGES}"
    return None


# ===== the two hosts =====


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def wire() -> Iterator[None]:
    """The namespaces, joined by a veth pair."""
    try:
        for host in (ALPHA, BETA):
            ip("netns", "add", host.namespace)
        ip(
            "link",
            "add",
            "wire",
            "netns",
            ALPHA.namespace,
            "type",
            "veth",
            "peer",
            "name",
            "wire",
            "netns",
            BETA.namespace,
        )
        for host, peer in ((ALPHA, BETA), (BETA, ALPHA)):
            ip("-n", host.namespace, "link", "set", "lo", "up")
            ip("-n", host.namespace, "link", "set", "wire", "up")
            ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "wire")
            ip("-n", host.namespace, "address", "add", f"{host.inner}/32", "dev", "lo")
            ip("-n", host.namespace, "route", "add", peer.subnet, "via", peer.address, "src", host.inner)
        yield
    finally:
        for host in (ALPHA, BETA):
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True)


def kernel_has_esp() -> bool:
    """Try it, on a throw-away SA of one end."""
    state = ["xfrm", "state", "{}", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100"]
    keys = ["mode", "tunnel", "auth", "hmac(sha1)", "0x" + 20 * "11", "enc", "cbc(aes)", "0x" + 16 * "22"]
    command = ["ip", "-n", ALPHA.namespace, *(word.format("add") for word in state), *keys]
    if subprocess.run(command, capture_output=True).returncode:
        return False
    ip("-n", ALPHA.namespace, *(word.format("delete") for word in state))
    return True


@contextmanager
def charon(host: Host, directory: Path, in_kernel: bool) -> Iterator[Path]:
    """strongSwan's daemon on a host; its VICI socket."""
    socket, configuration = directory / "charon.vici", directory / "strongswan.conf"
    kernel = "kernel-netlink" if in_kernel else "kernel-libipsec kernel-netlink"
    configuration.write_text(
        STRONGSWAN.format(plugins=f"{PLUGINS} {kernel}", socket=socket, log=directory / "charon.log")
    )
    command = ["ip", "netns", "exec", host.namespace, CHARON]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, "STRONGSWAN_CONF": str(configuration)}, **quiet)
    try:
        deadline = time.monotonic() + PATIENCE
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"charon does not start: {(directory / 'charon.log').read_text()}")
            time.sleep(0.05)
        yield socket
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def gateway(host: Host, directory: Path, in_kernel: bool) -> Iterator[manager.Manager]:
    """charon and cryptomapd on a host, and a NETCONF session that hears notifications."""
    directory.mkdir()
    with charon(host, directory, in_kernel) as socket, inside(host.namespace):
        settings = directory / "cryptomapd.toml"
        marking = "[backend.strongswan.marking]" if in_kernel else ""
        settings.write_text(BACKEND.format(socket=socket, marking=marking))
        with (
            local_server(directory, "--config", str(settings)) as server,
            manager.connect(
                host=server.host, port=server.port, username=server.user, key_filename=str(server.key),
                hostkey_verify=False, allow_agent=False, look_for_keys=False,
            ) as session,
        ):  # fmt: skip
            session.create_subscription()
            yield session


# ===== the story =====


def configuration(host: Host, peer: Host, initiate: str) -> str:
    return CONFIGURATION.format(host=host, peer=peer, initiate=initiate, dscp=DSCP, key="demo-key", **NS)


def commit(session: manager.Manager, config: str) -> None:
    session.edit_config(target="candidate", config=config)
    session.commit()


def wait_until_up(session: manager.Manager) -> dict[str, str]:
    """The leafs of the notification tunnel-up."""
    while True:
        told = session.take_notification(timeout=PATIENCE)
        if told is None:
            raise SystemExit("the tunnel does not come up")
        content = told.notification_ele[-1]
        leafs = {etree.QName(leaf).localname: leaf.text or "" for leaf in content}
        if etree.QName(content).localname == "tunnel-up":
            return leafs
        if "reason" in leafs:
            print(f"   {etree.QName(content).localname}: {leafs['reason']}")


@contextmanager
def captured(count: int) -> Iterator[list[str]]:
    """What tcpdump sees of so many packets on beta's side of the wire, one text for each; filled at the end."""
    lines: list[str] = []
    command = ["ip", "netns", "exec", BETA.namespace, "tcpdump", "-n", "-v", "-l", "--immediate-mode", "-i", "wire"]
    command += [f"-c{count}", "src", ALPHA.address, "and", "(", "esp", "or", "udp", "port", "4500", ")"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "listening on" not in process.stderr.readline():
            if process.poll() is not None:
                raise SystemExit("tcpdump does not start")
        try:
            yield lines
            out, _ = process.communicate(timeout=PATIENCE)
            lines += [" ".join(line.split()[2:] if line[0].isdigit() else line.split()) for line in out.splitlines()]
        finally:
            process.kill()


def ping(tos: int) -> str:
    """The summary of three packets of that ToS byte from alpha's subnet to beta's."""
    command = ["ip", "netns", "exec", ALPHA.namespace, "ping", "-n", "-q", "-c3", "-i", "0.2", "-W", "5"]
    done = subprocess.run([*command, "-Q", hex(tos), "-I", ALPHA.inner, BETA.inner], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"no answer to a ping through the tunnel: {done.stdout}")
    return done.stdout.splitlines()[-2]


def state(session: manager.Manager) -> str:
    found = session.get(filter=("xpath", (NS, "//ctx:interface/ips:crypto-map/ips:state"))).data_ele
    paths = ("ips:status", "ips:child-sa/ips:output-packets", "ips:child-sa/ips:applied-dscp")
    status, packets, dscp = (found.findtext(f".//ips:state/{path}", "none", NS) for path in paths)
    return f"tunnel {status}, packets out {packets}, DSCP of its SA {dscp}"


def tell(directory: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(wire())
        in_kernel = kernel_has_esp()
        where = "the kernel's ESP" if in_kernel else "ESP in user space: this kernel has none, so nothing is marked"
        print(f"1. hosts alpha {ALPHA.address} and beta {BETA.address}, strongSwan and cryptomapd on each ({where})")
        beta = stack.enter_context(gateway(BETA, directory / "beta", in_kernel))
        alpha = stack.enter_context(gateway(ALPHA, directory / "alpha", in_kernel))
        print("2. commit on beta: crypto map to alpha, which waits for its peer")
        commit(beta, configuration(BETA, ALPHA, "on-traffic"))
        print(f"3. commit on alpha: the same map as seen from there, DSCP 0x{DSCP:x}; it begins at once")
        commit(alpha, configuration(ALPHA, BETA, "on-bind"))
        up = wait_until_up(alpha)
        print(f"   tunnel-up: SA in 0x{int(up['inbound-spi']):08x}, out 0x{int(up['outbound-spi']):08x}")
        for step, (tos, said) in enumerate(
            ((0, "the application sets no DSCP"), (0xB8, "the application sets 0x2e")), 4
        ):
            print(f"{step}. ping {ALPHA.inner} -> {BETA.inner} through the tunnel: {said}")
            with captured(1) as seen:
                print(f"   {ping(tos)}")
            print(f"   on the wire: {' '.join(seen)}")
        print(f"6. what NETCONF says: {state(alpha)}")


def main() -> int:
    if reason := why_not():
        print(f"the demo cannot run: {reason}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="cryptomap-demo-") as directory:
        tell(Path(directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
