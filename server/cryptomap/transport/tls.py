"""NETCONF over TLS (RFC 7589): TLS 1.2 or later, and no client without a certificate that names a user.

The certificate files are read anew for each connection. So a renewed certificate, CA or revocation list counts from the
next connection on, and no session of TLS is resumed from before: each client is verified in full.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from cryptomap.transport.accept import accepted, listen
from cryptomap.transport.accounts import Accounts
from cryptomap.transport.certificates import CertToName, fingerprint, user_of
from cryptomap.transport.peer import Peer
from cryptomap.transport.reason import reason
from cryptomap.transport.service import Service
from cryptomap.transport.stream import StreamChannel, keep_alive

__all__ = ["TlsFault", "TlsFiles", "TlsListener", "verified_chain"]

_logger = logging.getLogger(__name__)

_TRANSPORT: Final = "netconf-tls"
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2, as RFC 9325 section 4.2 wants them; 1.3 has its own
_SHUTDOWN_TIMEOUT: Final = 5.0


class TlsFault(Exception):
    """A certificate, key or list cannot be used; the text names the file and says why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. ``certificate`` is the server's, with what stands between it and its CA after it; ``client_ca`` holds
    the CAs (or single certificates) that clients are trusted by, ``client_crl`` what those CAs have revoked."""

    certificate: Path
    key: Path
    client_ca: Path | None
    client_crl: Path | None = None

    def context(self, *, required: bool = True) -> ssl.SSLContext:
        """What these files say now; a client may have no certificate unless it is ``required``. Raises TlsFault."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        self._load_identity(context)
        if self.client_ca is None:
            return context
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _load_trusted(context, self.client_ca)
        if self.client_crl is not None:
            _load_trusted(context, self.client_crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context

    def fingerprint(self) -> str:
        """The tls-fingerprint of the server's certificate. Raises TlsFault."""
        try:
            return fingerprint(x509.load_pem_x509_certificate(self.certificate.read_bytes()))
        except (OSError, ValueError) as error:
            raise TlsFault(f"{self.certificate}: {error}") from error

    def _load_identity(self, context: ssl.SSLContext) -> None:
        try:
            if self.key.stat().st_mode & 0o007:
                raise TlsFault(f"{self.key}: anybody may read or write this private key; make it 0600 or 0640")
            context.load_cert_chain(self.certificate, self.key, password="")  # or OpenSSL asks the terminal
        except OSError as error:
            raise TlsFault(f"{_culprit(error, self.certificate, self.key)}: {reason(error)}") from error


def _load_trusted(context: ssl.SSLContext, path: Path) -> None:
    try:
        path.open("rb").close()  # says better than OpenSSL why a file cannot be read
        context.load_verify_locations(path)
    except OSError as error:
        raise TlsFault(f"{path}: {reason(error)}") from error


def _culprit(error: OSError, certificate: Path, key: Path) -> str:
    for path in (certificate, key):
        with suppress(OSError):
            path.open("rb").close()
            continue
        return str(path)
    return str(error.filename or f"{certificate} with {key}")


class TlsListener:
    """Offers ``service`` over TLS, to those who connect and to those it calls.

    A client is the user that ``cert_to_name`` finds, if there is such a user in ``accounts``.
    """

    def __init__(
        self, service: Service, *, accounts: Accounts, files: TlsFiles, cert_to_name: Sequence[CertToName]
    ) -> None:
        self.service = service
        self.accounts = accounts
        self._files = files
        self._cert_to_name = tuple(cert_to_name)
        self._listening: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and return the address and port in use (``port`` 0 picks one); OSError if that is not possible."""
        self._listening = await listen(host, port)
        self._start(self._accept(self._listening))
        bound = self._listening.getsockname()
        return bound[0], bound[1]

    async def call(self, connection: socket.socket, on_login: Callable[[str], None], keepalive: float) -> None:
        """Be the TLS server of a connection that we opened (RFC 8071 section 4.1), until it is closed.

        ``on_login`` is told the user. ``keepalive``: as in Limits. Raises OSError if nobody logs in.
        """
        try:
            session = await self._handshake(connection, keepalive)
        except TlsFault as error:
            raise ConnectionError(str(error)) from error
        if session.refusal is not None:
            raise ConnectionError(f"nobody logged in: {session.refusal}")
        on_login(session.peer.user)
        await session.closed.wait()

    def close(self) -> None:
        """Accept nothing more, and forget those who have not logged in."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """Likewise, and free the port."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()

    def user_of(self, chain: Sequence[x509.Certificate]) -> str:
        """The user of a verified chain. Raises PermissionError with the reason if there is none."""
        user = user_of(self._cert_to_name, chain)
        if user is None:
            subject = chain[0].subject.rfc4514_string()
            raise PermissionError(f"no entry of cert-to-name has a user for {subject}, {fingerprint(chain[0])}")
        if user not in self.accounts:
            raise PermissionError(f"its certificate names {user}, which is no user here")
        return user

    def _start(self, part: Any) -> None:
        task = asyncio.create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        async for connection, address in accepted(listening):
            self._start(self._admit(connection, address))

    async def _admit(self, connection: socket.socket, address: str) -> None:
        gate = self.service.gate
        refusal = gate.enter_connection(address)
        if refusal is not None:
            _logger.warning("%s: refused: %s", address, refusal)
            connection.close()
            return
        try:
            session = await self._handshake(connection, self.service.limits.keepalive)
            (gate.login_failed if session.is_stranger else gate.login_succeeded)(address)
        except (OSError, TlsFault) as error:
            _logger.warning("%s: no session over TLS: %s", address, error)
            if isinstance(error, ssl.SSLError):
                gate.login_failed(address)
            self.service.turned_away(_TRANSPORT, "", address, str(error))
        finally:
            gate.leave_connection(address)

    async def _handshake(self, connection: socket.socket, keepalive: float) -> _Session:
        """Takes the connection over: it is closed when this fails or is cancelled."""
        try:
            keep_alive(connection, keepalive)
            address = str(connection.getpeername()[0])
            context = self._files.context()
        except (OSError, TlsFault):
            connection.close()
            raise
        _, session = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: _Session(self, address),
            connection,
            ssl=context,
            ssl_handshake_timeout=self.service.limits.login_grace or None,
            ssl_shutdown_timeout=_SHUTDOWN_TIMEOUT,
        )
        return session


class _Session(StreamChannel):
    """One connection after its handshake: finds out who it is, then is the transport of one peer."""

    def __init__(self, listener: TlsListener, address: str) -> None:
        super().__init__(half_close=False)
        self._listener = listener
        self._address = address
        self.refusal: str | None = None
        self.is_stranger = False
        self.closed = asyncio.Event()

    def connected(self) -> None:
        service = self._listener.service
        user = "?"
        try:
            user = self._listener.user_of(verified_chain(self.transport.get_extra_info("ssl_object")))
            self.refusal = service.gate.enter_session(user, self._address)
        except (PermissionError, ValueError) as error:  # ValueError: its certificate cannot be read
            self.refusal = str(error)
            self.is_stranger = True
        self.peer = Peer(
            self,
            user=user,
            address=self._address,
            transport=_TRANSPORT,
            slow_reader_timeout=service.limits.slow_reader_timeout,
        )
        if self.refusal is None:
            _logger.info("%s: %s logged in over TLS", self._address, user)
            service.logged_in(_TRANSPORT, user, self._address)
            service.serve(self.peer)
        else:
            _logger.warning("%s: refused: %s", self._address, self.refusal)
            service.turned_away(_TRANSPORT, user, self._address, self.refusal)
            self.peer.abort(self.refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.closed.set()
        if self.refusal is None:
            self._listener.service.gate.leave_session(self.peer.user, self._address)


def verified_chain(tls: Any) -> list[x509.Certificate]:
    """The client's certificate, what stands between, and the CA trusted by us."""
    if sys.version_info >= (3, 13):
        chain = tls.get_verified_chain()
    else:  # the same function before it had a public name; 2 stands for DER
        chain = [certificate.public_bytes(2) for certificate in tls._sslobj.get_verified_chain()]
    return [x509.load_der_x509_certificate(der) for der in chain]
