"""Start a cryptomapd of your own on this machine, for the demo, the tests of the samples, and ``make serve``.

It makes a fresh SSH key for the user ``admin`` (a recovery user: access control does not bind it) unless the state
directory has one already, and waits for the server's ready line.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh

from cryptomap.transport.passwords import hash_password


@dataclass(frozen=True)
class LocalServer:
    """Where it listens and how to log in."""

    host: str
    port: int
    user: str
    key: Path
    process: subprocess.Popen[str]
    url: str = ""
    password: str = ""


def make_key(path: Path) -> Path:
    """A new ed25519 key pair at ``path`` and ``path.pub``, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        path.touch(mode=0o600)
        key.write_private_key(str(path))
        key.write_public_key(f"{path}.pub")
    return path


@dataclass(frozen=True)
class Web:
    """RESTCONF and the console on a loopback address, without TLS: the settings file, and admin's password."""

    settings: Path
    password: str


def make_web(directory: Path, listen: str) -> Web:
    """The same password each time, because it is kept in the directory."""
    kept = directory / "admin-password"
    if not kept.exists():
        directory.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(9))
    settings = directory / "cryptomapd.toml"
    settings.touch(mode=0o600)
    settings.write_text(
        f'[restconf]\nlisten = "{listen}"\ninsecure = true\n\n'
        f'[users.admin]\nrecovery = true\npassword-hash = "{hash_password(kept.read_text())}"\n'
    )
    return Web(settings, kept.read_text())


def command(state: Path, key: Path, listen: str, more: Sequence[str] = ()) -> list[str]:
    """The command line of such a server."""
    cryptomapd = [sys.executable, "-m", "cryptomap.daemon", "serve"]
    return [*cryptomapd, "--listen", listen, "--state-dir", str(state), "--authorized-keys", f"admin={key}.pub", *more]


@contextmanager
def local_server(directory: Path, *more: str, log: Path | None = None, with_web: bool = False) -> Iterator[LocalServer]:
    """A server with its state below ``directory`` on a free loopback port, until the block ends; ``with_web``: and
    RESTCONF on another."""
    key = make_key(directory / "admin-key")
    web = make_web(directory, "127.0.0.1:0") if with_web else None
    more = (*more, "--config", str(web.settings)) if web else more
    with (log or directory / "cryptomapd.log").open("a") as errors:
        arguments = command(directory / "state", key, "127.0.0.1:0", more)
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        if ready[:3] != ["cryptomapd", "ready", "ssh"]:
            raise RuntimeError(f"cryptomapd did not start; its log:\n{Path(errors.name).read_text()}")
        host, _, port = ready[3].rpartition(":")
        found = LocalServer(host, int(port), "admin", key, process)
        yield replace(found, url=ready[5], password=web.password) if web else found
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
