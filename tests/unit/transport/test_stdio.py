"""A peer over descriptors: two pipes, and one socket as sshd gives it; both ends of both."""

from __future__ import annotations

import os
import socket

import pytest

from cryptomap.transport import PeerLost, open_stdio


async def test_pipes():
    there_read, our_write = os.pipe()
    our_read, there_write = os.pipe()
    peer = await open_stdio(user="fred", read_fd=our_read, write_fd=our_write)
    os.close(our_read)
    os.close(our_write)
    os.write(there_write, b"hello")
    assert await peer.read() == b"hello"
    await peer.write(b"welcome")
    assert os.read(there_read, 100) == b"welcome"
    os.close(there_write)
    assert await peer.read() == b""
    await peer.write(b"bye")
    await peer.close("done")
    assert os.read(there_read, 100) == b"bye"
    assert os.read(there_read, 100) == b""
    os.close(there_read)


async def test_one_socket_for_both_directions():
    ours, theirs = socket.socketpair()
    peer = await open_stdio(user="fred", read_fd=ours.fileno(), write_fd=ours.fileno())
    ours.close()
    theirs.send(b"hello")
    assert await peer.read() == b"hello"
    theirs.shutdown(socket.SHUT_WR)
    assert await peer.read() == b""
    await peer.write(b"still here")
    assert theirs.recv(100) == b"still here"
    await peer.close("done")
    assert theirs.recv(100) == b""
    theirs.close()


async def test_a_client_that_has_gone():
    ours, theirs = socket.socketpair()
    peer = await open_stdio(user="fred", read_fd=ours.fileno(), write_fd=ours.fileno())
    ours.close()
    theirs.close()
    assert await peer.read() == b""
    with pytest.raises(PeerLost):
        await peer.write(b"x" * 10_000_000)
    await peer.close("done")


async def test_a_regular_file_is_refused(tmp_path):
    with (tmp_path / "file").open("w+") as file, pytest.raises(ValueError, match="pipes"):
        await open_stdio(user="fred", read_fd=file.fileno(), write_fd=file.fileno())
