"""The simulated gateway in a process of its own, for tests that compare what is programmed with what is configured."""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptomap_backend.intent import TunnelId
from cryptomap_backend.simulator.remote import RemoteWorld
from support.server import PATIENCE


class WorldProcess:
    """Started when made. Its socket has a short path of its own, because Unix sockets want one."""

    def __init__(self, **settings: object) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="world-")
        self.socket = Path(self._directory.name) / "gateway"
        self._settings = json.dumps(settings)
        self.start()

    def start(self) -> None:
        """A new world, empty; for one that was stopped."""
        command = [sys.executable, "-m", "cryptomap_backend.simulator.process", "--socket", str(self.socket)]
        self.process = subprocess.Popen([*command, "--settings", self._settings], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == f"simulator ready {self.socket}\n", line
        self.remote = RemoteWorld(str(self.socket))

    @property
    def settings(self) -> str:
        """The part of a server's settings file that makes this world its backend."""
        return f'[backend.simulator]\nsocket = "{self.socket}"\n'

    def spis(self) -> dict[TunnelId, list[tuple[int, int]]]:
        """(in, out) of each child SA, by tunnel."""
        observed = self.remote.observe().tunnels
        return {item: [(sa.spi_in, sa.spi_out) for sa in state.children] for item, state in observed.items()}

    def stop(self) -> None:
        """The gateway is gone, with all it held."""
        self.remote.close()
        self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def close(self) -> None:
        self.stop()
        self._directory.cleanup()


@dataclass(eq=False)
class Hold:
    """One request that is kept back. ``arrived`` is set when it has come, it goes on when ``released`` is set."""

    method: str
    after: bool
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    is_dropped: bool = False

    def wait(self) -> None:
        assert self.arrived.wait(PATIENCE), f"no {self.method} came"

    def release(self) -> None:
        self.released.set()

    def drop(self) -> None:
        """Break the connection instead; before the world was asked, it never will be."""
        self.is_dropped = True
        self.released.set()


class Gatekeeper(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Stands between a server and its world, passes everything on, and keeps back what a test wants to hold: a request
    before the world sees it, or its answer before the server does."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, world: WorldProcess) -> None:
        self.target = world.socket
        self.path = world.socket.with_name("keeper")
        self._holds: list[Hold] = []
        self._lock = threading.Lock()
        super().__init__(str(self.path), _Passage)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def settings(self) -> str:
        """As of a world."""
        return f'[backend.simulator]\nsocket = "{self.path}"\n'

    def hold(self, method: str, *, after: bool = False) -> Hold:
        """Keep the next such request back."""
        hold = Hold(method, after)
        with self._lock:
            self._holds.append(hold)
        return hold

    def pass_by(self, method: str, after: bool) -> bool:
        """Wait if somebody wants that; whether to go on."""
        with self._lock:
            hold = next((hold for hold in self._holds if (hold.method, hold.after) == (method, after)), None)
            if hold is None:
                return True
            self._holds.remove(hold)
        hold.arrived.set()
        hold.released.wait()
        return not hold.is_dropped

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.path.unlink(missing_ok=True)


class _Passage(socketserver.StreamRequestHandler):
    server: Gatekeeper

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as world, suppress(OSError):
            world.connect(str(self.server.target))
            answers = world.makefile("rb")
            for line in self.rfile:
                method = json.loads(line)[0]
                if not self.server.pass_by(method, after=False):
                    return
                world.sendall(line)
                answer = answers.readline()
                if not self.server.pass_by(method, after=True):
                    return
                self.wfile.write(answer)
