"""Network namespaces by the names that ``ip netns`` gives them. A thread enters one; programs it starts are inside."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptomap_backend.contract import Unavailable

__all__ = ["empty_namespace", "identity", "inside"]

NAMES = Path("/run/netns")
OURS = "/proc/thread-self/ns/net"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread is in that namespace meanwhile; "" is the one it is in already. Raises Unavailable."""
    if not name:
        yield
        return
    home = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(_opened(name), name)
        yield
    finally:
        _enter(home, "home")


@contextmanager
def empty_namespace() -> Iterator[None]:
    """This thread is in a new namespace that nobody else sees, gone at the end. Raises Unavailable."""
    home = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)
    if LIBC.unshare(CLONE_NEWNET):
        os.close(home)
        raise Unavailable(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        _enter(home, "home")


def identity(name: str) -> tuple[int, int]:
    """Tells a namespace from a later one of the same name. Raises Unavailable."""
    try:
        found = os.stat(NAMES / name if name else OURS)
    except OSError as fault:
        raise Unavailable(f"network namespace {name!r} is not there") from fault
    return found.st_dev, found.st_ino


def _opened(name: str) -> int:
    if "/" in name or name in (".", ".."):
        raise Unavailable(f"{name!r} is not the name of a network namespace")
    try:
        return os.open(NAMES / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as fault:
        raise Unavailable(f"network namespace {name!r} is not there") from fault


def _enter(descriptor: int, name: str) -> None:
    failed = LIBC.setns(descriptor, CLONE_NEWNET)
    os.close(descriptor)
    if failed:
        raise Unavailable(f"cannot enter network namespace {name!r}: {os.strerror(ctypes.get_errno())}")
