"""The steps over a real SSH session on loopback, with the server in a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from ncclient import manager

from bench.report import Figure, Report, milliseconds, processor_time, resident, timed
from bench.steps import Place, Steps
from bench.workload import OURS, Workload

sys.path.insert(0, str(Path(__file__).parents[1] / "samples"))
from local_server import LocalServer, local_server


def measure(
    report: Report,
    count: int,
    directory: Path,
    where: str = "ssh",
    workload: Workload = OURS,
    more: tuple[str, ...] = (),
    repeat: int = 30,
) -> None:
    """All steps at one size, then a restart with the configuration on disk. ``more`` goes to the command line."""
    with local_server(directory, *more) as server:
        asyncio.run(Steps(report, _place(where, server), workload, count, repeat).measure())
        if where == "ssh":
            report.add(Figure("one map by key, with ncclient", count, where, "ms", _ncclient(server, count)))
    begun = time.perf_counter()
    with local_server(directory, *more) as server:
        took, cpu = time.perf_counter() - begun, processor_time(server.process.pid)
        report.add(Figure("start to ready, configuration on disk", count, where, "s", [took], cpu=cpu))
        now, _ = resident(server.process.pid)
        report.add(Figure("resident memory after the restart", count, where, "MB", [now]))


def _place(where: str, server: LocalServer) -> Place:
    return Place(where, server.host, server.port, server.user, server.key, server.process.pid)


def _ncclient(server: LocalServer, count: int) -> list[float]:
    with manager.connect(
        host=server.host,
        port=server.port,
        username=server.user,
        key_filename=str(server.key),
        hostkey_verify=False,
        allow_agent=False,
        look_for_keys=False,
    ) as session:
        wanted = ("subtree", OURS.one_map(count // 2))
        return milliseconds(timed(lambda: session.get_config("running", filter=wanted), 50))
