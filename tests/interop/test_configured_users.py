"""Users that are configuration (RFC 7317), logging in over SSH with their keys and passwords."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from ncclient import manager
from ncclient.transport.errors import AuthenticationError

from support.server import Daemon, make_key
from support.wire import open_wire, session

SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
NC = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"'
SSH: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "client_keys": None}


def system(inner: str) -> str:
    return (
        f'<config {NC}><system xmlns="{SYSTEM}" xmlns:sys="{SYSTEM}"><authentication>{inner}</authentication>'
        "</system></config>"
    )


def carol(key: Path, more: str = "") -> str:
    algorithm, data = key.with_name(f"{key.name}.pub").read_text().split()[:2]
    return (
        f"<user><name>carol</name>{more}<authorized-key><name>laptop</name><algorithm>{algorithm}</algorithm>"
        f"<key-data>{data}</key-data></authorized-key></user>"
    )


async def test_a_configured_user_logs_in_after_the_commit_and_a_removed_one_does_not(daemon: Daemon) -> None:
    daemon.start()
    key = make_key(daemon.directory / "carol")
    async with session(daemon) as admin:
        with pytest.raises(asyncssh.PermissionDenied):
            async with open_wire(daemon, "carol", key):
                pass
        assert await admin.edit(system(carol(key))) == "<ok/>"
        await admin.do("<commit/>")
        async with session(daemon, "carol", key) as wire:
            assert "<hello" in wire.hello
            assert await admin.edit(system('<user nc:operation="delete"><name>carol</name></user>')) == "<ok/>"
            await admin.do("<commit/>")
            assert "<data" in await wire.get_config()  # a session that is there goes on
            with pytest.raises(asyncssh.PermissionDenied):
                async with open_wire(daemon, "carol", key):
                    pass


async def test_users_are_there_after_a_restart_and_a_foreign_client_is_one(daemon: Daemon) -> None:
    daemon.start()
    key = make_key(daemon.directory / "carol")
    async with session(daemon) as admin:
        assert await admin.edit(system(carol(key))) == "<ok/>"
        await admin.do("<commit/>")
    daemon.stop()
    daemon.start()
    login: dict[str, Any] = {"allow_agent": False, "look_for_keys": False, "hostkey_verify": False}
    with manager.connect(
        host=daemon.host, port=daemon.port, username="carol", key_filename=str(key), **login
    ) as client:
        assert "carol" in str(client.get(("subtree", f'<system xmlns="{SYSTEM}"/>')))
        assert "Linux" in str(client.get(("subtree", f'<system-state xmlns="{SYSTEM}"/>')))
    with pytest.raises(AuthenticationError):
        manager.connect(host=daemon.host, port=daemon.port, username="dave", key_filename=str(key), **login)


async def test_a_password_is_hashed_at_once_and_opens_the_account(daemon: Daemon) -> None:
    daemon.start()
    local = "<user-authentication-order>sys:local-users</user-authentication-order>"
    user = "<user><name>carol</name><password>$0$open sesame</password></user>"
    async with session(daemon) as admin:
        assert await admin.edit(system(local + user)) == "<ok/>"
        assert "<password>$6$" in await admin.get_config("candidate")
        await admin.do("<commit/>")
    address = {"host": daemon.host, "port": daemon.port, "username": "carol"}
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(**address, password="open sesam", **SSH)
    async with asyncssh.connect(**address, password="open sesame", **SSH) as connection:
        assert connection.get_extra_info("username") == "carol"
    async with session(daemon) as admin:
        bad = "<user><name>admin</name><password>$0$mine</password></user>"
        assert await admin.edit(system(bad)) == "<ok/>"
        assert "admin is a user of the settings file and cannot be configured" in await admin.rpc("<commit/>")
    daemon.stop()
    rotate = [sys.executable, "-m", "cryptomap.daemon", "rotate-key", "--state-dir", str(daemon.state)]
    await asyncio.to_thread(subprocess.run, rotate, check=True, capture_output=True, timeout=60)
    daemon.start()
    async with asyncssh.connect(**{**address, "port": daemon.port}, password="open sesame", **SSH):
        pass
    kept = b"".join(path.read_bytes() for path in daemon.state.rglob("*") if path.is_file())
    assert b"open sesame" not in kept + daemon.log.read_bytes()


async def test_a_user_reads_no_hash_and_the_change_is_not_shown(daemon: Daemon) -> None:
    daemon.start()
    key = make_key(daemon.directory / "carol")
    async with session(daemon) as admin:
        assert await admin.edit(system(carol(key, "<password>$0$open sesame</password>"))) == "<ok/>"
        await admin.do("<commit/>")
    async with session(daemon, "carol", key) as wire:
        assert "$6$" not in await wire.get_config()
        get_commit = '<get-commit xmlns="urn:cryptomap:yang:cryptomap-server"><id>1</id></get-commit>'
        assert "$6$" not in await wire.rpc(get_commit)
        assert "access-denied" in await wire.edit(system("<user><name>eve</name></user>"))
