"""The simulated gateway in a process of its own, for tests that compare what is programmed with what is configured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptomap_backend.intent import TunnelId
from cryptomap_backend.simulator.remote import RemoteWorld


class WorldProcess:
    """Started when made. Its socket has a short path of its own, because Unix sockets want one."""

    def __init__(self, **settings: object) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="world-")
        self.socket = Path(self._directory.name) / "gateway"
        command = [sys.executable, "-m", "cryptomap_backend.simulator.process", "--socket", str(self.socket)]
        self.process = subprocess.Popen(
            [*command, "--settings", json.dumps(settings)], stdout=subprocess.PIPE, text=True
        )
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

    def close(self) -> None:
        self.remote.close()
        self.process.terminate()
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._directory.cleanup()
