"""NETCONF over SSH (RFC 6242): a server that offers the subsystem ``netconf`` and nothing else.

Everything asyncssh could do besides is refused: shell, commands, SFTP, other subsystems, terminals, environment that
matters, forwarding of ports, sockets, agents and X11, tunnel devices, compression. asyncssh closes a connection that
opens a channel before it has logged in, and negotiates strict key exchange with each client that knows it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncssh

from cryptomap.transport.accounts import Accounts
from cryptomap.transport.algorithms import MODERN, Profile
from cryptomap.transport.peer import Peer
from cryptomap.transport.service import Service

__all__ = ["SshListener"]

_logger = logging.getLogger(__name__)

_SUBSYSTEM: Final = "netconf"
_TRANSPORT: Final = "netconf-ssh"


class SshListener:
    """Offers ``service`` over SSH, to those who connect and to those it calls.

    ``accounts`` may be replaced while running: it counts for the next login. ``host_keys``: of different types, the one
    preferred first.
    """

    def __init__(
        self,
        service: Service,
        *,
        accounts: Accounts,
        host_keys: Sequence[asyncssh.SSHKey],
        profile: Profile = MODERN,
    ) -> None:
        self.service = service
        self.accounts = accounts
        self._host_keys = list(host_keys)
        self._profile = profile
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen and return the address and port in use (``port`` 0 picks one); OSError if that is not possible."""
        self._acceptor = await asyncssh.listen(
            host, port, server_factory=lambda: _Connection(self), **self._options(self.service.limits.keepalive)
        )
        address = self._acceptor.sockets[0].getsockname()
        return address[0], address[1]

    async def call(self, connection: socket.socket, on_login: Callable[[str], None], keepalive: float) -> None:
        """Be the SSH server of a connection that we opened (RFC 8071 section 4.1), until it is closed.

        ``on_login`` is told the user. ``keepalive``: as in Limits. Raises OSError if nobody logs in.
        """
        made = _Connection(self, is_called=True)
        try:
            opened = await asyncssh.connect_reverse(
                sock=connection, server_factory=lambda: made, **self._options(keepalive)
            )
        except asyncssh.Error as error:
            raise ConnectionError(f"nobody logged in: {error.reason}") from error
        async with opened:
            on_login(made.user)
            await opened.wait_closed()

    async def stop(self) -> None:
        """Close all connections."""
        self.close()
        for connection in tuple(self._connections):
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "the server is stopping")
            await connection.wait_closed()
        if self._acceptor is not None:
            await self._acceptor.wait_closed()

    def close(self) -> None:
        """Accept nothing more."""
        if self._acceptor is not None:
            self._acceptor.close()

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.add(connection)

    def connection_lost(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.discard(connection)

    def _options(self, keepalive: float) -> dict[str, Any]:
        return {
            "server_host_keys": self._host_keys,
            "server_version": "cryptomap",
            "authorized_client_keys": None,
            "host_based_auth": False,
            "gss_host": None,
            "allow_pty": True,  # changes nothing for the subsystem; scrapli ends when it is refused one
            "line_editor": False,
            "x11_forwarding": False,
            "agent_forwarding": False,
            "allow_scp": False,
            "encoding": None,
            "compression_algs": ["none"],
            **self._profile.options(),
            "login_timeout": self.service.limits.login_grace,
            "keepalive_interval": keepalive,
            "keepalive_count_max": 3,
        }


class _Connection(asyncssh.SSHServer):
    """One TCP connection: caps, authentication, and which channels it may open."""

    def __init__(self, listener: SshListener, *, is_called: bool = False) -> None:
        self._listener = listener
        self._service = listener.service
        self._is_called = is_called
        self._counted = False
        self._refusals = 0
        self._is_logged_in = False
        self._sessions: set[_Session] = set()
        self._idle: asyncio.TimerHandle | None = None
        self.user = ""
        self.address = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self.address = str(conn.get_extra_info("peername")[0])
        self._listener.connection_made(conn)
        if self._is_called:  # whom we call is not kept out by strangers who fill the room before the door
            return
        refusal = self._service.gate.enter_connection(self.address)
        self._counted = refusal is None
        if refusal is not None:
            _logger.warning("%s: refused: %s", self.address, refusal)
            # Only after asyncssh has sent its version line can the client read a reason.
            loop = asyncio.get_running_loop()
            loop.call_soon(conn.disconnect, asyncssh.DISC_TOO_MANY_CONNECTIONS, refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.connection_lost(self._conn)
        if self._counted and self._refusals:
            self._service.gate.login_failed(self.address)
        self._leave_gate()
        if self._refusals and not self._is_logged_in:
            self._service.turned_away(_TRANSPORT, self.user, self.address, f"{self._refusals} credentials refused")
        for session in tuple(self._sessions):  # those whose channel never came to be
            self.session_ended(session)
        self._stop_idling()
        if exc is not None:
            _logger.info("%s: connection lost: %s", self.address, exc)

    # ===== authentication =====

    def begin_auth(self, username: str) -> bool:
        self.user = username
        return True

    def auth_completed(self) -> None:
        _logger.info("%s: %s logged in", self.address, self.user)
        self._service.gate.login_succeeded(self.address)
        self._is_logged_in = True
        self._service.logged_in(_TRANSPORT, self.user, self.address)
        self._leave_gate()
        self._start_idling()

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._listener.accounts.has_passwords

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._judged(self._listener.accounts.accepts_key(username, key, self.address), "key")

    async def validate_password(self, username: str, password: str) -> bool:
        return self._judged(await self._listener.accounts.accepts_password(username, password), "password")

    def _judged(self, accepted: bool, what: str) -> bool:
        if not accepted:
            self._refusals += 1
            _logger.warning("%s: %s of user %s refused", self.address, what, self.user)
            if self._refusals >= self._service.limits.auth_tries:
                reason = f"too many authentication failures ({self._refusals})"
                raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, reason)
        return accepted

    def _leave_gate(self) -> None:
        if self._counted:
            self._counted = False
            self._service.gate.leave_connection(self.address)

    # ===== channels =====

    def session_requested(self) -> _Session:
        refusal = self._service.gate.enter_session(self.user, self.address)
        if refusal is not None:
            _logger.warning("%s: session of %s refused: %s", self.address, self.user, refusal)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, refusal)
        self._stop_idling()
        session = _Session(self._service, self)
        self._sessions.add(session)
        return session

    def session_ended(self, session: _Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)
            self._service.gate.leave_session(self.user, self.address)
            if not self._sessions:
                self._start_idling()

    def _start_idling(self) -> None:
        """Log-in is not a place to stay: a connection without a session is closed after the login grace."""
        grace = self._service.limits.login_grace
        if grace:
            loop = asyncio.get_running_loop()
            reason = "no session was opened"
            self._idle = loop.call_later(grace, self._conn.disconnect, asyncssh.DISC_BY_APPLICATION, reason)

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


class _Session(asyncssh.SSHServerSession[bytes]):
    """One channel: waits for the subsystem request, then is the transport of one peer."""

    def __init__(self, service: Service, connection: _Connection) -> None:
        self._service = service
        self._connection = connection
        self._peer: Peer | None = None
        self._grace: asyncio.TimerHandle | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        grace = self._service.limits.login_grace
        if grace:
            self._grace = asyncio.get_running_loop().call_later(grace, chan.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_grace()
        self._connection.session_ended(self)
        if self._peer is not None:
            self._peer.connection_lost(exc)

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == _SUBSYSTEM

    def session_started(self) -> None:
        self._stop_grace()
        self._peer = Peer(
            _SshChannel(self._chan),
            user=self._connection.user,
            address=self._connection.address,
            transport=_TRANSPORT,
            slow_reader_timeout=self._service.limits.slow_reader_timeout,
        )
        self._service.serve(self._peer)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._peer is not None and datatype is None:
            self._peer.data_received(data)

    def eof_received(self) -> bool:
        if self._peer is not None:
            self._peer.eof_received()
        return True

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.pause_writing()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.resume_writing()

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


class _SshChannel:
    """An asyncssh channel as a peer sees it."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        chan.set_write_buffer_limits(high=131072)

    def write(self, data: bytes) -> None:
        if not self._chan.is_closing():
            self._chan.write(data)

    def pause_reading(self) -> None:
        self._chan.pause_reading()

    def resume_reading(self) -> None:
        self._chan.resume_reading()

    def close(self) -> None:
        self._chan.exit(0)

    def abort(self) -> None:
        self._chan.abort()
