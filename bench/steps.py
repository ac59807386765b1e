"""The steps of the benchmark as a NETCONF client takes them, the same for every server."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.rawclient import RawClient, Refused
from bench.report import Figure, Report, processor_time, resident, settle
from bench.workload import Workload

PATIENCE = 600.0  # seconds; a peer that takes longer for one reply has its figure


@dataclass(frozen=True)
class Place:
    """A server that listens for SSH on loopback; ``pid`` is the process that holds the configuration."""

    where: str
    host: str
    port: int
    user: str
    key: Path
    pid: int

    async def connect(self) -> RawClient:
        return await RawClient.connect(self.host, self.port, self.user, self.key)


class Steps:
    """One server under one workload at one size. What it cannot do is reported as that, and the rest goes on."""

    def __init__(self, report: Report, place: Place, workload: Workload, count: int, repeat: int) -> None:
        self._report = report
        self._place = place
        self._workload = workload
        self._count = count
        self._repeat = repeat

    async def measure(self) -> None:
        self._client = await self._place.connect()
        self._client.deadline = PATIENCE
        try:
            await self._load()
            await self._commits()
            await self._reads()
            await self._small_reads()
        except TimeoutError:
            self._add("the steps that follow", "", [], f"did not answer within {PATIENCE:.0f} s")
        finally:
            self._resident("resident memory, XML cache warm")
            await self._client.abandon()

    def _add(self, step: str, unit: str, runs: list[float], note: str = "", cpu: float | None = None) -> None:
        self._report.add(Figure(step, self._count, self._place.where, unit, runs, note, cpu))

    def _resident(self, step: str) -> None:
        now, peak = resident(self._place.pid)
        self._add(step, "MB", [now], f"peak {peak:.0f} MB")

    async def _repeated(self, step: str, unit: str, run: Callable[[], Awaitable[float]], repeat: int = 0) -> None:
        runs: list[float] = []
        note = ""
        begun = processor_time(self._place.pid)
        try:
            for _ in range(repeat or self._repeat):
                runs.append(await run())
        except Refused as fault:
            note = f"cannot: {str(fault)[:300]}"
        except TimeoutError:
            self._add(step, unit, [], f"did not answer within {PATIENCE:.0f} s")
            raise
        taken = (processor_time(self._place.pid) - begun) * (1000 if unit == "ms" else 1)
        self._add(step, unit, runs, note, taken / len(runs) if runs else None)

    async def _load(self) -> None:
        whole = _edit(self._workload.whole(self._count))

        async def load() -> float:
            edited, committed = await self._client.ok(whole), await self._client.ok("<commit/>")
            return edited.seconds + committed.seconds

        await self._repeated("bulk load, one edit-config + commit", "s", load, 1)
        await asyncio.to_thread(settle, self._place.pid)
        self._resident("resident memory")

    async def _commits(self) -> None:
        workload, some = self._workload, self._count // 2
        values, numbers = itertools.cycle(range(1, 64)), itertools.count(self._count)
        await self._repeated(
            "edit one DSCP leaf + commit", "ms", lambda: self._commit(workload.one_leaf(some, next(values)))
        )
        await self._repeated("add one bundle + commit", "ms", lambda: self._commit(workload.add(next(numbers))))
        await self._repeated("refused: dangling reference", "ms", lambda: self._refusal(workload.dangling(some)))
        await self._repeated("refused: must across lists", "ms", lambda: self._refusal(workload.shared_rule(some)))
        for step, operation in (
            ("validate, nothing changed", "<validate><source><candidate/></source></validate>"),
            ("commit, nothing changed", "<commit/>"),
            ("discard, nothing changed", "<discard-changes/>"),
        ):
            await self._repeated(step, "ms", lambda operation=operation: self._one(operation))  # type: ignore[misc]

    async def _reads(self) -> None:
        cold, *warm = [await self._client.ok("<get-config><source><running/></source></get-config>") for _ in range(4)]
        self._add("full get-config, cold", "MB/s", [cold.size / cold.seconds / 1e6], f"{cold.size / 1e6:.1f} MB")
        self._add("full get-config, warm", "MB/s", [reply.size / reply.seconds / 1e6 for reply in warm])
        self._add("full get-config, first byte", "ms", [reply.first * 1000 for reply in (cold, *warm)])
        await self._repeated("one map by key", "ms", lambda: self._one(self._get(self._count // 2)), 200)

    async def _small_reads(self) -> None:
        for name, sessions in (("one session", 1), ("eight sessions", 8)):
            self._add(f"small reads, {name}", "1/s", [await self._rate(sessions)])

    async def _one(self, operation: str) -> float:
        return (await self._client.ok(operation)).seconds * 1000

    async def _commit(self, config: str) -> float:
        edited, committed = await self._client.ok(_edit(config)), await self._client.ok("<commit/>")
        return (edited.seconds + committed.seconds) * 1000

    async def _refusal(self, config: str) -> float:
        """Some servers refuse the edit already, others the commit."""
        answer = await self._client.rpc(_edit(config))
        seconds = answer.seconds
        if not answer.is_error:
            answer = await self._client.rpc("<commit/>")
            seconds += answer.seconds
        if not answer.is_error:
            raise Refused("it accepted what breaks its module")
        await self._client.ok("<discard-changes/>")
        return seconds * 1000

    def _get(self, number: int) -> str:
        wanted = self._workload.one_map(number)
        return f"<get-config><source><running/></source><filter>{wanted}</filter></get-config>"

    async def _rate(self, sessions: int, seconds: float = 2.0) -> float:
        """Reads of one map per second, by so many sessions at once."""
        clients = [await self._place.connect() for _ in range(sessions)]
        begun = time.perf_counter()

        async def read(client: RawClient) -> int:
            done = 0
            while time.perf_counter() < begun + seconds:
                await client.ok(self._get((done * 7919) % self._count))
                done += 1
            return done

        total = sum(await asyncio.gather(*[read(client) for client in clients]))
        taken = time.perf_counter() - begun
        for client in clients:
            await client.close()
        return total / taken


def _edit(config: str) -> str:
    return f"<edit-config><target><candidate/></target>{config}</edit-config>"
