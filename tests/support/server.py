"""A cryptomapd of its own process for a test: started, spoken to over SSH, stopped or killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
from ncclient import manager

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"


def require(program: str) -> str:
    """The path of a program a test needs; without it the test is skipped, in continuous integration it fails."""
    found = shutil.which(program)
    if found is None:
        reason = f"{program} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def sample(name: str) -> str:
    """A sample document without its XML declaration, as clients want it."""
    text = (SAMPLES / name).read_text()
    return text.partition("?>")[2] if text.startswith("<?xml") else text


@dataclass
class Daemon:
    """A server and how to log in. ``options`` go to ``cryptomapd serve``; ``settings`` is the text of its TOML file."""

    directory: Path
    options: Sequence[str] = ()
    settings: str = ""
    user: str = "admin"
    host: str = ""
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def key(self) -> Path:
        return self.directory / "key"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def log(self) -> Path:
        return self.directory / "cryptomapd.log"

    def command(self) -> list[str]:
        self._make_key()
        arguments = [sys.executable, "-m", "cryptomap.daemon", "serve", "--listen", "127.0.0.1:0"]
        arguments += ["--state-dir", str(self.state), "--authorized-keys", f"{self.user}={self.key}.pub"]
        if self.settings:
            path = self.directory / "cryptomapd.toml"
            path.write_text(self.settings)
            arguments += ["--config", str(path)]
        return [*arguments, *self.options]

    def start(self) -> Daemon:
        """Start it and wait for its ready line."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("cryptomapd ready ssh "), f"{line!r}\n{self.log.read_text()}"
        self.host, _, port = line.split()[3].rpartition(":")
        self.port = int(port)
        return self

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def connect(self) -> manager.Manager:
        """A session of ncclient."""
        return manager.connect(
            host=self.host,
            port=self.port,
            username=self.user,
            key_filename=str(self.key),
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=60,
        )

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def _make_key(self) -> None:
        if not self.key.exists():
            key = asyncssh.generate_private_key("ssh-ed25519")
            self.key.touch(mode=0o600)
            key.write_private_key(str(self.key))
            key.write_public_key(f"{self.key}.pub")
