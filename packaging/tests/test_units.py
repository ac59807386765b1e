"""The units under a real systemd, with all their restrictions: an installed package in a virtual machine of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataplane.vm import machine
from dataplane.vm.machine import Machine
from dataplane.vm.need import need
from support.fresh_root import FreshRoot, run
from support.server import ROOT, make_key

SLOW = 120.0  # seconds that one command may take in a machine that is emulated
SETTINGS = """
[users.admin]
keys = ["{key}"]
recovery = true

[backend]
name = "linux"

[backend.linux]
helper = "/run/cryptomap-helper/helper.sock"
"""
AGENT = f"""
[Unit]
DefaultDependencies=no

[Service]
ExecStart={machine.AGENT}
StandardOutput=null
"""
OURS = "cryptomapd", "cryptomap-helper"


@pytest.fixture
def root(tmp_path: Path, package: Path) -> Iterator[FreshRoot]:
    """A Debian with systemd and our package, set up for backend linux. It shares the kernel's modules."""
    need(machine.why_not())
    path = tmp_path / "root"
    run(ROOT / "packaging/fresh-root", path, "bootable")
    fresh = FreshRoot(path)
    fresh.dpkg("-i", package)
    key = make_key(path / "root/key").with_suffix(".pub").read_text().strip()
    settings = path / "etc/cryptomap/cryptomapd.toml"
    plain = settings.read_text().replace("[backend]\n", "").replace('name = "simulator"\n', "")
    settings.write_text(plain + SETTINGS.format(key=key))
    (path / "etc/systemd/system/agent.service").write_text(AGENT)
    fresh.run("systemctl", "enable", "cryptomap-helper")
    fresh.run("systemctl", "add-wants", "sysinit.target", "agent")
    (path / "root/manual.cfg").write_text((Path(__file__).parent / "manual.cfg").read_text())
    (path / "usr/lib/modules").mkdir()
    run("mount", "--bind", machine.kernel_tree() / "lib/modules", path / "usr/lib/modules")
    yield fresh
    run("umount", path / "usr/lib/modules")


@pytest.fixture
def booted(root: FreshRoot, tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "vm").mkdir()
    vm = Machine(tmp_path / "vm", root.path, "/lib/systemd/systemd")
    yield vm
    vm.stop()


def test_server_and_helper_do_their_work_under_all_restrictions_and_are_started_again(booted: Machine) -> None:
    def says(command: str) -> str:
        return booted.run(command, SLOW).out.strip()

    def client(command: str) -> str:
        return says(f"CRYPTOMAP_USER=admin cryptomapd {command} --identity /root/key --known-hosts /root/known")

    def main_process(unit: str) -> str:
        return says(f"systemctl show --value --property=MainPID {unit}")

    def until(condition: str) -> None:
        says(f"until {condition}; do sleep .2; done")

    def kernel() -> set[str]:
        """The SAs, and by which mark the DSCP of those that send is looked up."""
        return set(re.findall(r"(?:spi|output-mark) \S+", says("ip xfrm state")))

    until("systemctl is-active --quiet cryptomapd")  # which it is when the server has told systemd so
    says("ssh-keyscan -p 830 127.0.0.1 > /root/known")
    client("import /root/manual.cfg --to candidate")
    client("commit --message first")
    committed = kernel()
    assert committed == {"spi 0x00001000", "spi 0x00001001", f"output-mark {0x40 | 0x28:#x}/0x7f"}

    killed = {unit: main_process(unit) for unit in OURS}
    says("systemctl kill --signal=KILL " + " ".join(OURS))
    for unit in OURS:
        until(
            f"systemctl is-active --quiet {unit} && ! systemctl show --property=MainPID {unit} | grep -w {killed[unit]}"
        )
    assert "first" in client("history")
    assert kernel() == committed

    says("systemctl stop " + " ".join(OURS))
    assert {says(f"systemctl show --value --property=Result {unit}") for unit in OURS} == {"success"}
    assert kernel() == committed, "a stopped server takes no tunnel down"
    said = says("journalctl --no-pager " + " ".join(f"--unit={unit}" for unit in OURS))
    assert said.count("cryptomapd ready ssh 127.0.0.1:830") == 2
    assert "Traceback" not in said
