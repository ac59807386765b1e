"""A server that is killed: at a step of its own, or while it talks to the gateway, whose world survives."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from support.server import Daemon
from support.world import Gatekeeper, Hold, WorldProcess

LOST = (EOFError, OSError, asyncssh.Error)
"""What a client of a server that was killed meets."""

OBSERVED = Path(__file__).with_name("observed.py")


@dataclass(frozen=True)
class Kill:
    """``how``: "at" a step, "after" a step was let go; when the world is "asked" to apply (and never is), when that has
    been "delivered", or "answered"; when the "request" was sent, or the "reply" read."""

    how: str
    where: str = ""


class Steps:
    """Hears the steps of one server process and lets it go on, until it is killed at one."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.armed: Kill | None = None
        self._kill = kill
        self._told, told = os.pipe()
        let_go, self._let_go = os.pipe()
        self.theirs = (told, let_go)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def handed_over(self) -> None:
        """The server has its ends now."""
        for number in self.theirs:
            os.close(number)

    def close(self) -> None:
        """The server has ended."""
        self._thread.join()
        os.close(self._told)
        os.close(self._let_go)

    def _run(self) -> None:
        with open(self._told, closefd=False) as lines:
            for line in lines:
                kill, name = self.armed, line.strip()
                if kill == Kill("at", name):
                    self._kill()
                    return
                with suppress(BrokenPipeError):
                    os.write(self._let_go, b".")
                if kill == Kill("after", name):
                    self._kill()
                    return


class Victim:
    """A server that is killed now and then, and the world that is not."""

    def __init__(self, daemon: Daemon, world: WorldProcess, keeper: Gatekeeper) -> None:
        self.daemon = daemon
        self.world = world
        self.keeper = keeper
        self._steps: Steps | None = None
        self._helpers: list[threading.Thread] = []

    def start(self, during: Kill | None = None) -> None:
        """Start it, to be killed at a step of its recovery if that is wanted."""
        steps = self._steps = Steps(self.kill)
        steps.armed = during
        pipes = {"OBSERVED_PIPES": " ".join(map(str, steps.theirs))}
        self.daemon.launch(pass_fds=steps.theirs, environment=pipes)
        steps.handed_over()
        if during is None:
            self.daemon.ready()
        else:
            self.ended()

    def arm(self, kill: Kill) -> None:
        assert self._steps is not None
        self._steps.armed = kill
        if kill.how in ("asked", "delivered", "answered"):
            hold = self.keeper.hold("apply", after=kill.how == "answered")
            helper = threading.Thread(target=self._kill_at, args=(hold, kill.how == "delivered"))
            self._helpers.append(helper)
            helper.start()

    def _kill_at(self, hold: Hold, is_delivered: bool) -> None:
        hold.arrived.wait()
        self.kill()
        hold.release() if is_delivered else hold.drop()

    def kill(self) -> None:
        assert self.daemon.process is not None
        self.daemon.process.send_signal(signal.SIGKILL)

    def ended(self) -> None:
        """It was killed: wait until nothing of it is left."""
        assert self.daemon.wait() == -signal.SIGKILL
        for helper in self._helpers:
            helper.join()
        self._helpers.clear()
        assert self._steps is not None
        self._steps.close()

    def close(self) -> None:
        self.daemon.close()
        if self._steps is not None:
            self._steps.close()
