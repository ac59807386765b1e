"""The client against a server made of the same rooms: in memory for what is said, over SSH for the way there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from lxml import etree

from cryptomap.client import Client, ClientError, connect
from cryptomap.errors import DataMissing, InvalidValue, RpcErrors
from cryptomap.netconf import Connection, ConnectionLost, NeedData, RpcReceived
from cryptomap.netconf.capabilities import BASE_1_0, BASE_1_1
from cryptomap.netconf.messages import BASE
from cryptomap.transport import Accounts, Limits, Peer, Service, SshListener, load_host_key

BOTH = (BASE_1_0, BASE_1_1)
KEY = asyncssh.generate_private_key("ssh-ed25519")


class Pipe:
    """One end of an in-memory connection."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.other = self

    async def read(self) -> bytes:
        return await self.arrived.get()

    async def write(self, data: bytes) -> None:
        self.other.arrived.put_nowait(data)


def answer(connection: Connection, event: RpcReceived) -> bytes:
    """What the test's server says to an operation; its behaviour is chosen by the operation's name."""
    match etree.QName(event.operation).localname:
        case "get" | "get-config":
            body = [f'<data xmlns="{BASE}">'.encode(), b'<big xmlns="urn:x">', *[b"x" * 50_000] * 20, b"</big></data>"]
            return b"".join(connection.send_reply(event, body))
        case "get-schema":
            return b"".join(connection.send_reply(event, [b'<data xmlns="urn:m">module x {}</data>']))
        case "validate":
            return connection.send_errors(event, [InvalidValue("no", severity="warning")])
        case "commit":
            return connection.send_errors(event, [InvalidValue("no"), DataMissing("none"), InvalidValue("w")])
        case "lock":
            return connection.send_errors(event, [InvalidValue("dscp is 0..63", app_tag="x")])
        case "create-subscription":
            ok = connection.send_ok(event)
            return ok + connection.send_notification("2026-11-23T10:00:00Z", b'<up xmlns="urn:x"/>')
    return connection.send_ok(event)


async def serve(stream, capabilities=BOTH, respond: Callable[[Connection, RpcReceived], bytes] = answer) -> None:
    connection = Connection("server", capabilities, session_id=42)
    await stream.write(connection.send_hello())
    while True:
        event = connection.next_event()
        if isinstance(event, NeedData):
            connection.receive_data(await stream.read())
        elif isinstance(event, ConnectionLost):
            return
        elif isinstance(event, RpcReceived):
            if frames := respond(connection, event):
                await stream.write(frames)
            if event.operation.tag == f"{{{BASE}}}close-session":
                await stream.write(b"")  # the end, for a Pipe
                return


@asynccontextmanager
async def in_memory(capabilities=BOTH, respond=answer) -> AsyncIterator[Client]:
    ours, theirs = Pipe(), Pipe()
    ours.other, theirs.other = theirs, ours
    task = asyncio.create_task(serve(theirs, capabilities, respond))
    try:
        async with Client(ours) as client:
            yield client
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("capabilities", [BOTH, (BASE_1_0,)])
async def test_operations(capabilities):
    async with in_memory(capabilities) as client:
        assert (client.session_id, client.capabilities) == (42, capabilities)
        data = await client.get_config(filter_="<a/>")
        assert len(data.findtext("{urn:x}big")) == 1_000_000
        await client.edit_config("<a xmlns='urn:x'/>")
        await client.discard_changes()
        await client.unlock()
        assert await client.get_schema("x") == "module x {}"


async def test_errors_are_raised_as_the_class_of_their_tag():
    async with in_memory() as client:
        with pytest.raises(InvalidValue, match=r"dscp is 0\.\.63") as caught:
            await client.lock()
        assert caught.value.app_tag == "x"
        with pytest.raises(RpcErrors) as several:
            await client.commit()
        assert [type(error) for error in several.value.errors] == [InvalidValue, DataMissing, InvalidValue]
        await client.discard_changes()


async def test_warnings_are_kept_and_not_raised():
    async with in_memory() as client:
        await client.validate()
        assert [warning.message for warning in client.warnings] == ["no"]


async def test_requests_may_overlap_and_replies_find_their_request():
    held: list[RpcReceived] = []

    def backwards(connection: Connection, event: RpcReceived) -> bytes:
        if event.operation.tag == f"{{{BASE}}}close-session":
            return connection.send_ok(event)
        held.append(event)
        if len(held) < 3:
            return b""
        return b"".join(
            b"".join(connection.send_reply(e, [etree.tostring(e.operation, with_tail=False)])) for e in held[::-1]
        )

    async with in_memory(respond=backwards) as client:
        replies = await asyncio.gather(*[client.rpc(f'<op{n} xmlns="urn:x"/>') for n in range(3)])
        assert [reply[0].tag for reply in replies] == ["{urn:x}op0", "{urn:x}op1", "{urn:x}op2"]


async def test_notifications():
    async with in_memory() as client:
        await client.create_subscription()
        async for event in client.notifications():
            assert (event.event_time, event.element[1].tag) == ("2026-11-23T10:00:00Z", "{urn:x}up")
            await client.close_session()


async def test_a_server_that_hangs_up_fails_what_waits():
    async with in_memory(respond=lambda connection, event: b"") as client:
        waiting = asyncio.create_task(client.get())
        await asyncio.sleep(0)
        client._stream.arrived.put_nowait(b"")
        with pytest.raises(ClientError, match="closed the session"):
            await waiting
        with pytest.raises(ClientError, match="closed the session"):
            await client.get()


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"<hello/>]]>]]>", b""])
async def test_a_peer_that_is_no_netconf_server(said):
    stream = Pipe()
    stream.other = Pipe()
    stream.arrived.put_nowait(said)
    with pytest.raises(ClientError, match="hello"):
        async with Client(stream):
            pass


async def test_a_server_without_a_hello():
    stream = Pipe()
    stream.other = Pipe()
    with pytest.raises(ClientError, match="no hello within"):
        async with Client(stream, hello_timeout=0.01):
            pass


@asynccontextmanager
async def over_ssh(directory: Path, **limits) -> AsyncIterator[dict[str, object]]:
    """Arguments for connect() to a server on loopback."""

    async def on_peer(peer: Peer) -> None:
        await serve(peer)

    (directory / "id").write_bytes(KEY.export_private_key())
    host_key = load_host_key(directory / "ssh")
    accounts = Accounts({"ann": [KEY.export_public_key().decode()]})
    service = Service(on_peer, Limits(**limits))
    listener = SshListener(service, accounts=accounts, host_keys=[host_key])
    host, port = await listener.start("127.0.0.1", 0)
    (directory / "hosts").write_text(f"[{host}]:{port} {host_key.export_public_key().decode()}")
    try:
        yield {"port": port, "user": "ann", "identity": directory / "id", "known_hosts": directory / "hosts"}
    finally:
        await service.stop(listener)


async def test_over_ssh(tmp_path):
    async with over_ssh(tmp_path) as arguments, connect("127.0.0.1", **arguments) as client:
        data = await client.get()
        assert len(data.findtext("{urn:x}big")) == 1_000_000
        await client.edit_config(b"<a xmlns='urn:x'>" + b"y" * 3_000_000 + b"</a>")


async def test_faults_on_the_way_are_one_line(tmp_path):
    async with over_ssh(tmp_path, sessions=1) as arguments:
        with pytest.raises(ClientError, match=r"bob@127\.0\.0\.1:.*denied"):
            async with connect("127.0.0.1", **(arguments | {"user": "bob"})):
                pass
        (tmp_path / "empty").write_text("")
        with pytest.raises(ClientError, match="Host key is not trusted"):
            async with connect("127.0.0.1", **(arguments | {"known_hosts": tmp_path / "empty"})):
                pass
        with pytest.raises(ClientError, match="absent"):
            async with connect("127.0.0.1", **(arguments | {"identity": tmp_path / "absent"})):
                pass
        async with connect("127.0.0.1", **arguments):
            with pytest.raises(ClientError, match="limit of 1 sessions"):
                async with connect("127.0.0.1", **arguments):
                    pass
    with pytest.raises(ClientError, match=r"ann@127\.0\.0\.1:"):
        async with connect("127.0.0.1", **arguments):
            pass
