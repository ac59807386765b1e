"""A world in another process, with the methods of :class:`~.world.World`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection
from typing import Any, TypeVar

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.contract import OutcomeUnknown, Unavailable
from cryptomap_backend.intent import Address, Intent, ResponderId, TunnelId
from cryptomap_backend.plan import Step
from cryptomap_backend.simulator.codec import CodecFault, decode, encode
from cryptomap_backend.simulator.dataplane import Received, Sent
from cryptomap_backend.simulator.faults import Faults
from cryptomap_backend.simulator.peers import Peer
from cryptomap_backend.state import Event, Health, Observation

__all__ = ["RemoteWorld"]

COMMANDS = ("apply", "revert")
Answer = TypeVar("Answer")


class _Line:
    """One connection, one request at a time. Opened when needed and after it was lost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def ask(self, method: str, arguments: tuple[object, ...]) -> Any:
        request = encode([method, list(arguments)])
        with self._lock:
            connection = self._connected()
            try:
                connection.sendall(request)
                answer = connection.makefile("rb").readline()
            except OSError as fault:
                raise self._lost(method) from fault
            if not answer.endswith(b"\n"):
                raise self._lost(method)
        try:
            return decode(answer)
        except CodecFault as fault:
            raise self._lost(method) from fault

    def break_off(self) -> None:
        """End the request in progress, from another thread."""
        connection = self._socket
        if connection:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # lost already

    def close(self) -> None:
        self.break_off()
        with self._lock:
            self._forget()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._path)
            except OSError as fault:
                connection.close()
                raise Unavailable(f"the simulated gateway at {self._path} cannot be reached: {fault}") from fault
            self._socket = connection
        return self._socket

    def _lost(self, method: str) -> Exception:
        self._forget()
        text = f"the connection to the simulated gateway was lost during {method}"
        return OutcomeUnknown(text) if method in COMMANDS else Unavailable(text)

    def _forget(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


class RemoteWorld:
    """See :class:`~.world.World` for the methods. All raise Unavailable as well, apply and revert OutcomeUnknown.

    Commands, reads, events and controls have a connection each, so that none waits for another.
    """

    def __init__(self, path: str) -> None:
        self._commands, self._reads, self._events, self._controls = (_Line(path) for _ in range(4))

    def capabilities(self) -> Capabilities:
        return _expect(Capabilities, self._reads.ask("capabilities", ()))

    def live(self, items: Collection[TunnelId | ResponderId]) -> dict[TunnelId | ResponderId, int]:
        return _expect(dict, self._commands.ask("live", (tuple(items),)))

    def held(self) -> Intent:
        return _expect(Intent, self._commands.ask("held", ()))

    def apply(self, token: str, steps: tuple[Step, ...], verb: str = "apply") -> None:
        _expect(type(None), self._commands.ask("apply", (token, steps, verb)))

    def revert(self, token: str, inverse: tuple[Step, ...]) -> None:
        _expect(type(None), self._commands.ask("revert", (token, inverse)))

    def observe(self, only: TunnelId | None = None) -> Observation:
        return _expect(Observation, self._reads.ask("observe", (only,)))

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        return _expect(tuple, self._events.ask("events", (wait,)))

    def health(self) -> Health:
        return _expect(Health, self._reads.ask("health", ()))

    def send_packet(self, context: str, packet: bytes, vrf: str | None = None, color: int = 0) -> Sent:
        return _expect(Sent, self._controls.ask("send_packet", (context, packet, vrf, color)))

    def receive_packet(self, context: str, packet: bytes) -> Received:
        return _expect(Received, self._controls.ask("receive_packet", (context, packet)))

    def peer_seal(self, tunnel: TunnelId, packet: bytes) -> bytes:
        return _expect(bytes, self._controls.ask("peer_seal", (tunnel, packet)))

    def peer_open(self, tunnel: TunnelId, packet: bytes) -> bytes:
        return _expect(bytes, self._controls.ask("peer_open", (tunnel, packet)))

    def set_faults(self, faults: Faults) -> None:
        _expect(type(None), self._controls.ask("set_faults", (faults,)))

    def set_peer(self, address: Address, peer: Peer) -> None:
        _expect(type(None), self._controls.ask("set_peer", (address, peer)))

    def dial_in(self, target: TunnelId | ResponderId, remote: Address) -> None:
        _expect(type(None), self._controls.ask("dial_in", (target, remote)))

    def forget(self) -> None:
        _expect(type(None), self._controls.ask("forget", ()))

    def advance(self, seconds: float) -> None:
        _expect(type(None), self._controls.ask("advance", (seconds,)))

    def break_off(self, commands: bool) -> None:
        """End the call in progress among the commands or the reads."""
        (self._commands if commands else self._reads).break_off()

    def close(self) -> None:
        for line in (self._commands, self._reads, self._events, self._controls):
            line.close()


def _expect(kind: type[Answer], answer: Any) -> Answer:
    """The answer if it is of that kind; raises it if it is an error."""
    if isinstance(answer, Exception):
        raise answer
    if not isinstance(answer, kind):
        raise RuntimeError(f"the simulated gateway failed: {answer}")
    return answer
