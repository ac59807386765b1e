"""What the operator hands over besides the settings: files of public keys, and a first configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lxml import etree

from cryptomap.daemon.faults import StartFault
from cryptomap.daemon.settings import User
from cryptomap.netconf.messages import BASE
from cryptomap.transport.accounts import AccountFault, Accounts

__all__ = ["accounts_of", "startup_document"]

log = logging.getLogger(__name__)

STARTUP_ROOTS: Final = (f"{{{BASE}}}config", f"{{{BASE}}}data")
"""What holds the configuration in a file of ``--startup``: as edit-config takes it, or as get-config gives it."""


def accounts_of(users: Mapping[str, User], *, other_ways: bool = False) -> Accounts:
    """Who may log in; ``other_ways``: not only with keys and passwords. Raises StartFault for a key file that cannot be
    read or used."""
    keys = {name: (*user.keys, *_key_lines(name, user.authorized_keys)) for name, user in users.items()}
    hashes = {name: user.password_hash for name, user in users.items() if user.password_hash}
    if not any(keys.values()) and not hashes and not other_ways:
        log.warning("nobody can log in: name a user and its keys by --authorized-keys, or in the settings")
    try:
        return Accounts(keys, hashes)
    except AccountFault as fault:
        raise StartFault(str(fault)) from fault


def _key_lines(user: str, path: Path | None) -> list[str]:
    """The lines of a file in OpenSSH's format, each of which is a key. Raises StartFault."""
    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise StartFault(f"cannot read {path}, the keys of user {user}: {reason}") from fault
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise StartFault(f"{path}, the keys of user {user}, has no key in it")
    try:
        Accounts({user: keys})
    except AccountFault as fault:
        raise StartFault(f"{path}: {fault}") from fault
    return keys


def startup_document(path: Path | None) -> etree._Element | None:
    """The element that holds the first configuration. Raises StartFault."""
    if path is None:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except OSError as fault:
        raise StartFault(f"cannot read the startup configuration {path}: {fault.strerror}") from fault
    except etree.XMLSyntaxError as fault:
        raise StartFault(f"startup configuration {path} is not XML: {fault.msg}") from fault
    if root.getroottree().docinfo.internalDTD is not None:
        raise StartFault(f"startup configuration {path} has a document type declaration, which is not allowed")
    if root.tag not in STARTUP_ROOTS:
        raise StartFault(f"startup configuration {path} must have the root <config xmlns='{BASE}'>, not <{root.tag}>")
    return root
