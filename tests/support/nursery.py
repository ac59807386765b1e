"""The test's side of ``forked``: starts servers as ``subprocess.Popen`` would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PROGRAM = Path(__file__).with_name("forked.py")


class Born:
    """A server that was forked; what :class:`support.server.Daemon` uses of a Popen."""

    def __init__(self, stdout: IO[str], status: IO[str]) -> None:
        self.stdout = stdout
        self._status = status
        self.pid = int(status.readline())
        self.returncode: int | None = None

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, when it has."""
        if self.returncode is None:
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode


class Nursery:
    """Started when made. ``cache`` is a directory of compiled schemas."""

    def __init__(self, cache: Path) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, str(PROGRAM), str(theirs.fileno()), str(cache)]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()

    def popen(
        self,
        command: Sequence[str],
        *,
        stderr: IO[str],
        env: Mapping[str, str],
        stdout: int,
        text: bool,
        pass_fds: object,
    ) -> Born:
        """As Daemon calls it; ``command`` is what would be run, without its program."""
        output, its_output = os.pipe()
        status, its_status = os.pipe()
        request = json.dumps([command[1:], {name: env[name] for name in ("CRASH_AT", "CRASH_FAIL")}])
        socket.send_fds(self._control, [request.encode()], [its_output, stderr.fileno(), its_status])
        os.close(its_output)
        os.close(its_status)
        return Born(open(output), open(status))

    def close(self) -> None:
        self._control.close()
        self._process.wait()
