"""A server under the load of many clients of all kinds, for minutes or for a moment.

``CRYPTOMAP_SOAK_MINUTES`` (``make soak MINUTES=30``) says how long: then there are 200 sessions, and commits of 10,000
crypto maps (``CRYPTOMAP_SOAK_MAPS`` and ``CRYPTOMAP_SOAK_PAUSE`` say otherwise on a slow machine). Without it there are
20, and two small rounds. Either way: no error that is not expected, and when all clients have gone, no more file
handles and no more memory than after the first round.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bench.workload import IKE_SET, config

from soak.load import Load
from support.server import PATIENCE, Daemon
from support.watched import SHARES
from support.wire import session

MINUTES = float(os.environ.get("CRYPTOMAP_SOAK_MINUTES", "0"))
SESSIONS, MAPS, PAUSE = (200, 10_000, 5.0) if MINUTES else (20, 100, 0.05)
MAPS = int(os.environ.get("CRYPTOMAP_SOAK_MAPS", MAPS))
PAUSE = float(os.environ.get("CRYPTOMAP_SOAK_PAUSE", PAUSE))  # mean seconds between two requests of a client
ROUNDS = 2
MORE_MEMORY = 1.25, 32 << 20  # times and bytes: what fragmentation and caches may add after the first round
SPARE = 3
"""Handles of one database that say nothing: SQLite keeps that of a connection that ends beside another."""
BLOCKED = 50.0
"""Milliseconds for which the event loop may be blocked in 999 of 1,000 cases; asked only by ``make soak``, which has
the machine to itself."""
LIMITS = """
[limits]
sessions = 400
sessions-per-user = 0
sessions-per-address = 0
slow-reader-timeout = 5
"""
WATCHED = Path(__file__).parents[1] / "support" / "watched.py"


class Health:
    """What the operating system says of a process."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc", str(pid))

    def handles(self) -> Counter[str]:
        """How many there are of each file, and of sockets; few of a database count as one, and so do the files that
        follow each other in the audit log."""
        found: Counter[str] = Counter()
        for handle in (self._proc / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed since the directory was read
                file = re.sub(r"/audit-\d+\.log$", "/audit.log", str(handle.readlink()))
                found["socket" if file.startswith("socket:") else file] += 1
        return Counter({name: 1 if ".sqlite" in name and count <= SPARE else count for name, count in found.items()})

    def memory(self) -> int:
        """Resident bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", (self._proc / "status").read_text())
        assert found
        return int(found[1]) * 1024

    def seconds(self) -> float:
        """Of computing."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def seen(daemon: Daemon) -> dict[str, Any]:
    """What the watch of the event loop has seen since the last time."""
    reading = asyncio.create_task(asyncio.to_thread((daemon.directory / "watch").read_text))
    os.kill(daemon.pid, signal.SIGUSR1)
    found: dict[str, Any] = json.loads(await reading)
    return found


async def quiet(daemon: Daemon, handles: Counter[str]) -> None:
    """Until all but this test's own session have ended: the server has let go of their sockets."""
    health = Health(daemon.pid)
    try:
        async with asyncio.timeout(PATIENCE):
            while not health.handles() <= handles:  # noqa: ASYNC110 - nothing tells when another process closes a file
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"still open: {health.handles() - handles}") from None


def said(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds) or [0.0]
    shares = [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in SHARES.values()]
    figures = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in zip(SHARES, shares, strict=True))
    return f"{name}: {len(seconds)} times, {figures}"


@pytest.fixture
def watched(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    monkeypatch.setattr("support.wire.PATIENCE", 1800.0)  # how long is measured, and not what this test is about
    os.mkfifo(daemon.directory / "watch")
    monkeypatch.setenv("WATCH_PIPE", str(daemon.directory / "watch"))
    daemon.settings = LIMITS
    daemon.program = [str(WATCHED)]
    return daemon.start()


async def one_round(load: Load, until: float) -> None:
    """All clients, and the large commits, until that time has come and at least one of them is done."""
    load.stopped.clear()
    share = SESSIONS // 10
    clients = [load.reader() for _ in range(SESSIONS - 5 * share - 2)]
    clients += [load.searcher()]
    clients += [load.editor(number) for number in range(2 * share)]
    clients += [client() for client in (load.subscriber, load.slow_reader, load.killed) for _ in range(share)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(load.guarded(client))
        await load.guarded(load.large_commits(until))
        load.stopped.set()


@pytest.mark.timeout(0)
async def test_soak(watched: Daemon) -> None:
    health = Health(watched.pid)
    load = Load(watched, MAPS, PAUSE, random.Random(2026))
    async with session(watched) as wire:
        own = "".join(
            f'<ipsec-transform-set xmlns="urn:cryptomap:yang:cryptomap-ipsec"><name>own{n}</name></ipsec-transform-set>'
            for n in range(SESSIONS)
        )
        assert await wire.edit(config([own], IKE_SET)) == "<ok/>"
        await wire.do("<commit/>")
    handles, memory, lines = health.handles(), [health.memory()], []
    blocked: list[float] = []
    begun, end = time.monotonic(), time.monotonic() + 60 * MINUTES
    for number in range(ROUNDS):
        await seen(watched)
        await one_round(load, begun + (end - begun) * (number + 1) / ROUNDS)
        watch = await seen(watched)
        lines += watch.pop("stacks")
        blocked.append(watch["blocked"]["p99.9"])
        lines += [f"round {number + 1}: {name} {figures} ms" for name, figures in watch.items()]
        await quiet(watched, handles)
        memory.append(health.memory())
    ledger = load.ledger
    lines += [
        f"{time.monotonic() - begun:.0f} s with {SESSIONS} sessions and {MAPS} maps, {health.seconds():.0f} s of CPU",
        f"done {dict(ledger.done)}, refused {dict(ledger.refused)}",
        said("get", ledger.calm),
        said("get while the large commit runs", ledger.during),
        said("large commit", ledger.commits),
        f"memory {[size >> 20 for size in memory]} MiB, handles {handles.total()}, then {health.handles().total()}",
    ]
    print("\n".join(lines))
    assert ledger.faults == []
    assert {"get", "commit", "notification", "slow reader", "killed client", "search"} <= ledger.done.keys()
    assert memory[-1] <= MORE_MEMORY[0] * memory[1] + MORE_MEMORY[1]
    assert health.handles() <= handles
    assert watched.stop() == 0
    assert "failed by a bug" not in watched.log.read_text()
    assert "Traceback" not in watched.log.read_text()
    if MINUTES:
        assert max(blocked) <= BLOCKED, blocked
