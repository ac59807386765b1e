"""Servers that start in a tenth of the time: each is forked from this process, which has everything imported and the
schemas read. Made for tests that kill hundreds of them.

Requests come on the socket of the first argument, one a message: the arguments of cryptomapd and its environment as
JSON, with three descriptors: its standard output, its log, and a pipe that is told its pid and, later, how it ended.

In the environment: ``CRASH_AT`` is the name of a step, a colon and a number: the server ends itself with SIGKILL when
it gets there for that time ("any" counts all steps). ``CRASH_FAIL`` is a file: if it is there, a statement of the
journal that begins with its content fails once, and the file is removed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sqlite3
import sys
import traceback
from functools import cache, partial
from pathlib import Path
from typing import Any

from cryptomap.daemon import cli, daemon, schema
from cryptomap.datastore import checkpoints, journal
from cryptomap.schema.cache import load_cached

CACHE = Path(sys.argv[2])


@cache
def _schema(names: Any, features: Any) -> Any:
    return load_cached(CACHE, names, (), dict(features))


def _load_cached(_directory: Path, names: Any, _yang_dirs: Any, features: dict[str, Any]) -> Any:
    return _schema(tuple(names), tuple(features.items()))


class Failing(sqlite3.Connection):
    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        path = os.environ["CRASH_FAIL"]
        with contextlib.suppress(FileNotFoundError), open(path) as file:
            if statement.startswith(file.read()):
                os.unlink(path)
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *parameters)


class _FailingSqlite:
    """sqlite3 as the journal sees it: the databases of others must not take the failures that are meant for it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        return sqlite3.connect(*arguments, **{"factory": Failing} | options)


def _step(name: str, *, where: str, left: list[int]) -> None:
    if where in (name, "any"):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)


def serve(arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    where, _, count = os.environ["CRASH_AT"].rpartition(":")
    step = partial(_step, where=where, left=[int(count)])
    daemon.Datastores = partial(daemon.Datastores, step=step)  # type: ignore[assignment, attr-defined]
    journal.sqlite3 = _FailingSqlite()  # type: ignore[assignment, attr-defined]
    cli.main(arguments, prog_name="cryptomapd")


def bear(request: bytes, descriptors: list[int]) -> None:
    """In a process between: start the server, and tell what becomes of it."""
    output, log, status = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.dup2(output, 1)
        os.dup2(log, 2)
        for number in descriptors:
            os.close(number)
        try:
            serve(*json.loads(request))
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(output)
    os.close(log)
    os.write(status, b"%d\n" % pid)
    _, how = os.waitpid(pid, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(how))


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    schema.load_cached = _load_cached  # type: ignore[assignment, attr-defined]
    checkpoints.MINIMUM_WEIGHT, checkpoints.SHARE = 2048, 0
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not request:
            return
        if os.fork() == 0:
            try:
                control.close()
                bear(request, descriptors)
            finally:
                os._exit(0)
        for number in descriptors:
            os.close(number)


if __name__ == "__main__":
    main()
