"""Who may log in: users, their public keys and, only where one is set, a password hash. There is no default user."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import asyncssh

from cryptomap.transport.passwords import hash_password, is_password_hash, verify_password

__all__ = ["AccountFault", "Accounts"]


class AccountFault(Exception):
    """A key or hash in the settings cannot be used; the text names the user and the line."""


class Accounts:
    """Immutable. ``authorized`` has for each user the lines of an OpenSSH authorized_keys file (with ``from=`` if
    wanted), ``passwords`` hashes of :mod:`cryptomap.transport.passwords`."""

    def __init__(self, authorized: Mapping[str, Iterable[str]], passwords: Mapping[str, str] | None = None) -> None:
        self._keys = {user: _keys(user, lines) for user, lines in authorized.items()}
        self._passwords = dict(passwords or {})
        for user, stored in self._passwords.items():
            if not is_password_hash(stored):
                raise AccountFault(f"user {user}: not a password hash of the form $scrypt$ln=...,r=...,p=...$salt$hash")
        self._nobody = hash_password("") if self._passwords else ""
        self._hashing = asyncio.Semaphore(2)

    def __contains__(self, user: object) -> bool:
        """Whether there is such a user, by whatever way it may log in."""
        return user in self._keys or user in self._passwords

    @property
    def has_passwords(self) -> bool:
        """Whether any user can log in with a password; if none can, the method is not offered."""
        return bool(self._passwords)

    def accepts_key(self, user: str, key: asyncssh.SSHKey, address: str) -> bool:
        """Whether ``key`` opens the account of ``user`` from ``address``; the signature is checked elsewhere."""
        return any(entry.validate(key, address, address) is not None for entry in self._keys.get(user, ()))

    async def accepts_password(self, user: str, password: str) -> bool:
        """Whether ``password`` is right. An unknown user takes as long as a known one; at most two run at a time."""
        stored = self._passwords.get(user)
        async with self._hashing:
            right = await asyncio.to_thread(verify_password, password, stored or self._nobody)
        return right and stored is not None


def _keys(user: str, lines: Iterable[str]) -> tuple[asyncssh.SSHAuthorizedKeys, ...]:
    """One entry per line, because asyncssh would pass over a line it cannot read in silence."""
    text = [line.strip() for entry in lines for line in entry.splitlines()]
    return tuple(_key(user, number, line) for number, line in enumerate(text, 1) if line and not line.startswith("#"))


def _key(user: str, number: int, line: str) -> asyncssh.SSHAuthorizedKeys:
    try:
        return asyncssh.import_authorized_keys(line)
    except ValueError as error:
        raise AccountFault(f"user {user}: authorized key {number} is no OpenSSH public key: {line[:40]!r}") from error
