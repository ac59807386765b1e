"""What strangers find at the SSH port of a live server: ssh-audit's judgement, and messages out of their turn."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import asyncssh
import paramiko
import pytest

from support.server import PATIENCE, Daemon
from support.wire import session

ARGUED = {
    "curve25519-sha256": {"does not provide protection against post-quantum attacks"},
    "curve25519-sha256@libssh.org": {"does not provide protection against post-quantum attacks"},
    "diffie-hellman-group16-sha512": {"does not provide protection against post-quantum attacks"},
    "diffie-hellman-group18-sha512": {"does not provide protection against post-quantum attacks"},
    "hmac-sha2-256": {"using encrypt-and-MAC mode"},
    "hmac-sha2-512": {"using encrypt-and-MAC mode"},
}
"""The warnings of ssh-audit about the profile ``modern``; docs/security.md says why each is accepted."""

MSG_SERVICE_REQUEST, MSG_CHANNEL_OPEN, MSG_CHANNEL_REQUEST, MSG_GLOBAL_REQUEST = 5, 90, 98, 80


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon().start()


def audited(server: Daemon) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test", "-p", str(server.port)]
    done = subprocess.run([*command, server.host], capture_output=True, text=True, timeout=PATIENCE)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_ssh_audit_has_nothing_that_fails_and_each_warning_is_argued(server: Daemon) -> None:
    report = audited(server)
    notes = {item["algorithm"]: item.get("notes", {}) for kind in ("kex", "key", "enc", "mac") for item in report[kind]}
    assert {name: note["fail"] for name, note in notes.items() if "fail" in note} == {}
    assert {name: set(note["warn"]) for name, note in notes.items() if "warn" in note} == ARGUED
    assert report["cves"] == []
    assert "kex-strict-s-v00@openssh.com" in notes
    assert "mlkem768x25519-sha256" in notes  # what a client with post-quantum cryptography gets


class Eager(asyncssh.SSHClient):
    """Sends a message when the server first asks who it is, before it is anybody, and then says no more."""

    def __init__(self, number: int, *parts: bytes) -> None:
        self._message = number, parts
        self.lost = asyncio.Event()

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._conn = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    async def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        number, parts = self._message
        self._conn._auth_complete = True  # or asyncssh would keep it until it is its turn
        self._conn.send_packet(number, *parts)
        self._conn._auth_complete = False
        await self.lost.wait()
        return None


def text(value: str) -> bytes:
    return len(value).to_bytes(4, "big") + value.encode()


CHANNEL = (text("session"), bytes(4), (2**21).to_bytes(4, "big"), (2**15).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "message",
    [
        (MSG_CHANNEL_OPEN, *CHANNEL),
        (MSG_CHANNEL_REQUEST, bytes(4), text("subsystem"), b"\1", text("netconf")),
        (MSG_GLOBAL_REQUEST, text("tcpip-forward"), b"\1", text("127.0.0.1"), bytes(4)),
    ],
    ids=["channel open", "subsystem", "forwarding"],
)
async def test_a_message_before_its_turn_ends_the_connection(server: Daemon, message: tuple[Any, ...]) -> None:
    """As with CVE-2025-32433: the one who has not logged in asks for a channel, or for what needs one."""
    client = Eager(*message)
    with pytest.raises((asyncssh.ProtocolError, asyncssh.ConnectionLost)):
        async with asyncssh.connect(
            server.host, server.port, username="admin", known_hosts=None, config=None, agent_path=None,
            client_factory=lambda: client, client_keys=None, preferred_auth="publickey",
        ):  # fmt: skip
            pass
    async with session(server):
        pass


def test_paramiko_gets_no_channel_before_it_has_logged_in(server: Daemon) -> None:
    with socket.create_connection((server.host, server.port)) as connection:
        transport = paramiko.Transport(connection)
        try:
            transport.start_client(timeout=PATIENCE)
            assert not transport.is_authenticated()
            with pytest.raises((paramiko.SSHException, EOFError)):
                transport.open_session(timeout=PATIENCE)
        finally:
            transport.close()


@pytest.fixture
def logged_in(server: Daemon) -> Iterator[paramiko.Transport]:
    with socket.create_connection((server.host, server.port)) as connection:
        transport = paramiko.Transport(connection)
        transport.connect(username=server.user, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
        yield transport
        transport.close()


REFUSED: Mapping[str, Callable[[paramiko.Channel], Any]] = {
    "shell": lambda channel: channel.invoke_shell(),
    "exec": lambda channel: channel.exec_command("id"),
    "sftp": lambda channel: channel.invoke_subsystem("sftp"),
    "X11": lambda channel: channel.request_x11(),
}


@pytest.mark.parametrize("ask", REFUSED.values(), ids=list(REFUSED))
def test_paramiko_gets_nothing_but_the_subsystem(
    logged_in: paramiko.Transport, ask: Callable[[paramiko.Channel], Any]
) -> None:
    with pytest.raises((paramiko.SSHException, EOFError)):
        ask(logged_in.open_session(timeout=PATIENCE))
    channel = logged_in.open_session(timeout=PATIENCE)
    channel.invoke_subsystem("netconf")
    assert channel.recv(6) == b"<hello"


async def test_no_agent_is_forwarded(server: Daemon) -> None:
    async with asyncssh.connect(
        server.host, server.port, username="admin", known_hosts=None, config=None, client_keys=[str(server.key)]
    ) as connection:
        writer, _, _ = await connection.open_session(subsystem="netconf", encoding=None)
        assert not await writer.channel._make_request(b"auth-agent-req@openssh.com")


def test_an_environment_of_the_client_reaches_nobody(server: Daemon, logged_in: paramiko.Transport) -> None:
    """It is accepted, as RFC 4254 allows, and kept nowhere: no process is started for a session."""
    channel = logged_in.open_session(timeout=PATIENCE)
    channel.set_environment_variable("LD_PRELOAD", "/tmp/canary-of-the-environment.so")
    channel.invoke_subsystem("netconf")
    assert channel.recv(6) == b"<hello"
    with open(f"/proc/{server.pid}/environ", "rb") as environment:
        assert b"canary-of-the-environment" not in environment.read()


@pytest.mark.parametrize("kind", ["direct-tcpip", "forwarded-tcpip", "x11", "auth-agent@openssh.com"])
def test_no_channel_of_another_kind(server: Daemon, logged_in: paramiko.Transport, kind: str) -> None:
    address = (server.host, server.port)
    with pytest.raises((paramiko.ChannelException, EOFError)):
        logged_in.open_channel(kind, address, address, timeout=PATIENCE)


def test_no_port_is_opened_for_a_client(logged_in: paramiko.Transport) -> None:
    with pytest.raises(paramiko.SSHException):
        logged_in.request_port_forward("127.0.0.1", 0)
