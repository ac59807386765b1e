"""Who may log in: users, their public keys and, only where one is set, a password hash. There is no default user."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import asyncssh

from cryptomap.transport.passwords import is_password_hash, verify_password

__all__ = ["AccountFault", "Accounts"]


class AccountFault(Exception):
    """A key or hash in the settings cannot be used; the text names the user and the line."""


class Accounts:
    """All ways in share one of these. ``authorized`` has for each user the lines of an authorized_keys file of OpenSSH
    (with ``from=`` if wanted), ``passwords`` hashes of :mod:`cryptomap.transport.passwords`. ``edition`` grows whenever
    ``become`` puts others in their place."""

    def __init__(self, authorized: Mapping[str, Iterable[str]], passwords: Mapping[str, str] | None = None) -> None:
        self._keys = {user: _keys(user, lines) for user, lines in authorized.items()}
        self._passwords = dict(passwords or {})
        for user, stored in self._passwords.items():
            if not is_password_hash(stored):
                forms = "$scrypt$ln=...,r=...,p=...$salt$hash or $6$salt$hash"
                raise AccountFault(f"user {user}: not a password hash of the form {forms}")
        self._nobody = next(iter(self._passwords.values()), "")
        self._hashing = asyncio.Semaphore(2)
        self.edition = 0

    def __contains__(self, user: object) -> bool:
        """Whether there is such a user, by whatever way it may log in."""
        return user in self._keys or user in self._passwords

    @property
    def users(self) -> frozenset[str]:
        return frozenset({*self._keys, *self._passwords})

    def beside(self, others: Accounts) -> Accounts:
        """These accounts, and those of other users."""
        joined = Accounts({})
        joined._keys = {**others._keys, **self._keys}
        joined._passwords = {**others._passwords, **self._passwords}
        joined._nobody = self._nobody or others._nobody
        return joined

    def become(self, others: Accounts) -> None:
        """Be those accounts from now on: they count for the next login. From any thread."""
        self._keys, self._passwords, self._nobody = others._keys, others._passwords, others._nobody
        self.edition += 1

    @property
    def has_passwords(self) -> bool:
        """Whether any user can log in with a password; if none can, the method is not offered."""
        return bool(self._passwords)

    def accepts_key(self, user: str, key: asyncssh.SSHKey, address: str) -> bool:
        """Whether ``key`` opens the account of ``user`` from ``address``; the signature is checked elsewhere."""
        return any(entry.validate(key, address, address) is not None for entry in self._keys.get(user, ()))

    async def accepts_password(self, user: str, password: str) -> bool:
        """Whether ``password`` is right. An unknown user takes as long as one of those known; at most two run at a
        time."""
        if not self._passwords:
            return False
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
