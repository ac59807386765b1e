"""What hurts the users of other servers and is best seen from outside; docs/user-needs.md lists all of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.server import SAMPLES, Daemon, require
from support.state import NS
from support.wire import open_wire, session

SET_DSCP = (
    f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><ipsec-transform-set xmlns="{NS["ips"]}">'
    "<name>A-foo</name><dscp>%d</dscp></ipsec-transform-set></context></contexts>"
)
NEWEST = f'<list-commits xmlns="{NS["server"]}"><limit>1</limit></list-commits>'


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon(options=["--startup", str(SAMPLES / "seed.xml")]).start()


async def test_user_need_2_the_first_start_needs_nothing_but_a_key(daemon: Daemon) -> None:
    """No post-install script, no configuration, no module to install; and what it is in want of stands in its log."""
    assert not daemon.state.exists()
    daemon.start()
    async with open_wire(daemon) as wire:
        await wire.greet()
        assert "<data" in await wire.get_config()
        module = await wire.rpc(
            f'<get-schema xmlns="{NS["ncm"]}"><identifier>cryptomap-ipsec</identifier></get-schema>'
        )
        assert "module cryptomap-ipsec {" in module
    assert re.search(r"a host key is ssh-ed25519 SHA256:\S+", daemon.log.read_text())


def test_user_need_2_a_server_nobody_can_log_in_to_says_so(daemon: Daemon) -> None:
    daemon.program = ("-c", WITHOUT_USERS)
    daemon.start()
    assert "nobody can log in: name a user and its keys by --authorized-keys" in daemon.log.read_text()


WITHOUT_USERS = """
import sys
from cryptomap.daemon.cli import main
at = sys.argv.index("--authorized-keys")
del sys.argv[at:at + 2]
main()
"""


async def test_user_need_15_the_announced_mode_of_defaults_is_obeyed(server: Daemon) -> None:
    async with session(server) as wire:
        found = re.search(r"with-defaults:1\.0\?basic-mode=(\w+)&amp;also-supported=([\w,-]+)", wire.hello)
        assert found
        get = "<get-config><source><running/></source>%s</get-config>"
        mode = '<with-defaults xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">%s</with-defaults>'
        by_itself = await wire.rpc(get % "")
        assert await wire.rpc(get % (mode % found[1])) == by_itself
        for other in found[2].split(","):
            assert "<data" in await wire.rpc(get % (mode % other))
        assert "<mode>" not in by_itself  # of the transform set: its default, which nobody has set
        assert "<mode>tunnel</mode>" in await wire.rpc(get % (mode % "report-all"))


async def test_user_need_17_a_locked_candidate_is_its_holders_until_it_goes(server: Daemon) -> None:
    async with session(server) as holder, session(server) as other:
        await holder.do("<lock><target><candidate/></target></lock>")
        assert await holder.edit(SET_DSCP % 12) == "<ok/>"
        for operation in ("<discard-changes/>", "<commit/>", "<unlock><target><candidate/></target></unlock>"):
            assert re.search("<error-tag>(in-use|operation-failed|lock-denied)<", await other.rpc(operation)), operation
        assert "<dscp>12</dscp>" in await other.get_config("candidate")
        await holder.do("<close-session/>")
        await holder.closed()
        assert "<dscp>12</dscp>" not in await other.get_config("candidate")


def bare() -> tuple[str, ...]:
    """Runs a program without any capability of root, and with no way to get one."""
    setpriv = require("setpriv")
    return setpriv, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"


def held(pid: int) -> set[int]:
    """The different sets of capabilities that a process has, or could get."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {int(mask, 16) for mask in re.findall(r"^Cap(?:Eff|Prm|Bnd):\s*(\w+)$", status, re.MULTILINE)}


async def test_user_need_18_it_serves_without_any_privilege(daemon: Daemon) -> None:
    if os.geteuid() == 0:
        daemon.under = bare()
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon.start()
    assert os.geteuid() != 0 or held(daemon.pid) == {0}
    async with session(daemon) as wire:
        assert await wire.edit(SET_DSCP % 12) == "<ok/>"
        await wire.do("<commit/>")


async def test_user_need_21_one_number_says_whether_anything_changed(server: Daemon) -> None:
    async with session(server) as wire:
        before = await wire.rpc(NEWEST)
        assert re.search(r"<id>\d+</id>", before)
        running = await wire.get_config()
        for dscp in (46, 40):  # taken back before it is committed
            assert await wire.edit(SET_DSCP % dscp) == "<ok/>"
        await wire.do("<commit/>")
        assert await wire.rpc(NEWEST) == before
        assert await wire.edit(SET_DSCP % 46) == "<ok/>"
        await wire.do("<commit/>")
        assert re.findall(r"<id>\d+</id>", await wire.rpc(NEWEST)) != re.findall(r"<id>\d+</id>", before)
        assert await wire.get_config() != running
