"""``docs/install-linux.md``, typed as it stands on two hosts in the virtual machine: ``make test-install``, because it
takes too long for every run of the tests.

A host is a network namespace with directories of its own; each has one shell, in which all its blocks are typed.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataplane.gateways import MODULES
from dataplane.vm.machine import Machine
from support.server import ROOT

DOCUMENT = ROOT / "docs" / "install-linux.md"
HOSTS = {"alpha": "192.0.2.1", "beta": "192.0.2.2"}
OWN = ("/run", "/var/log", "/etc/cryptomap", "/var/lib/cryptomap", "/mnt")
PATIENCE = 1500

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True, slots=True)
class Block:
    """What is typed on which hosts."""

    hosts: tuple[str, ...]
    text: str


def blocks() -> Iterator[Block]:
    for where, text in re.findall(
        r"^```sh (both|alpha|beta)\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE
    ):
        yield Block(tuple(HOSTS) if where == "both" else (where,), text)


class Host:
    """A shell in the machine that takes one block after the other, with what the blocks before have set."""

    def __init__(self, vm: Machine, name: str) -> None:
        self._vm = vm
        mounts = [f"mkdir -p {path} && mount -t tmpfs own {path}" for path in OWN]
        inside = " && ".join((f"echo $$ > /run/{name}.pid", *mounts, "touch /run/ready", "exec sleep infinity"))
        vm.start(["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", inside], ready=f"/run/{name}.pid")
        self._pid = vm.run(f"cat /run/{name}.pid").out.strip()
        vm.wait_for(f"/proc/{self._pid}/root/run/ready")

    def types(self, text: str) -> str:
        """What a block prints. Raises GuestFault, with the logs, if a command of it fails. A variable it sets is there
        for the next."""
        lines = [
            "set -eu -o pipefail; trap 'tail -n 20 /var/log/*.log' ERR",
            f"cd /mnt; PATH={Path(sys.executable).parent}:$PATH",
            "[ ! -e /run/variables ] || . /run/variables",
            text,
            "[ -z ${login+set} ] || declare -p login > /run/variables",
        ]
        enter = f"nsenter --target {self._pid} --mount --net bash -c {shlex.quote(chr(10).join(lines))}"
        return self._vm.run(f"{enter} 2>&1", timeout=PATIENCE).out


@pytest.fixture
def hosts(vm: Machine) -> dict[str, Host]:
    vm.run(f"modprobe -a {MODULES}", check=False)
    vm.run("ip netns add alpha; ip netns add beta; ip link add eth0 netns alpha type veth peer name eth0 netns beta")
    for name, address in HOSTS.items():
        vm.run(f"ip -n {name} link set lo up; ip -n {name} link set eth0 up")
        vm.run(f"ip -n {name} address add {address}/24 dev eth0")
    return {name: Host(vm, name) for name in HOSTS}


def test_the_document_as_it_stands(hosts: dict[str, Host]) -> None:
    printed: dict[str, str] = {}
    for block in blocks():
        for name in block.hosts:
            printed[name] = hosts[name].types(block.text)
            print(f"--- {name}\n{block.text}\n{printed[name]}", flush=True)
        if "tcpdump -n -v -r" in block.text:
            captured = printed["beta"]
    assert re.findall(r"tos (0x[0-9a-f]+)", captured) == ["0xa0", "0xa0", "0xb8", "0xb8"]
    assert captured.count("ESP(spi=") == 4
    assert "192.0.2.2" in printed["alpha"]
