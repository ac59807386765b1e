"""The SSH server over loopback: what gets in, what is refused and with which words, and that it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh
import pytest

from cryptomap.transport import Accounts, Limits, Peer, PeerLost, Service, SshListener
from cryptomap.transport.algorithms import COMPAT, MODERN
from cryptomap.transport.passwords import hash_password
from support.loop_clock import LoopClock

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
RSA_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
KEY = asyncssh.generate_private_key("ssh-ed25519")
WRONG = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(4)]
ACCOUNTS = Accounts({"fred": [KEY.export_public_key().decode()]})


async def echo(peer: Peer) -> None:
    """Answer with who the peer is, then with what it sends."""
    await peer.write(f"{peer.user} {peer.address} {peer.transport}\n".encode())
    while data := await peer.read():
        await peer.write(data)


@asynccontextmanager
async def listening(
    on_peer=echo, accounts=ACCOUNTS, profile=MODERN, host_keys=(HOST_KEY,), **limits
) -> AsyncIterator[tuple[SshListener, int]]:
    service = Service(on_peer, Limits(**limits))
    listener = SshListener(service, accounts=accounts, host_keys=host_keys, profile=profile)
    _, port = await listener.start("127.0.0.1", 0)
    try:
        yield listener, port
    finally:
        await service.stop(listener)


def connect(port: int, username: str = "fred", keys=(KEY,), **options):
    trusted = "".join(f"* {key.export_public_key().decode()}" for key in (HOST_KEY, RSA_KEY))
    return asyncssh.connect(
        "127.0.0.1",
        port,
        username=username,
        client_keys=list(keys),
        known_hosts=asyncssh.import_known_hosts(trusted),
        config=None,
        agent_path=None,
        **options,
    )


async def open_netconf(connection: asyncssh.SSHClientConnection):
    writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
    return writer, reader


async def test_a_session_carries_bytes_both_ways_and_ends_cleanly():
    async with listening() as (_, port), connect(port) as connection:
        writer, reader = await open_netconf(connection)
        assert await reader.readline() == b"fred 127.0.0.1 netconf-ssh\n"
        blob = bytes(range(256)) * 20_000
        writer.write(blob)
        assert await reader.readexactly(len(blob)) == blob
        writer.write_eof()
        assert await reader.read() == b""
        await writer.channel.wait_closed()
        assert writer.channel.get_exit_status() == 0


async def test_several_sessions_on_one_connection():
    async with listening() as (_, port), connect(port) as connection:
        for _ in range(3):
            _, reader = await open_netconf(connection)
            assert (await reader.readline()).startswith(b"fred")


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"command": "id"},
        {"command": "scp -f /etc/passwd"},
        {"subsystem": "sftp"},
        {"subsystem": "NETCONF"},
        {"term_type": "xterm"},
    ],
    ids=["shell", "exec", "scp", "sftp", "other case", "shell with terminal"],
)
async def test_nothing_but_the_subsystem(request_):
    async with listening() as (_, port), connect(port) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_session(encoding=None, **request_)
        _, reader = await open_netconf(connection)
        assert (await reader.readline()).startswith(b"fred")


async def test_a_terminal_for_the_subsystem_changes_no_byte():
    message = b"\x00\x03\x04\r\n\xff]]>]]>"
    async with listening() as (_, port), connect(port) as connection:
        writer, reader, _ = await connection.open_session(subsystem="netconf", term_type="xterm", encoding=None)
        await reader.readline()
        writer.write(message)
        assert await reader.readexactly(len(message)) == message


async def test_no_forwarding():
    async with listening() as (_, port), connect(port) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", port)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_unix_connection("/run/x")
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_path("/tmp/nowhere", "/tmp/nowhere")
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_session(subsystem="netconf", x11_forwarding=True, encoding=None)


@pytest.mark.parametrize(
    ("username", "keys", "options"),
    [
        ("fred", WRONG[:1], {}),
        ("ann", [KEY], {}),
        ("root", [KEY], {}),
        ("fred", [], {"password": ""}),
        ("fred", [], {"password": "fred"}),
        ("fred", [], {}),
    ],
)
async def test_strangers_stay_outside(username, keys, options):
    async with listening() as (_, port):
        with pytest.raises(asyncssh.PermissionDenied):
            async with connect(port, username, keys, **options):
                pass


async def test_a_password_works_where_a_hash_is_set_and_only_there():
    accounts = Accounts({}, {"ann": hash_password("open sesame")})
    async with listening(accounts=accounts) as (_, port):
        async with connect(port, "ann", [], password="open sesame") as connection:
            _, reader = await open_netconf(connection)
            assert (await reader.readline()).startswith(b"ann")
        for name, password in (("ann", "wrong"), ("ann", ""), ("bob", "open sesame")):
            with pytest.raises(asyncssh.PermissionDenied):
                async with connect(port, name, [], password=password, preferred_auth="password"):
                    pass


async def test_the_third_refused_try_ends_the_connection():
    async with listening() as (_, port):
        with pytest.raises(asyncssh.DisconnectError, match="too many authentication failures"):
            async with connect(port, keys=[*WRONG[:3], KEY]):
                pass
        async with connect(port, keys=[*WRONG[:2], KEY]):
            pass


async def test_replaced_accounts_count_for_the_next_login():
    async with listening() as (listener, port):
        listener.accounts = Accounts({})
        with pytest.raises(asyncssh.PermissionDenied):
            async with connect(port):
                pass


async def test_the_session_limit_is_a_refusal_with_a_reason():
    async with listening(sessions_per_user=2) as (_, port), connect(port) as connection:
        first, _ = await open_netconf(connection)
        await open_netconf(connection)
        with pytest.raises(asyncssh.ChannelOpenError, match="limit of 2 sessions of user fred"):
            await open_netconf(connection)
        first.close()
        await first.channel.wait_closed()
        _, reader = await open_netconf(connection)
        assert (await reader.readline()).startswith(b"fred")


async def test_too_many_connections_before_login_are_told_so():
    async with listening(unauthenticated=1) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.readline()).startswith(b"SSH-2.0-cryptomap")
        with pytest.raises(asyncssh.DisconnectError, match="connections are logging in"):
            async with connect(port):
                pass
        writer.close()
        await writer.wait_closed()
        while True:
            with contextlib.suppress(asyncssh.DisconnectError):
                async with connect(port):
                    break


async def test_login_grace_for_silence_before_and_idleness_after_login():
    clock = LoopClock()
    async with listening(login_grace=30) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connection = await connect(port)
        await clock.hurry(connection.wait_closed(), 31)
        assert b"SSH-2.0" in await clock.hurry(reader.read(), 31)
        writer.close()


async def test_a_session_stays_beyond_the_login_grace():
    clock = LoopClock()
    async with listening(login_grace=30) as (_, port), connect(port) as connection, connect(port) as idle:
        _, reader = await open_netconf(connection)
        await reader.readline()
        await clock.hurry(idle.wait_closed(), 31)
        _, reader = await open_netconf(connection)
        assert (await reader.readline()).startswith(b"fred")


async def test_a_client_that_does_not_read_is_dropped_and_others_are_not():
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def flood(peer: Peer) -> None:
        try:
            while True:
                await peer.write(b"x" * 1_000_000)
        except PeerLost as error:
            ended.set_result(str(error))

    clock = LoopClock()
    async with listening(flood, slow_reader_timeout=60) as (_, port), connect(port) as connection:
        await open_netconf(connection)
        assert await clock.hurry(ended, 61) == "the client did not read for 60 s"


async def test_a_session_that_fails_is_closed_and_the_server_goes_on(caplog):
    async def fail(peer: Peer) -> None:
        raise RuntimeError("bug")

    async with listening(fail) as (_, port):
        for _ in range(2):
            async with connect(port) as connection:
                _, reader = await open_netconf(connection)
                assert await reader.read() == b""
    assert "the session failed" in caplog.text


async def test_stop_ends_sessions_and_frees_the_port():
    async with listening() as (listener, port):
        connection = await connect(port)
        _, reader = await open_netconf(connection)
        await reader.readline()
        stopping = asyncio.create_task(listener.service.stop(listener))
        connection.close()
        await stopping
        await connection.wait_closed()
        again = SshListener(Service(echo), accounts=ACCOUNTS, host_keys=[HOST_KEY])
        await again.start("127.0.0.1", port)
        await again.service.stop(again)


async def test_a_taken_port_is_an_os_error():
    async with listening() as (_, port):
        with pytest.raises(OSError, match=str(port)):
            await SshListener(Service(echo), accounts=ACCOUNTS, host_keys=[HOST_KEY]).start("127.0.0.1", port)


async def test_what_is_negotiated():
    async with listening() as (_, port):
        with pytest.raises(asyncssh.KeyExchangeFailed):
            async with connect(port, kex_algs=["diffie-hellman-group14-sha1"]):
                pass
        with pytest.raises(asyncssh.KeyExchangeFailed):
            async with connect(port, encryption_algs=["aes128-cbc"]):
                pass
        async with connect(port) as connection:
            assert connection.get_extra_info("recv_compression") == "none"
            assert connection._strict_kex


@pytest.mark.parametrize("mac", ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"])
async def test_clients_without_encrypt_then_mac_are_served(mac):
    async with listening() as (_, port), connect(port, encryption_algs=["aes256-ctr"], mac_algs=[mac]) as connection:
        assert connection.get_extra_info("send_mac") == mac


LIBSSH2_1_8 = {
    "kex_algs": ["diffie-hellman-group14-sha1"],
    "encryption_algs": ["aes256-ctr", "aes192-ctr", "aes128-ctr"],
    "mac_algs": ["hmac-sha2-256", "hmac-sha2-512"],
    "server_host_key_algs": ["ssh-rsa"],
}
"""What an old client offers, of what has not been broken long ago."""


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
async def test_an_old_client_gets_in_with_the_profile_compat_only():
    async with listening(host_keys=[HOST_KEY, RSA_KEY]) as (_, port):
        with pytest.raises(asyncssh.KeyExchangeFailed):
            async with connect(port, **LIBSSH2_1_8):
                pass
    async with listening(profile=COMPAT, host_keys=[HOST_KEY, RSA_KEY]) as (_, port):
        async with connect(port, **LIBSSH2_1_8) as connection:
            _, reader = await open_netconf(connection)
            assert (await reader.readline()).startswith(b"fred")
        async with connect(port) as connection:  # a modern one is as well off as without it
            assert connection.get_extra_info("send_cipher") == "chacha20-poly1305@openssh.com"
            assert connection._strict_kex


@pytest.mark.parametrize(
    "weak",
    [
        {"kex_algs": ["diffie-hellman-group1-sha1"]},
        {"encryption_algs": ["aes128-cbc"]},
        {"encryption_algs": ["3des-cbc"]},
        {"mac_algs": ["hmac-sha1"], "encryption_algs": ["aes128-ctr"]},
        {"mac_algs": ["hmac-md5"], "encryption_algs": ["aes128-ctr"]},
    ],
)
async def test_what_is_broken_is_in_no_profile(weak):
    async with listening(profile=COMPAT, host_keys=[HOST_KEY, RSA_KEY]) as (_, port):
        with pytest.raises(asyncssh.KeyExchangeFailed):
            async with connect(port, **weak):
                pass


async def test_an_address_whose_logins_were_refused_has_to_wait():
    async with listening(back_off=300) as (listener, port):
        for _ in range(4):
            with pytest.raises(asyncssh.PermissionDenied):
                async with connect(port, keys=WRONG[:1]):
                    pass
        with pytest.raises(asyncssh.DisconnectError, match=r"too many refused logins from 127\.0\.0\.1; try again in"):
            async with connect(port):
                pass
        listener.service.gate.login_succeeded("127.0.0.1")
        async with connect(port):
            pass
