"""The OpenSSH way in (RFC 6242 section 3): sshd authenticates and starts ``cryptomapd subsystem`` as the Unix user,
which passes bytes between its standard input and output and a Unix socket of the running server.

The kernel tells the server which user is at the other end of the socket; nothing that the process says is believed.
The server's first line is ``ok``, or ``refused: `` and why; all that follows is NETCONF. Sessions have no address: only
sshd knows it.
"""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Final

from cryptomap.transport.accounts import Accounts
from cryptomap.transport.peer import Peer
from cryptomap.transport.reason import reason
from cryptomap.transport.service import Service
from cryptomap.transport.stdio import open_stdio
from cryptomap.transport.stream import StreamChannel

__all__ = ["DEFAULT_SOCKET", "SubsystemFault", "SubsystemListener", "owner", "pass_through"]

_logger = logging.getLogger(__name__)

DEFAULT_SOCKET: Final = Path("/run/cryptomap/netconf.sock")
_TRANSPORT: Final = "netconf-ssh"
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of Linux: pid, uid, gid
_OK: Final = b"ok\n"
_REFUSED: Final = "refused: "
_PIECE: Final = 262144
_BACKLOG: Final = 100


class SubsystemFault(Exception):
    """The socket cannot be used, or the server refused us; the text is one line that says why."""


def owner() -> str:
    """The Unix user this process runs as, who owns the sockets it makes."""
    return _user_name(os.geteuid())


class SubsystemListener:
    """Offers ``service`` on a Unix socket, to users in ``accounts`` and to the owner of the socket.

    Only its owner may connect (mode 0600), and the members of ``group`` if there is one (mode 0660).
    """

    def __init__(self, service: Service, *, accounts: Accounts, path: Path, group: str | None = None) -> None:
        self.service = service
        self.accounts = accounts
        self._path = path
        self._group = group
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Make the socket and listen. Raises SubsystemFault."""
        loop = asyncio.get_running_loop()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _clear(self._path)
            listening.bind(str(self._path))
            self._restrict()  # nobody can connect before it listens
            self._server = await loop.create_unix_server(lambda: _Session(self), sock=listening, backlog=_BACKLOG)
        except OSError as error:
            listening.close()
            raise SubsystemFault(f"subsystem socket {self._path}: {reason(error)}") from error

    def close(self) -> None:
        """Accept nothing more."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        """Likewise, and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    def refusal_of(self, user: str) -> str | None:
        """Why this Unix user may not come in, None if it may."""
        if user not in self.accounts and user != owner():
            return f"{user} is no user of this server"
        return self.service.gate.enter_session(user, "")

    def _restrict(self) -> None:
        if self._group is None:
            self._path.chmod(0o600)
            return
        os.chown(self._path, -1, _group_id(self._group))
        self._path.chmod(0o660)


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(None, f"there is no group {name}") from None


def _clear(path: Path) -> None:
    """Remove the socket of a server that was killed. Raises OSError if it is something else, or in use."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(None, "there is something that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise FileExistsError(None, "in use by another process")


class _Session(StreamChannel):
    """One connection: finds out who it is, then is the transport of one peer."""

    def __init__(self, listener: SubsystemListener) -> None:
        super().__init__(half_close=True)
        self._listener = listener

    def connected(self) -> None:
        service = self._listener.service
        pid, user = _peer_of(self.transport.get_extra_info("socket"))
        self._refusal = self._listener.refusal_of(user)
        self.peer = Peer(
            self,
            user=user,
            address="",
            transport=_TRANSPORT,
            slow_reader_timeout=service.limits.slow_reader_timeout,
        )
        if self._refusal is None:
            _logger.info("%s logged in by the subsystem (process %d)", user, pid)
            service.logged_in(_TRANSPORT, user, "")
            self.write(_OK)
            service.serve(self.peer)
        else:
            _logger.warning("%s: subsystem (process %d) refused: %s", user, pid, self._refusal)
            service.turned_away(_TRANSPORT, user, "", self._refusal)
            self.write(f"{_REFUSED}{self._refusal}\n".encode())
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._refusal is None:
            self._listener.service.gate.leave_session(self.peer.user, "")


def _peer_of(connection: socket.socket) -> tuple[int, str]:
    """Process and user at the other end when it connected."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return pid, _user_name(uid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# ===== the process that sshd starts =====


async def pass_through(path: Path, *, read_fd: int = 0, write_fd: int = 1) -> None:
    """Pass bytes between the descriptors and the server's socket until the server, or the client, has ended.

    Raises SubsystemFault if there is no server or it refuses.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=_PIECE)
    except OSError as error:
        raise SubsystemFault(f"no server at {path}: {reason(error)}") from error
    try:
        greeting = await reader.readline()
        if greeting != _OK:
            raise SubsystemFault(greeting.decode(errors="replace").strip() or f"the server at {path} said nothing")
        client = await open_stdio(user=owner(), read_fd=read_fd, write_fd=write_fd, slow_reader_timeout=0)
        await _pass(client, reader, writer)
    finally:
        writer.close()


async def _pass(client: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    towards_server = asyncio.create_task(_requests(client, writer))
    try:
        while data := await reader.read(_PIECE):
            await client.write(data)
    except OSError:
        return  # one of the two is gone: nothing is left to pass on
    finally:
        towards_server.cancel()
        await asyncio.gather(towards_server, return_exceptions=True)
        await client.close("the session has ended")


async def _requests(client: Peer, writer: asyncio.StreamWriter) -> None:
    while data := await client.read():
        writer.write(data)
        await writer.drain()
    writer.write_eof()
