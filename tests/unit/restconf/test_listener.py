"""Who gets a connection for HTTP, and for how long without saying anything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cryptomap.restconf.listener import HttpListener
from support.certificates import Issued, issue, self_less_context
from support.loop_clock import LoopClock

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "ca", is_ca=True)


@pytest.fixture(scope="module")
def offered(ca: Issued, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    server = issue(tmp_path_factory.mktemp("server"), "server", by=ca, alternatives=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(server.certificate_file), Path(server.key_file))
    return context


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[int]:
    listener = HttpListener(hello, **options)
    _, port = await listener.start("127.0.0.1", 0)
    yield port
    await listener.stop()


async def said(opening: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> bytes:
    """What comes back for a request until the end; nothing if there is no connection to be had."""
    with suppress(OSError):
        reader, writer = await opening
        writer.write(REQUEST)
        try:
            return await reader.read()
        finally:
            writer.close()
    return b""


@pytest.mark.parametrize("is_secure", [True, False])
async def test_silence_is_not_waited_for(offered: ssl.SSLContext, is_secure: bool) -> None:
    clock = LoopClock()
    async with listening(context=offered if is_secure else None, grace=30) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await clock.hurry(reader.read(), 31) == b""
        writer.close()


async def test_silence_after_the_handshake_is_not_waited_for(offered: ssl.SSLContext, ca: Issued) -> None:
    async with listening(context=offered, grace=30) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self_less_context(ca))
        assert await LoopClock().hurry(reader.read(), 31) == b""
        writer.close()


async def test_who_has_not_agreed_on_tls_takes_a_place(
    offered: ssl.SSLContext, ca: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(context=offered, most=2) as port:

        def asked() -> Awaitable[bytes]:
            return said(asyncio.open_connection("127.0.0.1", port, ssl=self_less_context(ca)))

        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await asked() == b""
        assert "refused: 2 HTTP connections already" in caplog.text
        for _, writer in silent:
            writer.close()
        while not (answer := await asked()):  # until the server has seen those ends
            pass
        assert answer.startswith(b"HTTP/1.1 204")


async def test_rubbish_instead_of_a_handshake(
    offered: ssl.SSLContext, ca: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(context=offered) as port:
        await said(asyncio.open_connection("127.0.0.1", port))
        answer = await said(asyncio.open_connection("127.0.0.1", port, ssl=self_less_context(ca)))
        assert answer.startswith(b"HTTP/1.1 204")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
