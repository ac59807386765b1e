"""The helper's side of the socket: who may ask, what is asked, one thread for each connection."""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from cryptomap_backend.contract import BackendError, Unavailable
from cryptomap_backend.helper.codec import decode, encode
from cryptomap_backend.helper.guard import Forbidden, Guard
from cryptomap_backend.helper.verbs import CHANGING, LONGEST, VERBS
from cryptomap_backend.linux.kernel import Kernel

__all__ = ["HelperServer", "answer_to"]

log = logging.getLogger(__name__)
CREDENTIALS = struct.Struct("=3i")


def answer_to(
    line: bytes, kernel: Kernel, guard: Guard, changing: AbstractContextManager[object] | None = None
) -> dict[str, Any]:
    """The answer to one request. Never raises: what goes wrong is the answer. Nothing is done for a bad request.
    ``changing`` is held while a verb changes something."""
    try:
        verb, arguments = _request(line)
        guard.check(verb, arguments)
    except Forbidden as fault:
        log.warning("refused: %s", fault)
        return _error(Unavailable.__name__, str(fault))
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        log.warning("a request that cannot be read: %s", type(fault).__name__)
        return _error(Unavailable.__name__, "the helper does not understand the request")
    try:
        with (changing if verb in CHANGING else None) or nullcontext():
            return {"answer": encode(getattr(kernel, verb)(*arguments))}
    except BackendError as fault:
        return _error(type(fault).__name__, str(fault))
    except Exception as bug:
        log.exception("bug")
        return _error(type(bug).__name__, "the helper failed in an unforeseen way")


def _request(line: bytes) -> tuple[str, list[Any]]:
    """Raises CodecFault, ValueError, KeyError, TypeError, RecursionError."""
    verb, *given = json.loads(line)
    kinds = VERBS[verb].arguments.values()
    return verb, [decode(kind, item) for kind, item in zip(kinds, given, strict=True)]


def _error(kind: str, text: str) -> dict[str, Any]:
    return {"error": [kind, text]}


class HelperServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves root and ``user`` (a numeric id). ``make_kernel`` is called once for each connection."""

    daemon_threads = True

    def __init__(self, path: str, user: int, guard: Guard, make_kernel: Callable[[], Kernel]) -> None:
        self.user = user
        self.guard = guard
        self.make_kernel = make_kernel
        self.changing = threading.Lock()
        _remove_stale(Path(path))
        umask = os.umask(0o177)
        try:
            super().__init__(path, _Conversation)
        finally:
            os.umask(umask)
        os.chown(path, user, -1)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """The kernel says who is at the other end."""
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        _, user, _ = CREDENTIALS.unpack(credentials)
        if user not in (0, self.user):
            log.warning("user %d is not served", user)
        return user in (0, self.user)


class _Conversation(socketserver.StreamRequestHandler):
    server: HelperServer

    def handle(self) -> None:
        """Changes come one at a time, whoever asks. A line that does not end is no request, whatever it says."""
        kernel = self.server.make_kernel()
        try:
            while (line := self.rfile.readline(LONGEST)).endswith(b"\n"):
                self._say(answer_to(line, kernel, self.server.guard, self.server.changing))
            if len(line) == LONGEST:
                log.warning("a request of more than %d bytes: its connection is closed", LONGEST)
                self._say(_error(Unavailable.__name__, f"the helper takes no request of more than {LONGEST} bytes"))
        except OSError as fault:
            log.info("a connection ended: %s", fault)
        finally:
            kernel.close()

    def _say(self, answer: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that is gone. Raises OSError if one is answering there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError("another process is serving there")
