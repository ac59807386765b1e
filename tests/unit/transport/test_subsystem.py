"""The Unix socket for sshd's subsystem: whom the kernel says is there, what the modes are, and bytes through the pipe
process's function."""

from __future__ import annotations

import asyncio
import getpass
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cryptomap.transport import Accounts, Limits, Peer, Service, subsystem
from cryptomap.transport.subsystem import SubsystemFault, SubsystemListener, pass_through

ME = getpass.getuser()


async def echo(peer: Peer) -> None:
    """Answer with who the peer is, then with what it sends."""
    await peer.write(f"{peer.user} {peer.address!r} {peer.transport}\n".encode())
    while data := await peer.read():
        await peer.write(data)


@asynccontextmanager
async def listening(path: Path, accounts: Accounts | None = None, **limits: Any) -> AsyncIterator[SubsystemListener]:
    service = Service(echo, Limits(**limits))
    listener = SubsystemListener(service, accounts=accounts or Accounts({}), path=path)
    await listener.start()
    try:
        yield listener
    finally:
        await service.stop(listener)


class Client:
    """The client's side of a process whose standard input and output are pipes."""

    def __init__(self, path: Path) -> None:
        input_end, self._requests = os.pipe()
        self._replies, output_end = os.pipe()
        self._ends = [input_end, output_end]
        self.process = asyncio.create_task(pass_through(path, read_fd=input_end, write_fd=output_end))

    async def exchange(self, request: bytes, size: int) -> bytes:
        """Send while reading, until so many bytes are there."""
        sending = asyncio.to_thread(self._send, request)
        reading = asyncio.to_thread(self._read, size)
        return (await asyncio.gather(sending, reading))[1]

    def end_input(self) -> None:
        os.close(self._requests)
        self._requests = -1

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(self.process, return_exceptions=True)
        for fd in (*self._ends, self._requests, self._replies):
            if fd >= 0:
                os.close(fd)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._requests, data) :]

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := os.read(self._replies, 65536)):
            data += more
        return data


GREETING = f"{ME} '' netconf-ssh\n".encode()


async def test_the_owner_of_the_socket_gets_in_and_bytes_pass(tmp_path: Path) -> None:
    path = tmp_path / "run" / "netconf.sock"
    blob = bytes(range(256)) * 4000
    async with listening(path), Client(path) as client:
        assert await client.exchange(blob, len(GREETING) + len(blob)) == GREETING + blob
        client.end_input()
        await client.process


async def test_it_ends_when_the_server_ends(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    async with Client(path) as client:
        async with listening(path) as listener:
            assert await client.exchange(b"", len(GREETING)) == GREETING
            client.end_input()
            await listener.service.stop(listener)
        await client.process


async def refusal(path: Path) -> str:
    async with Client(path) as client:
        client.end_input()
        with pytest.raises(SubsystemFault) as caught:
            await client.process
    return str(caught.value)


async def test_another_user_must_be_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsystem, "owner", lambda: "somebody else")
    path = tmp_path / "netconf.sock"
    async with listening(path):
        assert await refusal(path) == f"refused: {ME} is no user of this server"
    async with listening(path, Accounts({ME: []})), Client(path) as client:
        assert await client.exchange(b"", len(GREETING)) == GREETING
        client.end_input()


async def test_the_limit_of_sessions_is_a_refusal_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    async with listening(path, sessions_per_user=1, sessions_per_address=1), Client(path) as client:
        assert await client.exchange(b"", len(GREETING)) == GREETING
        assert f"the limit of 1 sessions of user {ME} is reached" in await refusal(path)
        client.end_input()
        await client.process
        async with Client(path) as next_client:  # the server ends a session before its client notices
            assert await next_client.exchange(b"", len(GREETING)) == GREETING
            next_client.end_input()


async def test_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    assert await refusal(path) == f"no server at {path}: No such file or directory"


async def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    async with listening(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    group = grp.getgrgid(os.getgid()).gr_name
    listener = SubsystemListener(Service(echo), accounts=Accounts({}), path=path, group=group)
    await listener.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert path.stat().st_gid == os.getgid()
    await listener.service.stop(listener)


async def fault(path: Path, group: str | None = None) -> str:
    with pytest.raises(SubsystemFault) as caught:
        await SubsystemListener(Service(echo), accounts=Accounts({}), path=path, group=group).start()
    return str(caught.value)


async def test_a_socket_left_behind_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "netconf.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with listening(path):
        assert await fault(path) == f"subsystem socket {path}: in use by another process"
        async with Client(path) as client:
            assert await client.exchange(b"", len(GREETING)) == GREETING
            client.end_input()


async def test_what_it_cannot_start_with(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("keep me")
    assert await fault(path) == f"subsystem socket {path}: there is something that is no socket"
    assert path.read_text() == "keep me"
    assert "there is no group nosuchgroup" in await fault(tmp_path / "s", "nosuchgroup")
    assert "AF_UNIX path too long" in await fault(tmp_path / ("s" * 200))
