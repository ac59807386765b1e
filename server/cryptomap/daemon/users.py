"""Users: those of the settings, which are always there, and those configured in ``/ietf-system:system/authentication``
(RFC 7317), who may log in as soon as the commit that names them is answered.

Nobody who may configure users becomes one of the settings that way, or a recovery user: those names are refused.
A configured user who is removed cannot log in any more; sessions it has go on until they end or are killed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import asyncssh

from cryptomap.data.crypt_hash import CLEAR, MAX_ROUNDS, is_hash
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Key, Node, Path
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.events import Committed, Event
from cryptomap.datastore.transaction import Transition
from cryptomap.errors import ErrorPath, InvalidValue, OperationFailed, RpcError
from cryptomap.schema.nodes import InnerNode, Schema
from cryptomap.transport.accounts import Accounts

__all__ = ["Users"]

_SYSTEM: Final = "ietf-system:system"
_LOCAL_USERS: Final = "ietf-system:local-users"


class Users:
    """``accounts`` are those of the settings to begin with, and then those in effect; the names they begin with, and
    those ``reserved``, cannot be configured."""

    def __init__(self, schema: Schema, accounts: Accounts, reserved: Collection[str]) -> None:
        self._schema = schema
        self._accounts = accounts
        self._fixed = accounts.beside(Accounts({}))
        self._reserved = accounts.users.union(reserved)

    def accounts(self, root: Node) -> Accounts:
        """Who may log in under a configuration."""
        users = _users(root)
        keys = {name: [line for _, line in _lines(user) if _is_key(line)] for name, user in users.items()}
        hashes = {name: stored for name, user in users.items() if (stored := user.text("password")) and is_hash(stored)}
        if not _takes_passwords(root):
            hashes = {}
        return self._fixed.beside(Accounts(keys, hashes))

    def follow(self, datastores: Datastores) -> None:
        """Have the accounts be what running says, now and after each commit."""

        def listener(event: Event) -> None:
            if isinstance(event, Committed) and _has_changed(event.transition):
                self._accounts.become(self.accounts(event.transition.new.root))

        self._accounts.become(self.accounts(datastores.running.root))
        datastores.subscribe(listener)

    # ===== the commit rule =====

    def check(self, transition: Transition) -> Iterator[RpcError]:
        """What is wrong with the users of a configuration; a password that does not count yet is a warning."""
        if not _has_changed(transition):
            return
        root = transition.new.root
        for name, user in _users(root).items():
            if name in self._reserved:
                message = f"{name} is a user of the settings file and cannot be configured"
                yield InvalidValue(message, path=self._path(name), app_tag="reserved-user")
            yield from self._bad_keys(name, user)
            yield from self._bad_password(name, user, _takes_passwords(root))

    def _bad_keys(self, name: str, user: Node) -> Iterator[RpcError]:
        for key, line in _lines(user):
            if not _is_key(line):
                message = "key-data is no public key of that algorithm; it is the second word of a .pub file of OpenSSH"
                where = self._path(name, ("authorized-key", key), ("key-data", None))
                yield InvalidValue(message, path=where, app_tag="bad-ssh-key")

    def _bad_password(self, name: str, user: Node, is_taken: bool) -> Iterator[RpcError]:
        stored = user.text("password")
        where = self._path(name, ("password", None))
        if stored is not None and not is_hash(stored):
            message = (
                f"no hash of crypt(3) with SHA-256 or SHA-512 and at most {MAX_ROUNDS} rounds; {CLEAR} and a password "
                "will be hashed"
            )
            yield InvalidValue(message, path=where, app_tag="bad-crypt-hash")
        elif stored is not None and not is_taken:
            message = "no password opens an account while user-authentication-order has no local-users"
            yield OperationFailed(message, path=where, severity="warning", app_tag="passwords-off")

    def _path(self, user: str, *steps: tuple[str, Key | None]) -> ErrorPath:
        here: InnerNode = self._schema.root
        path: Path = ()
        for name, key in ((_SYSTEM, None), ("authentication", None), ("user", user), *steps):
            child = here.by_qname.get(name) or here.child(name)
            path = (*path, (child, key))
            here = child if isinstance(child, InnerNode) else here
        return to_xpath(self._schema, path)


def _authentication(root: Node) -> Node | None:
    system = root.node(_SYSTEM)
    return system.node("authentication") if system else None


def _has_changed(transition: Transition) -> bool:
    return _authentication(transition.old.root) is not _authentication(transition.new.root)


def _users(root: Node) -> dict[str, Node]:
    found = _authentication(root)
    return {str(name): user for name, user in found.entries("user").items()} if found else {}


def _takes_passwords(root: Node) -> bool:
    found = _authentication(root)
    return found is not None and _LOCAL_USERS in found.values("user-authentication-order")


def _lines(user: Node) -> Iterator[tuple[Key, str]]:
    """Each authorized key by its name, as a line of OpenSSH. What lacks a part is not valid, and no key."""
    for name, key in user.entries("authorized-key").items():
        algorithm, data = key.text("algorithm"), key.text("key-data")
        if algorithm and data:
            yield name, f"{algorithm} {data}"


def _is_key(line: str) -> bool:
    """Whether a line is an algorithm and a key for it, and nothing else, such as options."""
    try:
        return asyncssh.import_public_key(line).algorithm.decode() == line.partition(" ")[0]
    except (asyncssh.KeyImportError, UnicodeError):
        return False
