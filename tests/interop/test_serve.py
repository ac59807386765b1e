"""``cryptomapd serve`` as a process: its ready line, its end, what it keeps, and what it refuses to start with."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from ncclient import manager
from ncclient.operations import RPCError

from cryptomap.transport.passwords import hash_password
from cryptomap_backend.intent import TunnelId
from support.server import SAMPLES, Daemon, make_key, sample
from support.state import INTERFACE, NS, text, texts
from support.wire import Wire, errors, open_wire, session
from support.world import WorldProcess

DOORS = """
module doors {
  yang-version 1.1; namespace "urn:doors"; prefix d;
  revision 2026-01-01;
  container doors {
    leaf-list colours { type string; default "grey"; }
    list door {
      key name;
      must "not(neighbour = name)" { error-message "A door is not next to itself."; error-app-tag "own-neighbour"; }
      leaf name { type string; }
      leaf neighbour { type leafref { path "../../door/name"; } }
      leaf width { type uint16 { range "10..300"; } default "90"; }
      choice lock { leaf key { type empty; } leaf code { type uint32; } }
    }
  }
}
"""
NO_DEFAULTS: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None}
"""Options of an SSH client that shall not look at what this machine's user has set."""


# ===== ready, and the end =====


async def test_the_ready_line_is_all_that_is_printed(daemon: Daemon) -> None:
    daemon.start()  # it has read and checked the line
    async with session(daemon) as wire:
        await wire.do("<discard-changes/>")
    assert daemon.process is not None
    assert daemon.process.stdout is not None
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.stdout.read() == ""
    assert daemon.process.wait(30) == 0
    assert daemon.log.read_text().splitlines()[-1].endswith("stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_sessions_told_and_state_durable(
    daemon: Daemon, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    daemon.start()
    with caplog.at_level(logging.DEBUG, "asyncssh"):
        async with open_wire(daemon) as wire:
            await wire.greet()
            assert await wire.edit(sample("seed.xml")) == "<ok/>"
            await wire.do("<commit/>")
            running = await wire.get_config()
            os.kill(daemon.pid, number)
            assert await wire.closed() == b""
            assert await asyncio.to_thread(daemon.wait) == 0
    assert "Received disconnect: the server is stopping" in caplog.text
    daemon.start()
    async with session(daemon) as wire:
        assert await wire.get_config() == running


async def test_a_second_signal_does_no_harm(daemon: Daemon) -> None:
    daemon.start()
    async with open_wire(daemon) as wire:
        await wire.greet()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            os.kill(daemon.pid, number)
        await wire.closed()
    assert daemon.stop() == 0


def test_files_are_the_owner_s_alone(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path).start()
    with daemon.connect() as client:
        client.edit_config(target="candidate", config=sample("seed.xml"))
        client.commit()
    daemon.stop()
    modes = {path.relative_to(daemon.state).as_posix(): path.stat().st_mode & 0o777 for path in daemon.state.rglob("*")}
    assert modes["ssh_host_ed25519_key"] == 0o600
    assert modes["secrets.key"] == 0o600
    assert daemon.state.stat().st_mode & 0o777 == 0o700
    private = {name: mode for name, mode in modes.items() if not name.endswith(".pub")}
    assert {name: oct(mode) for name, mode in private.items() if mode & 0o077} == {}


def test_the_host_key_stays(daemon: Daemon) -> None:
    daemon.start()
    key = (daemon.state / "ssh_host_ed25519_key").read_bytes()
    daemon.stop()
    daemon.start()
    assert (daemon.state / "ssh_host_ed25519_key").read_bytes() == key


# ===== --startup =====


def test_startup_only_if_nothing_was_ever_committed(daemon: Daemon) -> None:
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon.start()
    with daemon.connect() as client:
        assert "foo0" in client.get_config("running").data_xml
        client.edit_config(target="candidate", config=f'<config xmlns="{NS["nc"]}"/>', default_operation="replace")
        client.commit()
    daemon.stop()
    daemon.start()  # the configuration is empty, the state directory is not
    with daemon.connect() as client:
        assert "foo0" not in client.get_config("running").data_xml
    assert f"{SAMPLES / 'seed.xml'} is not used" in daemon.log.read_text()


# ===== --yang-dir =====


@pytest.fixture
def with_doors(daemon: Daemon, tmp_path: Path) -> Daemon:
    directory = tmp_path / "yang"
    directory.mkdir()
    (directory / "doors.yang").write_text(DOORS)
    daemon.schema_cache = None
    daemon.options = ["--yang-dir", str(directory)]
    return daemon.start()


def doors(inner: str) -> str:
    return f'<doors xmlns="urn:doors">{inner}</doors>'


async def test_a_module_of_the_user_is_served_like_ours(with_doors: Daemon) -> None:
    async with session(with_doors) as wire:
        assert await wire.edit(doors("<door><name>a</name><code>7</code></door><door><name>b</name></door>")) == "<ok/>"
        await wire.do("<commit/>")
        mine = "<get><filter>" + doors("") + "</filter></get>"
        stored = "<door><name>a</name><code>7</code></door><door><name>b</name></door>"
        assert await wire.rpc(mine) == f'<data xmlns="{NS["nc"]}">{doors(stored)}</data>'
        # the other case of the choice takes the place of the first
        assert await wire.edit(doors("<door><name>a</name><key/><neighbour>b</neighbour></door>")) == "<ok/>"
        await wire.do("<commit/>")
        stored = "<door><name>a</name><neighbour>b</neighbour><key></key></door><door><name>b</name></door>"
        assert await wire.rpc(mine) == f'<data xmlns="{NS["nc"]}">{doors(stored)}</data>'
        reply = await wire.rpc(f'<get-schema xmlns="{NS["ncm"]}"><identifier>doors</identifier></get-schema>')
        assert "module doors {" in reply


@pytest.mark.parametrize(
    ("door", "tag", "app_tag", "said"),
    [
        (
            "<name>a</name><neighbour>a</neighbour>",
            "operation-failed",
            "own-neighbour",
            "A door is not next to itself.",
        ),
        ("<name>a</name><neighbour>z</neighbour>", "data-missing", "instance-required", "z"),
        ("<name>a</name><width>9</width>", "invalid-value", None, "9"),
    ],
    ids=["must", "leafref", "range"],
)
async def test_its_constraints_count(with_doors: Daemon, door: str, tag: str, app_tag: str | None, said: str) -> None:
    async with session(with_doors) as wire:
        reply = await wire.edit(doors(f"<door>{door}</door>"))
        if reply == "<ok/>":
            reply = await wire.rpc("<commit/>")
        assert f"<error-tag>{tag}</error-tag>" in reply
        assert app_tag is None or f"<error-app-tag>{app_tag}</error-app-tag>" in reply
        assert "/d:doors/d:door[d:name='a']" in reply
        assert said in reply


async def test_it_survives_a_restart(with_doors: Daemon) -> None:
    async with session(with_doors) as wire:
        assert await wire.edit(doors("<door><name>a</name></door>") + sample_inner("seed.xml")) == "<ok/>"
        await wire.do("<commit/>")
        running = await wire.get_config()
    with_doors.kill()
    with_doors.start()
    async with session(with_doors) as wire:
        assert await wire.get_config() == running


def sample_inner(name: str) -> str:
    return sample(name).partition('base:1.0">')[2].rpartition("</config>")[0]


ACKNOWLEDGE = (
    '<action xmlns="urn:ietf:params:xml:ns:yang:1"><set-aside xmlns="urn:cryptomap:yang:cryptomap-server"><file>'
    "<name>%s</name><acknowledge/></file></set-aside></action>"
)


async def test_user_need_8_a_restart_without_the_module_sets_its_data_aside(with_doors: Daemon) -> None:
    async with session(with_doors) as wire:
        assert await wire.edit(doors("<door><name>a</name></door>") + sample_inner("seed.xml")) == "<ok/>"
        await wire.do("<commit/>")
    with_doors.stop()
    with_doors.options = []
    with_doors.start()
    async with session(with_doors) as wire:
        running = await wire.get_config()
        assert "foo0" in running
        assert "urn:doors" not in running
    [aside] = with_doors.state.glob("refused-*.xml")
    assert "<name>a</name>" in aside.read_text()
    assert str(aside) in with_doors.log.read_text()
    async with session(with_doors) as wire:
        assert text(await wire.data("<get/>"), "//server:set-aside/server:file/server:path") == str(aside)
        await wire.do(ACKNOWLEDGE % aside.name)
        assert texts(await wire.data("<get/>"), "//server:set-aside") == []
        assert errors(await wire.rpc(ACKNOWLEDGE % aside.name))[0].tag == "data-missing"
    assert "<name>a</name>" in aside.with_name(f"acknowledged-{aside.name}").read_text()
    with_doors.stop()
    with_doors.start()
    async with session(with_doors) as wire:
        assert texts(await wire.data("<get/>"), "//server:set-aside") == []


# ===== who may log in =====


async def methods(daemon: Daemon, user: str) -> list[str]:
    return list(await asyncssh.get_server_auth_methods(daemon.host, daemon.port, user))


async def login(daemon: Daemon, user: str, **how: object) -> bool:
    """Whether that opens a session."""
    try:
        options = {**NO_DEFAULTS, "client_keys": None, **how}
        async with asyncssh.connect(daemon.host, daemon.port, username=user, **options) as connection:
            writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
            await Wire(reader, writer).greet()
            return True
    except asyncssh.PermissionDenied:
        return False


async def test_there_is_no_default_account_and_no_password_without_a_hash(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    assert await methods(daemon, "admin") == ["publickey"]
    assert await login(daemon, "admin", client_keys=[str(daemon.key)])
    for user in ("admin", "root", "cryptomap", ""):
        for password in ("", "admin", "cisco", "root"):
            assert not await login(daemon, user, password=password)
    assert not await login(daemon, "root", client_keys=[str(daemon.key)])
    assert not await login(daemon, "admin", client_keys=[str(make_key(tmp_path / "other"))])


async def test_user_need_16_a_password_where_a_hash_is_set(daemon: Daemon) -> None:
    daemon.settings = f'[users.bob]\npassword-hash = "{hash_password("correct horse")}"\n'
    daemon.start()
    assert await login(daemon, "bob", password="correct horse")
    assert not await login(daemon, "bob", password="wrong")
    assert not await login(daemon, "bob", password="")
    assert not await login(daemon, "admin", password="correct horse")
    assert not await login(daemon, "bob", client_keys=[str(daemon.key)])


async def test_nothing_but_the_netconf_subsystem(daemon: Daemon) -> None:
    daemon.start()
    options = {**NO_DEFAULTS, "client_keys": [str(daemon.key)]}
    async with asyncssh.connect(daemon.host, daemon.port, username="admin", **options) as connection:
        for request in ({"command": "id"}, {"subsystem": "sftp"}, {}):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_session(**request)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", daemon.port)


# ===== recovery users and others =====

OPERATORS = """
<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list><name>operators</name><group>operators</group>
<rule><name>all</name><path>/</path><action>permit</action></rule></rule-list></nacm>
"""
DAY1 = f'<contexts xmlns="{NS["ctx"]}"><day1-complete>%s</day1-complete></contexts>'


async def test_only_a_recovery_user_takes_day1_complete_back(daemon: Daemon, tmp_path: Path) -> None:
    key = make_key(tmp_path / "alice")
    daemon.settings = f'[users.alice]\nauthorized-keys = "{key}.pub"\ngroups = ["operators"]\n'
    daemon.start()
    async with session(daemon, "alice", key) as alice, session(daemon) as admin:
        assert "<error-tag>access-denied</error-tag>" in await alice.edit(DAY1 % "true")  # nobody permitted it yet
        assert await admin.edit(OPERATORS) == "<ok/>"
        await admin.do("<commit/>")
        assert await alice.edit(DAY1 % "true") == "<ok/>"
        await alice.do("<commit/>")
        assert await alice.edit(DAY1 % "false") == "<ok/>"
        reply = await alice.rpc("<commit/>")
        assert "<error-tag>access-denied</error-tag>" in reply
        assert "<error-app-tag>day1-complete</error-app-tag>" in reply
        await admin.do("<commit/>")


# ===== a platform that changed =====


def test_a_changed_platform_is_served_and_its_violations_are_shown(daemon: Daemon) -> None:
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon.settings = "[platform]\nvpp = true\n"
    daemon.start()
    edit = (
        f'<config xmlns="{NS["nc"]}"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>'
        f'<ipsec-transform-set xmlns="{NS["ips"]}" xmlns:t="urn:cryptomap:yang:cryptomap-types"><name>A-foo</name>'
        "<encryption>t:aes-cbc-192</encryption></ipsec-transform-set></context></contexts></config>"
    )
    with daemon.connect() as client:
        client.edit_config(target="candidate", config=edit)
        client.commit()
    daemon.stop()
    daemon.settings = '[platform]\nproduct = "vpc-si"\nvpp = false\n'
    daemon.start()
    with daemon.connect() as client:
        data = client.get().data_ele
        assert text(data, "//plat:platform/plat:type") == "vpc-si"
        assert text(data, "//ips:crypto-map[ips:name='foo0']//ips:transform/ips:encryption").endswith("aes-cbc-192")
        violations = texts(data, "//plat:platform/plat:violation")
        assert any("A-foo" in line for line in violations), violations
        # and a commit that has nothing to do with it is taken
        client.edit_config(target="candidate", config=f'<config xmlns="{NS["nc"]}">{DAY1 % "true"}</config>')
        client.commit()
        client.edit_config(target="candidate", config=edit.replace("aes-cbc-192", "aes-cbc-128"))
        client.commit()
        assert texts(client.get().data_ele, "//plat:platform/plat:violation") == []


# ===== a backend that is down =====


def test_a_backend_that_is_down_does_not_keep_the_server_from_serving(daemon: Daemon, tmp_path: Path) -> None:
    daemon.settings = f'[backend.simulator]\nsocket = "{tmp_path / "nobody"}"\n'
    daemon.start()
    with daemon.connect() as client:
        assert text(client.get().data_ele, "//plat:platform/plat:backend/plat:health") != "connected"
        client.edit_config(target="candidate", config=sample("seed.xml"))
        with pytest.raises(RPCError) as caught:
            client.commit()
        assert caught.value.tag == "operation-failed"
        assert str(tmp_path / "nobody") in caught.value.message
        assert client.get_config("running").data_ele.find("{*}contexts") is None


def test_a_backend_that_goes_and_comes_back_is_brought_to_running(daemon: Daemon, world: WorldProcess) -> None:
    daemon.settings = world.settings
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon.start()
    held = world.remote.held()
    with daemon.connect() as client:
        world.stop()
        client.edit_config(target="candidate", config=f'<config xmlns="{NS["nc"]}">{SET % 46}</config>')
        with pytest.raises(RPCError) as caught:
            client.commit()
        assert caught.value.tag == "operation-failed"
        assert "<dscp>46</dscp>" not in client.get_config("running").data_xml
        world.start()
        committed_at_last(client)
        assert "<dscp>46</dscp>" in client.get_config("running").data_xml
        assert set(world.remote.held().tunnels) == set(held.tunnels)
        pending = "//ips:crypto-map[ips:name='foo0']/ips:state/ips:reapply-pending"
        assert texts(client.get().data_ele, f"//ctx:interface{pending}") == ["true"]
        # the new gateway marks with what was applied, not with what is configured
        [sa] = world.remote.observe().tunnels[TunnelId("ipsec-d", "foo0", INTERFACE)].children
        assert sa.applied_dscp == 40


def committed_at_last(client: manager.Manager) -> None:
    """The server finds out by the first attempt, if no event has told it before, and mends it before the next."""
    for _ in range(3):
        with suppress(RPCError):
            client.commit()
            return
    client.commit()


SET = (
    f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><ipsec-transform-set xmlns="{NS["ips"]}">'
    "<name>A-foo</name><dscp>%d</dscp></ipsec-transform-set></context></contexts>"
)


async def test_it_listens_on_ipv6(daemon: Daemon) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as fault:
        pytest.skip(f"this machine has no IPv6: {fault}")
    daemon.options = ["--listen", "[::1]:0"]
    daemon.start()
    assert daemon.host == "[::1]"
    daemon.host = "::1"
    async with session(daemon) as wire:
        await wire.do("<discard-changes/>")
