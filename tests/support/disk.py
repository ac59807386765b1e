"""A disk that fails: SQLite's own file operations, wrapped in the library this Python uses, so that its real error
paths are gone through. What the files hold stays true; only the answers are not."""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FULL, IOERR_FSYNC, IOERR_WRITE, READONLY = 13, 10 | 4 << 8, 10 | 3 << 8, 8
_WRITE, _SYNC = 2, 4  # positions in sqlite3_io_methods, after its version
_METHODS = 18  # of version 3

_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("path_size", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 16),
    ]


class _Methods(ctypes.Structure):
    _fields_ = [("version", ctypes.c_int), ("calls", ctypes.c_void_p * _METHODS)]


class Disk:
    """``sync`` and ``write`` are what SQLite is answered instead, while they are not 0."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.sync = self.write = self.opened = 0
        self._kept: list[Any] = []  # what C has pointers to
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._library = library
        self._default = library.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.name = b"failing"
        self._vfs.next = None
        self._vfs.open = self._pointer(_Open(self._open))

    def register(self) -> None:
        assert self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == 0

    def unregister(self) -> None:
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
        self._library.sqlite3_vfs_register(self._default, 1)

    def _pointer(self, function: Any) -> int | None:
        self._kept.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value

    def _open(self, _vfs: int, name: int, file: int, flags: int, out: Any) -> int:
        code = _Open(self._default.contents.open)(ctypes.addressof(self._default.contents), name, file, flags, out)
        if code == 0:
            self.opened += 1
            self._wrap(file)
        return code

    def _wrap(self, file: int) -> None:
        methods = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(_Methods)))
        mine = _Methods.from_buffer_copy(methods.contents.contents)
        write, sync = _Write(mine.calls[_WRITE]), _Sync(mine.calls[_SYNC])
        mine.calls[_WRITE] = self._pointer(_Write(lambda f, data, n, at: self.write or write(f, data, n, at)))
        mine.calls[_SYNC] = self._pointer(_Sync(lambda f, how: self.sync or sync(f, how)))
        self._kept.append(mine)
        methods[0] = ctypes.pointer(mine)


@contextmanager
def failing_disk(scratch: Path) -> Iterator[Disk]:
    """Every file SQLite opens meanwhile is on it. Skips, or fails in continuous integration, where Python brings a
    SQLite of its own that cannot be reached."""
    try:
        disk = Disk(ctypes.CDLL("libsqlite3.so.0"))
    except OSError:
        _cannot()
    disk.register()
    try:
        sqlite3.connect(scratch / "probe").execute("CREATE TABLE t (x)").connection.close()
        if not disk.opened:
            _cannot()
        yield disk
    finally:
        disk.unregister()


def _cannot() -> None:
    reason = "this Python does not use the system's libsqlite3"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
