"""``python -m cryptomap_backend.simulator.process --socket PATH``: a world in a process of its own.

It survives the server, so that what the server's crash left in the "gateway" can be compared with its configuration.
One request is one line: ``[method, [arguments]]``; the answer is one line: a value, or an error object. A request is
carried out wholly or not at all, whatever happens to who asked. Half a line, as a killed client leaves it, is nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import socketserver
import sys
import threading
from pathlib import Path

from cryptomap_backend.load import SettingsFault
from cryptomap_backend.simulator.codec import CodecFault, decode, encode
from cryptomap_backend.simulator.settings import Settings
from cryptomap_backend.simulator.world import World

__all__ = ["METHODS", "WorldServer", "main"]

METHODS = frozenset(
    {
        "advance",
        "apply",
        "capabilities",
        "dial_in",
        "events",
        "forget",
        "health",
        "held",
        "live",
        "observe",
        "peer_open",
        "peer_seal",
        "receive_packet",
        "revert",
        "send_packet",
        "set_faults",
        "set_peer",
    }
)


class _Conversation(socketserver.StreamRequestHandler):
    server: WorldServer

    def handle(self) -> None:
        try:
            for line in self.rfile:
                if line.endswith(b"\n"):
                    self.wfile.write(self.server.answer(line))
        except ConnectionError:
            return  # the client is gone; what it asked for is done or was never complete


class WorldServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves one world on a Unix socket that only this user may open."""

    daemon_threads = True

    def __init__(self, path: str, world: World) -> None:
        self.world = world
        _remove_stale(Path(path))
        umask = os.umask(0o177)
        try:
            super().__init__(path, _Conversation)
        finally:
            os.umask(umask)

    def answer(self, line: bytes) -> bytes:
        """The answer to one request line. Never raises: whatever goes wrong is the answer."""
        try:
            method, arguments = decode(line)
            if method not in METHODS:
                raise CodecFault(f"no method {method!r}")
            return encode(getattr(self.world, method)(*arguments))
        except Exception as fault:
            try:
                return encode(fault)
            except TypeError:
                return encode({"bug": f"{type(fault).__name__}: {fault}"})


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Prints ``simulator ready PATH`` once it can be reached; 2 for bad options."""
    parser = argparse.ArgumentParser(prog="cryptomap_backend.simulator.process", description="A simulated gateway.")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to serve on")
    parser.add_argument("--settings", default="{}", help="settings of the simulator as JSON")
    options = parser.parse_args(arguments)
    try:
        server = WorldServer(options.socket, World(Settings.of(json.loads(options.settings))))
    except (OSError, ValueError, SettingsFault) as fault:
        print(f"cannot serve a simulated gateway on {options.socket}: {fault}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"simulator ready {options.socket}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.05)
    Path(options.socket).unlink(missing_ok=True)
    return 0


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that is gone. Raises OSError if one is answering there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError("another process is serving there")


if __name__ == "__main__":
    sys.exit(main())
