"""The server's host key: made on first start, never shipped, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import asyncssh

__all__ = ["HostKeyFault", "load_host_key", "read_host_key"]

_NAMES: Final = {"ssh-ed25519": "ssh_host_ed25519_key", "ssh-rsa": "ssh_host_rsa_key"}
_RSA_BITS: Final = 3072


class HostKeyFault(Exception):
    """The host key cannot be used; the text names the file and says why."""


def load_host_key(directory: Path, algorithm: str = "ssh-ed25519") -> asyncssh.SSHKey:
    """The key in ``directory``/ssh_host_ed25519_key, made there (0600, beside its .pub) if there is none; for the
    ``algorithm`` ssh-rsa that in ssh_host_rsa_key.

    Raises HostKeyFault if the file is no key, is readable by others, or cannot be written.
    """
    path = directory / _NAMES[algorithm]
    try:
        if not path.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path, algorithm)
    except OSError as error:
        raise HostKeyFault(f"{error.filename or path}: {error.strerror or error}") from error
    return read_host_key(path)


def read_host_key(path: Path) -> asyncssh.SSHKey:
    """The host key in a file of OpenSSH's, of any type. Raises HostKeyFault if it is no key, or readable by others."""
    try:
        return _read(path)
    except OSError as error:
        raise HostKeyFault(f"{error.filename or path}: {error.strerror or error}") from error


def _make(path: Path, algorithm: str) -> None:
    """Write a new key so that a crash leaves a whole key or none; whoever comes second keeps the first one's key."""
    size = {"key_size": _RSA_BITS} if algorithm == "ssh-rsa" else {}
    key = asyncssh.generate_private_key(algorithm, comment="cryptomap host key", **size)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write(unfinished, key.export_private_key(), 0o600)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()
    path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> asyncssh.SSHKey:
    mode = path.stat().st_mode
    if mode & 0o077:
        raise HostKeyFault(f"{path}: others may read this host key; make it 0600, or remove it to get a new one")
    try:
        return asyncssh.import_private_key(path.read_bytes())
    except asyncssh.KeyImportError as error:
        raise HostKeyFault(f"{path}: not a private key without passphrase: {error}") from error
