"""The server that the tests of bad input share in each file, and what must be as it was after each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.bad_input import MESSAGE_SIZE
from support.server import SAMPLES, Daemon
from support.wire import Wire, session
from support.world import Gatekeeper, WorldProcess


@pytest.fixture(scope="module")
def keeper(world: WorldProcess) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(world)
    yield keeper
    keeper.close()


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], keeper: Gatekeeper) -> Daemon:
    """With the seed's configuration, and a limit on messages that a test can reach."""
    limits = f"[limits]\nmessage-size = {MESSAGE_SIZE}\nhello-timeout = 2\nslow-reader-timeout = 2\n"
    return make_daemon(
        settings=f"{limits}{keeper.settings}",
        options=["--startup", str(SAMPLES / "seed.xml")],
    ).start()


@dataclass(frozen=True)
class Everything:
    """All that must not change."""

    running: str
    candidate: str
    programmed: object
    sas: object

    @classmethod
    async def of(cls, server: Daemon, world: WorldProcess) -> Everything:
        """Seen by a session of its own, which shows that the server goes on. A request that passes the writer's thread
        comes first, so that whatever was begun has ended."""
        async with session(server) as wire:
            await wire.rpc("<validate><source><running/></source></validate>")
            running, candidate = await wire.get_config(), await wire.get_config("candidate")
        return cls(running, candidate, await asyncio.to_thread(world.remote.held), await asyncio.to_thread(world.spis))


@pytest_asyncio.fixture(autouse=True)
async def _nothing_changes(server: Daemon, world: WorldProcess) -> AsyncIterator[None]:
    async with session(server) as wire:
        await wire.do("<discard-changes/>")  # so that the failure of one test is not that of all others
    before = await Everything.of(server, world)
    assert before.running == before.candidate
    assert before.sas
    yield
    assert await Everything.of(server, world) == before
    assert "Traceback" not in server.log.read_text()


@pytest_asyncio.fixture
async def wire(server: Daemon) -> AsyncIterator[Wire]:
    async with session(server) as wire:
        yield wire
