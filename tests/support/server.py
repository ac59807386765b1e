"""A cryptomapd of its own process for a test: started, spoken to over SSH, stopped or killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import asyncssh
import pytest
from ncclient import manager

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
PATIENCE = 60.0  # seconds until a test that waits in vain fails


def require(program: str) -> str:
    """The path of a program a test needs; without it the test is skipped, in continuous integration it fails. What is
    installed beside this Python comes first."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        lacking(f"{program} is not installed")
    return found


def lacking(reason: str) -> NoReturn:
    """Skip the test for want of something; in continuous integration that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def sample(name: str) -> str:
    """A sample document without its XML declaration, as clients want it."""
    return without_declaration((SAMPLES / name).read_text())


def without_declaration(document: str) -> str:
    return document.partition("?>")[2].lstrip() if document.startswith("<?xml") else document


def make_key(path: Path) -> Path:
    """An SSH key at ``path`` with its public half at ``path``.pub, made unless it is there."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        path.touch(mode=0o600)
        key.write_private_key(str(path))
        key.write_public_key(f"{path}.pub")
    return path


@dataclass
class Daemon:
    """A server and how to log in.

    ``options`` go to ``cryptomapd serve``; ``settings`` is the text of its TOML file. ``user`` is a recovery user.
    ``schema_cache`` is a directory of compiled schemas that several servers of a test run share, to start faster.
    ``program`` is what is run instead of cryptomapd itself, ``popen`` runs it.
    """

    directory: Path
    options: Sequence[str] = ()
    settings: str = ""
    user: str = "admin"
    host: str = ""
    port: int = 0
    url: str = ""
    schema_cache: Path | None = None
    program: Sequence[str] = ("-m", "cryptomap.daemon")
    under: Sequence[str] = ()
    popen: Callable[..., subprocess.Popen[str]] = field(default=subprocess.Popen, repr=False)
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

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        make_key(self.key)
        arguments = [*self.under, sys.executable, *self.program, "serve", "--listen", "127.0.0.1:0"]
        arguments += ["--state-dir", str(self.state), "--authorized-keys", f"{self.user}={self.key}.pub"]
        if self.settings:
            path = self.directory / "cryptomapd.toml"
            path.write_text(self.settings)
            arguments += ["--config", str(path)]
        return [*arguments, *self.options]

    def start(self) -> Daemon:
        """Start it and wait for its ready line."""
        self.launch()
        self.ready()
        return self

    def launch(self, *, pass_fds: Sequence[int] = (), environment: Mapping[str, str] | None = None) -> None:
        """Start it."""
        self._take_schema()
        with self.log.open("a") as log:
            self.process = self.popen(
                self.command(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=pass_fds,
                env={**os.environ, **(environment or {})},
            )

    def ready(self) -> None:
        """Wait for its ready line."""
        assert self.comes_up(), self.log.read_text()

    def comes_up(self) -> bool:
        """Wait for its ready line, or for its end."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return False
        assert line.startswith("cryptomapd ready ssh "), f"{line!r}\n{self.log.read_text()}"
        words = line.split()
        self.host, _, port = words[3].rpartition(":")
        self.port = int(port)
        self.url = words[5] if "restconf" in words else ""
        self._give_schema()
        return True

    def refused(self) -> subprocess.CompletedProcess[str]:
        """Start it where it must not start: how it ended, and what it said."""
        return subprocess.run(self.command(), capture_output=True, text=True, timeout=PATIENCE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        return self._end(number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def close(self) -> None:
        """Make sure that it has ended."""
        if self.process is not None:
            self.stop()

    def connect(self, user: str | None = None, key: Path | None = None, **options: object) -> manager.Manager:
        """A session of ncclient; further ``options`` are ncclient's."""
        return manager.connect(
            host=self.host,
            port=self.port,
            username=user or self.user,
            key_filename=str(key or self.key),
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=PATIENCE,
            **options,
        )

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def _take_schema(self) -> None:
        if self.schema_cache is not None and not (self.state / "schema").exists():
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copytree(self.schema_cache, self.state / "schema")

    def _give_schema(self) -> None:
        """Only what was compiled from the product's own modules is worth sharing."""
        if self.schema_cache is not None and not any(self.schema_cache.iterdir()):
            shutil.copytree(self.state / "schema", self.schema_cache, dirs_exist_ok=True)
