"""The steps over a real SSH session on loopback, with the server in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path

from bench import workload
from bench.rawclient import RawClient, Reply
from bench.report import Figure, Report, resident

sys.path.insert(0, str(Path(__file__).parents[1] / "samples"))
from local_server import LocalServer, local_server


def measure(report: Report, count: int, directory: Path, repeat: int = 30) -> None:
    """All steps at one size, then a restart with the configuration on disk."""
    with local_server(directory) as server:
        asyncio.run(_measure(report, count, server, repeat))
    begun = time.perf_counter()
    with local_server(directory) as server:
        report.add(Figure("start to ready, configuration on disk", count, "ssh", "s", [time.perf_counter() - begun]))
        now, _ = resident(server.process.pid)
        report.add(Figure("resident memory after the restart", count, "ssh", "MB", [now]))


async def _measure(report: Report, count: int, server: LocalServer, repeat: int) -> None:
    client = await RawClient.connect(server.host, server.port, server.user, server.key)

    def add(step: str, replies: list[float], unit: str = "ms", note: str = "") -> None:
        report.add(Figure(step, count, "ssh", unit, replies, note))

    edit = _edit(workload.whole(count))
    loading, committing = await client.ok(edit), await client.ok("<commit/>")
    note = f"edit {loading.seconds:.2f} s, commit {committing.seconds:.2f} s"
    add("bulk load, one edit-config + commit", [loading.seconds + committing.seconds], "s", note)
    values, numbers = itertools.cycle(range(1, 64)), itertools.count(count)
    add(
        "edit one DSCP leaf + commit",
        [await _commit(client, workload.one_leaf(count // 2, next(values))) for _ in range(repeat)],
    )
    add(
        "add one bundle + commit",
        [await _commit(client, workload.config([workload.bundle(next(numbers))])) for _ in range(repeat)],
    )
    for step, text in (
        ("refused: dangling reference", workload.dangling(count // 2)),
        ("refused: must across lists", workload.shared_rule(count // 2)),
    ):
        add(step, [await _refusal(client, text) for _ in range(repeat)])
    for step, operation in (
        ("validate, nothing changed", "<validate><source><candidate/></source></validate>"),
        ("commit, nothing changed", "<commit/>"),
        ("discard, nothing changed", "<discard-changes/>"),
    ):
        add(step, [(await client.ok(operation)).seconds * 1000 for _ in range(repeat)])
    cold, *warm = [await client.ok("<get-config><source><running/></source></get-config>") for _ in range(4)]
    add("full get-config, cold", [cold.size / cold.seconds / 1e6], "MB/s", f"{cold.size / 1e6:.1f} MB")
    add("full get-config, warm", [reply.size / reply.seconds / 1e6 for reply in warm], "MB/s")
    add("full get-config, first byte", [reply.first * 1000 for reply in (cold, *warm)])
    one = _one_map(count // 2)
    add("one map by key", [reply.seconds * 1000 for reply in [await client.ok(one) for _ in range(200)]])
    add("small reads, one session", [await _reads(server, count, 1)], "1/s")
    add("small reads, eight sessions", [await _reads(server, count, 8)], "1/s")
    now, peak = resident(server.process.pid)
    add("resident memory, peak beside it", [now], "MB", f"peak {peak:.0f} MB")
    await client.close()


def _edit(config: str) -> str:
    return f"<edit-config><target><candidate/></target>{config}</edit-config>"


async def _commit(client: RawClient, config: str) -> float:
    edited, committed = await client.ok(_edit(config)), await client.ok("<commit/>")
    return (edited.seconds + committed.seconds) * 1000


async def _refusal(client: RawClient, config: str) -> float:
    edited: Reply = await client.ok(_edit(config))
    refused = await client.rpc("<commit/>")
    if not refused.is_error:
        raise SystemExit("a commit that must be refused was accepted")
    await client.ok("<discard-changes/>")
    return (edited.seconds + refused.seconds) * 1000


def _one_map(number: int) -> str:
    wanted = f'<crypto-map xmlns="{workload.IPS}"><name>b{number:06}</name></crypto-map>'
    return (
        f'<get-config><source><running/></source><filter><contexts xmlns="{workload.CTX}"><context><name>bench</name>'
        f"{wanted}</context></contexts></filter></get-config>"
    )


async def _reads(server: LocalServer, count: int, sessions: int, seconds: float = 2.0) -> float:
    """Reads of one map per second, by so many sessions at once."""
    clients = [await RawClient.connect(server.host, server.port, server.user, server.key) for _ in range(sessions)]
    end = time.perf_counter() + seconds

    async def read(client: RawClient) -> int:
        done = 0
        while time.perf_counter() < end:
            await client.ok(_one_map((done * 7919) % count))
            done += 1
        return done

    total = sum(await asyncio.gather(*[read(client) for client in clients]))
    for client in clients:
        await client.close()
    return total / seconds
