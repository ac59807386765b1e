"""The TLS server over loopback: what gets in, what is refused, and that it ends. Its clients are Python's ssl."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cryptomap.transport import Accounts, Limits, Peer, PeerLost, Service
from cryptomap.transport.certificates import CertToName, fingerprint
from cryptomap.transport.tls import TlsFault, TlsFiles, TlsListener
from support.certificates import Issued, issue, revoke, self_less_context
from support.loop_clock import LoopClock

BY_COMMON_NAME = [CertToName("common-name")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ca(directory: Path) -> Issued:
    return issue(directory, "ca", is_ca=True)


@pytest.fixture(scope="module")
def fred(directory: Path, ca: Issued) -> Issued:
    return issue(directory, "fred", by=ca)


@pytest.fixture(scope="module")
def files(directory: Path, ca: Issued) -> TlsFiles:
    server = issue(directory, "server", by=ca, alternatives=["127.0.0.1", "::1"])
    return TlsFiles(server.certificate_file, server.key_file, ca.certificate_file)


async def echo(peer: Peer) -> None:
    """Answer with who the peer is, then with what it sends."""
    await peer.write(f"{peer.user} {peer.address} {peer.transport}\n".encode())
    while data := await peer.read():
        await peer.write(data)


@asynccontextmanager
async def listening(
    files: TlsFiles,
    on_peer: Any = echo,
    entries: Sequence[CertToName] = tuple(BY_COMMON_NAME),
    host: str = "127.0.0.1",
    **limits: Any,
) -> AsyncIterator[tuple[TlsListener, int]]:
    service = Service(on_peer, Limits(**limits))
    listener = TlsListener(service, accounts=Accounts({"fred": []}), files=files, cert_to_name=entries)
    _, port = await listener.start(host, 0)
    try:
        yield listener, port
    finally:
        await service.stop(listener)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def gets_in(port: int, context: ssl.SSLContext) -> bool:
    """Whether that opens a session. With TLS 1.3 a client learns only by reading that it was refused."""
    try:
        async with connected(port, context) as (reader, _):
            return bool(await reader.readline())
    except OSError:
        return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_carries_bytes_both_ways(
    files: TlsFiles, ca: Issued, fred: Issued, version: ssl.TLSVersion
) -> None:
    context = fred.client_context(ca)
    context.minimum_version = context.maximum_version = version
    async with listening(files) as (_, port), connected(port, context) as (reader, writer):
        assert await reader.readline() == b"fred 127.0.0.1 netconf-tls\n"
        blob = bytes(range(256)) * 20_000
        writer.write(blob)
        assert await reader.readexactly(len(blob)) == blob


async def test_over_ipv6(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    async with (
        listening(files, host="::1") as (_, port),
        connected(port, fred.client_context(ca), "::1") as (reader, _),
    ):
        assert await reader.readline() == b"fred ::1 netconf-tls\n"


async def test_a_session_that_ends_closes_the_connection(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    async def bye(peer: Peer) -> None:
        await peer.write(b"bye")

    async with listening(files, bye) as (_, port), connected(port, fred.client_context(ca)) as (reader, _):
        assert await reader.read() == b"bye"


async def test_a_client_that_closes_ends_its_session(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    ended = asyncio.Event()

    async def wait(peer: Peer) -> None:
        assert await peer.read() == b""
        ended.set()

    async with listening(files, wait) as (_, port):
        async with connected(port, fred.client_context(ca)):
            pass
        await ended.wait()


# ===== who does not get in =====


async def test_no_certificate(files: TlsFiles, ca: Issued) -> None:
    async with listening(files) as (_, port):
        assert not await gets_in(port, self_less_context(ca))


async def test_a_certificate_of_another_ca(files: TlsFiles, ca: Issued, fred: Issued, tmp_path: Path) -> None:
    other_ca = issue(tmp_path, "ca", is_ca=True)  # of the same name
    impostor = issue(tmp_path, "fred", by=other_ca)
    async with listening(files) as (_, port):
        assert not await gets_in(port, impostor.client_context(ca))
        assert not await gets_in(port, issue(tmp_path, "self", is_ca=True).client_context(ca))
        assert await gets_in(port, fred.client_context(ca))


async def test_an_expired_certificate(files: TlsFiles, ca: Issued, tmp_path: Path) -> None:
    async with listening(files) as (_, port):
        assert not await gets_in(port, issue(tmp_path, "fred", by=ca, days=-1).client_context(ca))
        assert await gets_in(port, issue(tmp_path, "fred", by=ca, days=1).client_context(ca))


async def test_a_revoked_certificate(files: TlsFiles, ca: Issued, fred: Issued, tmp_path: Path) -> None:
    lost = issue(tmp_path, "fred", by=ca)
    files = replace(files, client_crl=revoke(ca, tmp_path / "crl.pem", lost))
    async with listening(files) as (_, port):
        assert not await gets_in(port, lost.client_context(ca))
        assert await gets_in(port, fred.client_context(ca))
        revoke(ca, tmp_path / "crl.pem", lost, fred)  # counts from the next connection on
        assert not await gets_in(port, fred.client_context(ca))


async def test_a_name_that_is_no_user(
    files: TlsFiles, ca: Issued, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    eve = issue(tmp_path, "eve", by=ca)
    async with listening(files) as (_, port):
        assert not await gets_in(port, eve.client_context(ca))
    assert "its certificate names eve, which is no user here" in caplog.text


async def test_a_certificate_without_an_entry_is_told_in_the_log_how_to_make_one(
    files: TlsFiles, ca: Issued, fred: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(files, entries=[CertToName("san-any")]) as (_, port):
        assert not await gets_in(port, fred.client_context(ca))
    assert f"no entry of cert-to-name has a user for CN=fred, {fingerprint(fred.certificate)}" in caplog.text


async def test_a_fingerprint_of_the_ca_matches_in_the_chain(
    files: TlsFiles, ca: Issued, fred: Issued, tmp_path: Path
) -> None:
    below_ca = [CertToName("specified", fingerprint(ca.certificate), "fred")]
    below_other = [CertToName("specified", fingerprint(fred.certificate), "fred")]
    someone = issue(tmp_path, "someone", by=ca)
    async with listening(files, entries=below_ca) as (_, port):
        assert await gets_in(port, someone.client_context(ca))
    async with listening(files, entries=below_other) as (_, port):
        assert not await gets_in(port, someone.client_context(ca))
        assert await gets_in(port, fred.client_context(ca))


async def test_old_versions_of_tls(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    context = fred.client_context(ca)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with listening(files) as (_, port):
        assert not await gets_in(port, context)


async def test_no_session_is_resumed(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    """A resumed session would be one whose certificate was looked at some time before."""

    def talk(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection,
        ):
            assert connection.recv(4) == b"fred"
            assert not connection.session_reused
            return connection.session

    async with listening(files) as (_, port):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = fred.client_context(ca)
            context.minimum_version = context.maximum_version = version
            session = await asyncio.to_thread(talk, port, context, None)
            await asyncio.to_thread(talk, port, context, session)


# ===== limits, shared with the other transports =====


async def test_the_limit_of_sessions(
    files: TlsFiles, ca: Issued, fred: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    context = fred.client_context(ca)
    async with listening(files, sessions_per_address=1) as (listener, port):
        async with connected(port, context) as (reader, _):
            assert await reader.readline()
            assert not await gets_in(port, context)
            assert "the limit of 1 sessions from 127.0.0.1 is reached" in caplog.text
        while not await gets_in(port, context):  # until the server has seen the end of the first
            pass
        assert listener.service.gate.enter_session("fred", "192.0.2.1") is None


async def test_silence_instead_of_a_handshake(files: TlsFiles) -> None:
    clock = LoopClock()
    async with listening(files, login_grace=30) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await clock.hurry(reader.read(), 31) == b""
        writer.close()
        await writer.wait_closed()


async def test_too_many_handshakes(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    async with listening(files, unauthenticated=1) as (_, port):
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        assert not await gets_in(port, fred.client_context(ca))
        silent.close()
        await silent.wait_closed()
        while not await gets_in(port, fred.client_context(ca)):  # until the server has seen that end
            pass


async def test_rubbish_instead_of_a_handshake(
    files: TlsFiles, ca: Issued, fred: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(files) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(OSError):
            await reader.read()
        writer.close()
        assert await gets_in(port, fred.client_context(ca))
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


async def test_a_client_that_does_not_read_is_dropped(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    clock = LoopClock()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def flood(peer: Peer) -> None:
        try:
            while True:
                await peer.write(b"x" * 1_000_000)
        except PeerLost as error:
            ended.set_result(str(error))

    async with (
        listening(files, flood, slow_reader_timeout=60) as (_, port),
        connected(port, fred.client_context(ca)),
    ):
        assert await clock.hurry(ended, 61) == "the client did not read for 60 s"


async def test_stop_ends_sessions_and_frees_the_port(files: TlsFiles, ca: Issued, fred: Issued) -> None:
    async def bye(peer: Peer) -> None:
        await peer.write(b"hello\n")
        await stopping.wait()
        await peer.write(b"bye")

    stopping = asyncio.Event()
    async with listening(files, bye) as (listener, port):
        silent_reader, silent = await asyncio.open_connection("127.0.0.1", port)
        async with connected(port, fred.client_context(ca)) as (reader, _):
            assert await reader.readline() == b"hello\n"
            stopping.set()
            await listener.service.stop(listener)
            assert await reader.read() == b"bye"
        with suppress(OSError):
            assert await silent_reader.read() == b""
        silent.close()
        socket.create_server(("127.0.0.1", port)).close()


# ===== files =====


async def test_a_renewed_certificate_counts_from_the_next_connection_on(
    files: TlsFiles, ca: Issued, fred: Issued, tmp_path: Path
) -> None:
    context = fred.client_context(ca)
    async with listening(files) as (_, port):
        for _ in range(2):
            renewed = issue(tmp_path, "server", by=ca, alternatives=["127.0.0.1"])
            files.certificate.write_bytes(renewed.certificate_file.read_bytes())
            files.key.write_bytes(renewed.key_file.read_bytes())
            async with connected(port, context) as (_, writer):
                shown = writer.get_extra_info("peercert")["serialNumber"]
            assert int(shown, 16) == renewed.certificate.serial_number


def bad_files(files: TlsFiles, path: Path, fred: Issued) -> list[tuple[TlsFiles, str]]:
    rubbish, open_key, missing = path / "rubbish.pem", path / "open.key", path / "missing.pem"
    rubbish.write_text("rubbish")
    rubbish.chmod(0o600)
    open_key.write_bytes(files.key.read_bytes())
    open_key.chmod(0o604)
    return [
        (replace(files, certificate=missing), f"{missing}: No such file"),
        (replace(files, key=missing), f"{missing}: No such file"),
        (replace(files, client_ca=missing), f"{missing}: No such file"),
        (replace(files, client_crl=missing), f"{missing}: No such file"),
        (replace(files, client_ca=rubbish), f"{rubbish}: OpenSSL says NO_CERTIFICATE_OR_CRL_FOUND"),
        (replace(files, key=open_key), f"{open_key}: anybody may read or write this private key"),
        (replace(files, key=fred.key_file), f"{fred.key_file}: OpenSSL says KEY_VALUES_MISMATCH"),
        (replace(files, certificate=rubbish), "OpenSSL says "),
        (replace(files, key=rubbish), "OpenSSL says "),
    ]


def test_files_that_cannot_be_used(files: TlsFiles, fred: Issued, tmp_path: Path) -> None:
    for bad, said in bad_files(files, tmp_path, fred):
        with pytest.raises(TlsFault) as caught:
            bad.context()
        assert said in str(caught.value)
