"""Call home: each attempt is told, refused connections are tried again and lost ones sought again; with the manager's
side played by asyncssh and ssl. Waits are counted, not waited for."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from cryptomap.transport import Accounts, Limits, Peer, Service, SshListener
from cryptomap.transport.callhome import Call, CallHome, Endpoint, Phase, open_tcp
from cryptomap.transport.certificates import CertToName
from cryptomap.transport.reconnect import Schedule, Strategy
from cryptomap.transport.tls import TlsFiles, TlsListener
from support.certificates import issue

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
KEY = asyncssh.generate_private_key("ssh-ed25519")
STRANGER = asyncssh.generate_private_key("ssh-ed25519")
ACCOUNTS = Accounts({"fred": [KEY.export_public_key().decode()]})
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def _stop_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions of these tests end by no other way."""
    monkeypatch.setattr("cryptomap.transport.service._STOP_TIMEOUT", 0.01)


async def greet(peer: Peer) -> None:
    await peer.write(f"{peer.user} {peer.address} {peer.transport}\n".encode())
    while await peer.read():
        pass


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.before_wake: Callable[[], Any] = lambda: None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        result = self.before_wake()
        if result is not None:
            await result
        await asyncio.sleep(0)


def make(call: Call, *endpoints: Endpoint, clock: Clock, connect: Any = open_tcp, **strategy: Any) -> CallHome:
    how = Strategy(**{"back_off": 1.0, **strategy})
    return CallHome(
        "nms",
        endpoints,
        call,
        transport="ssh",
        strategy=how,
        keepalive=0,
        connect=connect,
        sleep=clock.sleep,
        clock=clock,
        schedule=Schedule(len(endpoints), how, lambda: 0.0),
    )


@asynccontextmanager
async def calling(call_home: CallHome, *listeners: Any) -> AsyncIterator[None]:
    call_home.start()
    try:
        yield
    finally:
        if listeners:
            await listeners[0].service.stop(*listeners, call_home)
        else:
            await call_home.stop()


def ssh_server() -> SshListener:
    return SshListener(Service(greet, Limits(login_grace=5)), accounts=ACCOUNTS, host_keys=[HOST_KEY])


class Manager:
    """The manager's side over SSH: waits to be called, then logs in and opens a session."""

    def __init__(self, key: asyncssh.SSHKey = KEY) -> None:
        self.key = key
        self.greetings: asyncio.Queue[tuple[asyncssh.SSHClientConnection, str]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def listen(self, port: int = 0) -> Endpoint:
        self._acceptor = await asyncssh.listen_reverse(
            HERE,
            port,
            acceptor=self._accept,
            username="fred",
            client_keys=[self.key],
            known_hosts=asyncssh.import_known_hosts(f"* {HOST_KEY.export_public_key().decode()}"),
            config=None,
            agent_path=None,
        )
        return Endpoint(HERE, self._acceptor.get_port())

    async def close(self) -> None:
        self._acceptor.close()
        await self._acceptor.wait_closed()

    def _accept(self, connection: asyncssh.SSHClientConnection) -> None:
        self._tasks.append(asyncio.create_task(self._greeted(connection)))

    async def _greeted(self, connection: asyncssh.SSHClientConnection) -> None:
        _, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        self.greetings.put_nowait((connection, (await reader.readline()).decode()))


def unused() -> Endpoint:
    with socket.create_server((HERE, 0)) as taken:
        return Endpoint(*taken.getsockname()[:2])


async def test_a_manager_logs_in_over_ssh() -> None:
    manager, ssh, clock = Manager(), ssh_server(), Clock()
    endpoint = await manager.listen()
    call_home = make(ssh.call, endpoint, clock=clock)
    async with calling(call_home, ssh):
        connection, greeting = await manager.greetings.get()
        assert greeting == "fred 127.0.0.1 netconf-ssh\n"
        state = call_home.state
        assert (state.phase, state.current, state.user) == (Phase.CONNECTED, endpoint, "fred")
        assert state.endpoints[0].attempts == 1
        assert state.endpoints[0].last_connected == 1000.0
    await connection.wait_closed()
    await manager.close()


async def test_a_refused_connection_is_tried_until_there_is_a_manager() -> None:
    manager, ssh, clock, endpoint = Manager(), ssh_server(), Clock(), unused()

    async def come_at_last() -> None:
        if len(clock.waits) == 5:
            await manager.listen(endpoint.port)

    clock.before_wake = come_at_last
    call_home = make(ssh.call, endpoint, clock=clock, max_attempts=1, back_off_limit=8)
    async with calling(call_home, ssh):
        connection, _ = await manager.greetings.get()
        assert clock.waits == [2, 4, 8, 8, 8]
        [state] = call_home.state.endpoints
        assert (state.attempts, state.failures, state.last_error) == (6, 5, "")
        assert state.last_attempt == state.last_connected == 1030.0
    await connection.wait_closed()
    await manager.close()


async def test_user_need_5_a_lost_connection_is_sought_again_at_once_wherever_it_was_lost() -> None:
    manager, ssh, clock = Manager(), ssh_server(), Clock()
    call_home = make(ssh.call, await manager.listen(), clock=clock)
    async with calling(call_home, ssh):
        for number in range(1, 4):
            connection, _ = await manager.greetings.get()
            assert call_home.state.endpoints[0].attempts == number
            connection.abort()
        connection, _ = await manager.greetings.get()
        assert clock.waits == [1, 1, 1]
        assert call_home.state.endpoints[0].failures == 0
    await connection.wait_closed()
    await manager.close()


async def test_the_next_endpoint_is_called_when_the_first_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    manager, ssh, clock, dead = Manager(), ssh_server(), Clock(), unused()
    call_home = make(ssh.call, dead, await manager.listen(), clock=clock, max_attempts=2)
    async with calling(call_home, ssh):
        connection, _ = await manager.greetings.get()
        first, second = call_home.state.endpoints
        assert (first.attempts, first.failures, second.attempts, second.failures) == (2, 2, 1, 0)
        assert first.last_error == "Connection refused"
        assert call_home.state.current == second.endpoint
        assert clock.waits == [1, 1]
    assert f"call home nms: {dead}: Connection refused; next is {dead} in 1.0 s" in caplog.text
    assert f"call home nms: {dead}: Connection refused; next is {second.endpoint} in 1.0 s" in caplog.text
    await connection.wait_closed()
    await manager.close()


async def test_a_manager_who_cannot_log_in_is_a_failed_attempt() -> None:
    manager, ssh, clock = Manager(STRANGER), ssh_server(), Clock()
    failed = asyncio.Event()
    clock.before_wake = failed.set
    call_home = make(ssh.call, await manager.listen(), clock=clock)
    async with calling(call_home, ssh):
        await failed.wait()
        [state] = call_home.state.endpoints
        assert state.failures >= 1
        assert state.last_error.startswith("nobody logged in")
        assert state.last_connected is None
    await manager.close()


async def test_an_endpoint_that_does_not_answer_does_not_hold_up_for_long() -> None:
    clock, tried = Clock(), asyncio.Event()
    clock.before_wake = tried.set

    async def hang(endpoint: Endpoint, max_wait: float) -> socket.socket:
        assert max_wait == 5.0
        raise TimeoutError

    async def unreached(*_: Any) -> None:
        raise AssertionError

    call_home = make(unreached, Endpoint("192.0.2.1", 4334), clock=clock, connect=hang)
    async with calling(call_home):
        await tried.wait()
        assert call_home.state.endpoints[0].last_error == "no answer within 5 s"


async def test_a_bug_in_one_attempt_does_not_end_call_home(caplog: pytest.LogCaptureFixture) -> None:
    clock, again = Clock(), asyncio.Event()

    async def fail(endpoint: Endpoint, max_wait: float) -> socket.socket:
        if clock.waits:
            again.set()
        raise RuntimeError("bug")

    async def unreached(*_: Any) -> None:
        raise AssertionError

    async with calling(make(unreached, Endpoint(HERE, 1), clock=clock, connect=fail)):
        await again.wait()
    assert "call home nms failed" in caplog.text


async def test_whom_we_call_gets_in_however_many_strangers_knock() -> None:
    manager, clock = Manager(), Clock()
    ssh = SshListener(Service(greet, Limits(unauthenticated=1)), accounts=ACCOUNTS, host_keys=[HOST_KEY])
    assert ssh.service.gate.enter_connection("192.0.2.1") is None
    async with calling(make(ssh.call, await manager.listen(), clock=clock), ssh):
        connection, greeting = await manager.greetings.get()
        assert greeting.startswith("fred")
    await connection.wait_closed()
    await manager.close()


async def test_the_session_limits_hold_for_whom_we_call(caplog: pytest.LogCaptureFixture) -> None:
    manager, clock = Manager(), Clock()
    ssh = SshListener(Service(greet, Limits(sessions_per_user=1)), accounts=ACCOUNTS, host_keys=[HOST_KEY])
    async with calling(make(ssh.call, await manager.listen(), clock=clock), ssh):
        connection, _ = await manager.greetings.get()
        with pytest.raises(asyncssh.ChannelOpenError, match="limit of 1 sessions of user fred"):
            await connection.open_session(subsystem="netconf", encoding=None)
    await connection.wait_closed()
    await manager.close()


async def test_over_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ca = issue(tmp_path, "ca", is_ca=True)
    server = issue(tmp_path, "server", by=ca, alternatives=[HERE])
    context = issue(tmp_path, "fred", by=ca).client_context(ca)
    wrong = issue(tmp_path, "eve", by=ca).client_context(ca)
    files = TlsFiles(server.certificate_file, server.key_file, ca.certificate_file)
    tls = TlsListener(Service(greet), accounts=ACCOUNTS, files=files, cert_to_name=[CertToName("common-name")])
    clock = Clock()
    loop = asyncio.get_running_loop()
    with socket.create_server((HERE, 0)) as listening:
        listening.setblocking(False)

        async def called(how: ssl.SSLContext) -> bytes:
            connection, _ = await loop.sock_accept(listening)
            reader, writer = await asyncio.open_connection(sock=connection, ssl=how, server_hostname=HERE)
            try:
                return await reader.readline()
            except OSError:
                return b""
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

        call_home = make(tls.call, Endpoint(HERE, listening.getsockname()[1]), clock=clock)
        async with calling(call_home, tls):
            with caplog.at_level(logging.WARNING):
                assert await called(wrong) == b""
            assert await called(context) == b"fred 127.0.0.1 netconf-tls\n"
            assert await called(context) == b"fred 127.0.0.1 netconf-tls\n"
            assert "nobody logged in: its certificate names eve, which is no user here" in caplog.text
            [state] = call_home.state.endpoints
            assert state.failures == 1
            assert state.attempts >= 3


async def test_when_it_closes_a_connection_that_ended_is_not_sought_again() -> None:
    manager, ssh, clock = Manager(), ssh_server(), Clock()
    call_home = make(ssh.call, await manager.listen(), clock=clock)
    async with calling(call_home, ssh):
        connection, _ = await manager.greetings.get()
        call_home.close()
        connection.abort()
        await connection.wait_closed()
    assert call_home.state.endpoints[0].attempts == 1
    await manager.close()


async def test_open_tcp_tries_each_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HERE, 0)) as listening:
        port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()

        async def two(*_: Any, **__: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, unused().port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, port)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two)
        with await open_tcp(Endpoint("nms.example.net", port), 5.0) as connection:
            assert connection.getpeername() == (HERE, port)
