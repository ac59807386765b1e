"""What the clients of a soak do, each over and over until it is told to stop.

An error that a client does not expect, and a connection that ends without being asked to, is a fault of the server.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.workload import CTX, IPS, bundle, config

from support.server import Daemon
from support.victim import LOST
from support.wire import Wire, errors, session

SUBSCRIBE = '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>'
ONE_MAP = (
    f'<get><filter><contexts xmlns="{CTX}"><context><name>bench</name><crypto-map xmlns="{IPS}"><name>%s</name>'
    "</crypto-map></context></contexts></filter></get>"
)
EVERYTHING = "<get/>"
ALL_MAPS = (
    f'<get-config><source><running/></source><filter type="xpath" xmlns:i="{IPS}" '
    """select="//i:crypto-map[i:name='b000001']"/></get-config>"""
)
"""Looks at every node there is."""
CONFIGURATION = "<get-config><source><running/></source></get-config>"
RARELY = 10
LOGINS = 8  # at the same time, what the server takes from one address
SLICE = 250  # bundles in one edit-config: what a client sends in one message


@dataclass
class Ledger:
    """What happened: operations by name, refusals that were to be expected, and latencies of ``get`` in seconds, apart
    for those that were asked while the large commit ran."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    committing: bool = False


@dataclass
class Load:
    """A server under load. ``pause``: mean seconds between two requests of a client; ``maps``: how large the large
    commit is."""

    daemon: Daemon
    maps: int
    pause: float
    chance: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    logins: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOGINS))

    async def rest(self, times: float = 1.0) -> None:
        """A pause, or a long one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.chance.expovariate(1 / (times * self.pause))):
                await self.stopped.wait()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Wire]:
        """A session, begun when there is room before the door."""
        async with AsyncExitStack() as opened:
            async with self.logins:
                wire = await opened.enter_async_context(session(self.daemon))
            yield wire

    async def guarded(self, client: Coroutine[Any, Any, None]) -> None:
        """A client, whose end before its time is a fault."""
        try:
            await client
        except (*LOST, AssertionError, TimeoutError) as fault:
            name = client.__name__
            self.ledger.faults.append(f"{name}: {type(fault).__name__}: {str(fault)[:500]}")

    async def repeat(self, name: str, act: Callable[[Wire], Awaitable[None]]) -> None:
        async with self.session() as wire:
            while not self.stopped.is_set():
                await act(wire)
                self.ledger.done[name] += 1
                await self.rest()

    # ===== the clients =====

    async def reader(self) -> None:
        await self.repeat("get", self._get)

    async def _get(self, wire: Wire) -> None:
        during, begun = self.ledger.committing, time.monotonic()
        reply = await wire.rpc(ONE_MAP % f"b{self.chance.randrange(self.maps):06}")
        assert reply.startswith("<data "), reply
        during = during and self.ledger.committing  # it ran all the while
        (self.ledger.during if during else self.ledger.calm).append(time.monotonic() - begun)

    async def searcher(self) -> None:
        await self.repeat("search", self._search)

    async def _search(self, wire: Wire) -> None:
        reply = await wire.rpc(ALL_MAPS)
        assert reply.startswith("<data "), reply
        await self.rest(RARELY)

    async def editor(self, number: int) -> None:
        await self.repeat("commit", lambda wire: self._edit(wire, number))

    async def _edit(self, wire: Wire, number: int) -> None:
        """A commit under a lock, as well-behaved managers make it; somebody else may hold it."""
        if not await self._accepted(wire, "<lock><target><candidate/></target></lock>", "lock-denied"):
            return
        dscp = self.chance.randrange(64)
        own = f'<ipsec-transform-set xmlns="{IPS}"><name>own{number}</name><dscp>{dscp}</dscp></ipsec-transform-set>'
        assert await wire.edit(config([own])) == "<ok/>"
        await self._accepted(wire, "<commit/>", "in-use")
        await wire.do("<unlock><target><candidate/></target></unlock>")

    async def _accepted(self, wire: Wire, operation: str, expected: str) -> bool:
        reply = await wire.rpc(operation)
        if reply == "<ok/>":
            return True
        tags = {error.tag for error in errors(reply)}
        assert tags == {expected}, reply
        self.ledger.refused[expected] += 1
        return False

    async def subscriber(self) -> None:
        async with self.session() as wire:
            await wire.do(SUBSCRIBE)
            stopping = asyncio.create_task(self.stopped.wait())
            while not self.stopped.is_set():
                message = asyncio.create_task(wire.receive())
                await asyncio.wait([message, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not message.done():
                    message.cancel()
                    break
                assert "<notification" in message.result()
                self.ledger.done["notification"] += 1

    async def slow_reader(self) -> None:
        """Asks for much and does not read it: it must be dropped, and nobody else must notice."""
        while not self.stopped.is_set():
            with suppress(*LOST):
                async with self.session() as wire:
                    for _ in range(5):
                        await wire.ask(EVERYTHING)
                    wire.pause()
                    await self.rest(RARELY)
                    self.ledger.done["slow reader"] += 1
                    wire.drop()

    async def killed(self) -> None:
        """Ends without a word while something of it is going on."""
        while not self.stopped.is_set():
            with suppress(*LOST):
                async with self.session() as wire:
                    await wire.ask(self.chance.choice([CONFIGURATION, EVERYTHING]))
                    wire.drop()
                    self.ledger.done["killed client"] += 1
            await self.rest(RARELY)

    # ===== the large commit =====

    async def large_commits(self, until: float) -> None:
        """At least one, and on until that time (monotonic) has come."""
        async with self.session() as wire:
            await self._grow_and_shrink(wire)
            while time.monotonic() < until:
                await self._grow_and_shrink(wire)

    async def _grow_and_shrink(self, wire: Wire) -> None:
        """One commit of all maps, and one that deletes them."""
        gone = 'nc:operation="delete"'
        await self._large(wire, [bundle(number) for number in range(self.maps)])
        names = [f"b{number:06}" for number in range(self.maps)]
        await self._large(
            wire,
            [
                f"<interface {gone}><name>if-{name}</name></interface>"
                f'<access-list xmlns="urn:cryptomap:yang:cryptomap-acl" {gone}><name>{name}</name></access-list>'
                f'<ipsec-transform-set xmlns="{IPS}" {gone}><name>{name}</name></ipsec-transform-set>'
                f'<crypto-map xmlns="{IPS}" {gone}><name>{name}</name></crypto-map>'
                for name in names
            ],
        )

    async def _large(self, wire: Wire, parts: list[str]) -> None:
        while not await self._accepted(wire, "<lock><target><candidate/></target></lock>", "lock-denied"):
            await self.rest()
        for start in range(0, len(parts), SLICE):
            assert await wire.edit(config(parts[start : start + SLICE])) == "<ok/>"
        begun = time.monotonic()
        self.ledger.committing = True
        await wire.do("<commit/>")
        self.ledger.committing = False
        self.ledger.commits.append(time.monotonic() - begun)
        await wire.do("<unlock><target><candidate/></target></unlock>")
