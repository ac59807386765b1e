"""``kill -9`` at every step there is, and anywhere under load, with the startup datastore and without.

Each life of the server is a tour of everything that changes what it keeps: commits, confirmed commits that are
confirmed, cancelled and not confirmed in time, changes the gateway or the disk refuses, and with a startup datastore
copies to it. In each it is killed: once at every step that ``datastore.steps`` registers, and then at any step or
between a request and its reply, while other sessions read. A step that nothing reaches fails the test.

After each restart what was answered is there and what was in flight is there wholly or not at all; what was never
committed is absent; the world is what running asks for; tunnels that no commit touched kept their SAs.

``CRYPTOMAP_CRASH_KILLS`` says how many lives, ``CRYPTOMAP_CRASH_SEED`` draws other ones (``make crash``).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pytest

from cryptomap.datastore.steps import Deed, Step, registered
from cryptomap_backend.simulator.faults import Faults
from support.nursery import Nursery
from support.oracle import Moment, There, assert_untouched_tunnels_stayed, assert_world_is
from support.random_commits import Model, any_commit, first
from support.server import Daemon
from support.victim import LOST
from support.wire import BASE, Wire, errors, session
from support.world import WorldProcess

KILLS = int(os.environ.get("CRYPTOMAP_CRASH_KILLS", "50"))
SEED = int(os.environ.get("CRYPTOMAP_CRASH_SEED", "2026"))
BEFORE = (Step.BEGUN, Step.VALIDATED, Step.CHECKED, Step.INSERTED, Step.NOTED, Deed.APPLIED.by("backend"))
"""Killed here, what was being committed is absent, and here, it is present."""
AFTER = (Deed.APPLIED.by("journal"), Step.PUBLISHED, Step.ARMED, Step.CONFIRMED, Step.REVERTED)
BETWEEN = "between request and reply"
NOTHING = Moment(f'<data xmlns="{BASE}"></data>', Model())
TIMEOUT_STEPS = (Step.REVERTING, Step.INSERTED, Deed.APPLIED.by("backend"), Deed.APPLIED.by("journal"), Step.REVERTED)


@dataclass(frozen=True)
class Kill:
    """At the ``count``-th time of a step ("any": of all steps together), or, without one, between the ``count``-th
    request of a tour and its reply. ``begin``: the part of the tour that comes first."""

    step: str = ""
    count: int = 1
    begin: str = ""

    @property
    def environment(self) -> str:
        return f"{self.step or 'never'}:{self.count}"


@dataclass(frozen=True)
class Kept:
    """What a restart must find. ``original``: what a waiting confirmed commit returns to; ``token``: what confirms it
    also after a restart."""

    running: Moment
    startup: Moment | None = None
    original: Moment | None = None
    token: str = ""

    @property
    def shown(self) -> tuple[str, str]:
        """running and startup as they are read."""
        return self.running.running, (self.startup or NOTHING).running

    @property
    def after_boot(self) -> Kept:
        """A startup datastore takes the place of everything else; only a token lets a confirmed commit go on."""
        if self.startup:
            return Kept(self.startup, self.startup)
        return Kept(self.original) if self.original and not self.token else self


def schedule(chance: random.Random) -> Iterator[tuple[bool, Kill]]:
    """(whether there is a startup datastore, what kills the server), as many as are wanted."""
    steps = registered(["backend"], "journal")
    known = [(startup, Kill(step)) for number, step in enumerate(steps) for startup in [number % 2 == 0]]
    known += [(False, Kill(step, begin="not_confirmed")) for step in TIMEOUT_STEPS]
    chance.shuffle(known)
    yield from known
    while True:
        yield chance.random() < 0.5, Kill("any", chance.randint(1, 60))
        yield chance.random() < 0.5, Kill("", chance.randint(1, 10))
        yield chance.random() < 0.5, replace(chance.choice(known)[1], count=chance.choice([1, 1, 2]))


@dataclass
class Site:
    """One state directory, its world, and what must be there: one of ``possible``. ``attempted`` are the moments since
    ``was``, committed or not."""

    daemon: Daemon
    world: WorldProcess
    has_startup: bool
    possible: list[Kept] = field(default_factory=lambda: [Kept(NOTHING)])
    attempted: list[Moment] = field(default_factory=lambda: [NOTHING])
    was: There | None = None
    died: list[tuple[Kill, str]] = field(default_factory=list)

    @property
    def fail_file(self) -> Path:
        return self.daemon.directory / "fail"

    @property
    def kept(self) -> Kept:
        [kept] = self.possible
        return kept

    @kept.setter
    def kept(self, kept: Kept) -> None:
        self.possible = [kept]

    def fail_next(self, statement: str) -> None:
        """The next statement of the journal that begins so fails. Whenever the server looks, it sees all or nothing."""
        written = self.fail_file.with_suffix(".new")
        written.write_text(statement)
        written.replace(self.fail_file)

    def launch(self, kill: Kill) -> None:
        self.fail_file.unlink(missing_ok=True)
        self.world.remote.set_faults(Faults())
        self.daemon.launch(environment={"CRASH_AT": kill.environment, "CRASH_FAIL": str(self.fail_file)})

    def begin(self, *moments: Moment) -> None:
        """Something is about to change."""
        self.was = There.of(self.world)
        self.attempted = [self.kept.running, *moments]

    def decide(self, kill: Kill) -> None:
        """What a death at that step leaves no doubt about."""
        if kill.count == 1 and kill.step in BEFORE:
            self.possible = self.possible[:1]
        elif kill.count == 1 and kill.step in AFTER:
            self.possible = self.possible[-1:]

    async def look(self, wire: Wire) -> None:
        """After a restart: what is there, and whether it is what must be."""
        running, candidate = await wire.get_config(), await wire.get_config("candidate")
        startup = await wire.get_config("startup") if self.has_startup else NOTHING.running
        assert candidate == running
        expected = [kept.after_boot for kept in self.possible]
        found = [
            kept for kept in expected if (kept.running.running, (kept.startup or NOTHING).running) == (running, startup)
        ]
        assert found, (self.died[-3:], running, startup, expected)
        self.kept = found[0]
        there = assert_world_is(self.daemon, self.world, self.kept.running)
        if self.was is not None:
            moments = [*self.attempted, self.kept.running]
            assert_untouched_tunnels_stayed(self.daemon, self.was, moments, there)


class Tour:
    """One life of a server."""

    def __init__(self, site: Site, kill: Kill, chance: random.Random) -> None:
        self.site = site
        self.kill = kill
        self.chance = chance
        self.requests = 0

    async def run(self) -> bool:
        """Until the server is dead, or all has been done: whether it died."""
        with suppress(*LOST):
            async with session(self.site.daemon) as wire:
                await self.site.look(wire)
                async with reading(self.site.daemon):
                    for part in self._parts():
                        await part(wire)
                return False
        return True

    def _parts(self) -> list[Callable[[Wire], Awaitable[None]]]:
        parts = [self.commits, self.commits, self.confirmed, self.cancelled, self.refused, self.fails, self.not_begun]
        if self.site.has_startup:
            parts.append(self.copied)
        self.chance.shuffle(parts)
        if self.kill.begin:
            parts.insert(0, getattr(self, self.kill.begin))
        if self.site.kept.running == NOTHING:
            parts.insert(0, self.begins)
        if self.site.kept.token:
            parts.insert(0, self.cancels)
        return parts

    # ===== the parts =====

    async def begins(self, wire: Wire) -> None:
        await self._commit(wire, *first())

    async def commits(self, wire: Wire) -> None:
        await self._commit(wire, *any_commit(self.chance, self.site.kept.running.model))

    async def confirmed(self, wire: Wire) -> None:
        """A confirmed commit and its confirmation."""
        await self._commit(wire, *self._sure_commit(), "<confirmed/>")
        await self._do(wire, "<commit/>", replace(self.site.kept, original=None))

    async def cancelled(self, wire: Wire) -> None:
        """A confirmed commit that survives the server, cancelled."""
        await self._commit(wire, *self._sure_commit(), "<confirmed/>", token=f"token {self.chance.random()}")
        await self.cancels(wire)

    async def cancels(self, wire: Wire) -> None:
        kept = self.site.kept
        assert kept.original
        cancel = f"<cancel-commit><persist-id>{kept.token}</persist-id></cancel-commit>"
        await self._do(wire, cancel, Kept(kept.original, kept.startup))

    async def not_confirmed(self, wire: Wire) -> None:
        """A confirmed commit whose time runs out."""
        async with session(self.site.daemon) as listener:
            await listener.do('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
            await self._commit(wire, *self._sure_commit(), "<confirmed/><confirm-timeout>1</confirm-timeout>")
            kept = self.site.kept
            assert kept.original
            self.site.begin()
            after = Kept(kept.original, kept.startup)
            self.site.possible = [kept, after]
            while not ("netconf-confirmed-commit" in (said := await listener.receive()) and ">timeout<" in said):
                pass
        self.site.kept = after

    async def refused(self, wire: Wire) -> None:
        """The gateway fails at the first step of its plan."""
        self.site.world.remote.set_faults(Faults(fail_step=0, times=1))
        await self._refused(wire, "simulated failure in step 0")

    async def fails(self, wire: Wire) -> None:
        """The disk fails at the COMMIT: the gateway is brought back, what may be in the log is overwritten."""
        await self._refused(wire, "the journal cannot store the change", "COMMIT")

    async def not_begun(self, wire: Wire) -> None:
        """The disk fails before that."""
        await self._refused(wire, "the journal cannot store the change", "INSERT INTO commits")

    async def copied(self, wire: Wire) -> None:
        """running becomes startup."""
        copy = "<copy-config><target><startup/></target><source><running/></source></copy-config>"
        await self._do(wire, copy, replace(self.site.kept, startup=self.site.kept.running))

    # ===== requests =====

    def _sure_commit(self) -> tuple[list[str], Model]:
        """A commit that certainly changes something, for the gateway too."""
        model = self.site.kept.running.model
        while True:
            edits, after = any_commit(self.chance, model)
            if after.maps != model.maps:
                return edits, after

    async def _commit(self, wire: Wire, edits: list[str], model: Model, more: str = "", *, token: str = "") -> None:
        kept = self.site.kept
        moment = Moment(await self._edited(wire, edits), model)
        original = kept.running if more else None
        persist = f"<persist>{token}</persist>" if token else ""
        await self._do(wire, f"<commit>{more}{persist}</commit>", Kept(moment, kept.startup, original, token))

    async def _do(self, wire: Wire, operation: str, after: Kept) -> None:
        """What must be answered ``<ok/>``, and what is there then."""
        self.site.begin(after.running)
        self.site.possible = [self.site.kept, after]
        reply = await self._rpc(wire, operation)
        assert reply == "<ok/>", reply
        self.site.kept = after

    async def _refused(self, wire: Wire, reason: str, statement: str = "") -> None:
        """A commit that comes to nothing."""
        edits, model = self._sure_commit()
        self.site.begin(Moment(await self._edited(wire, edits), model))
        if statement:
            self.site.fail_next(statement)
        [error] = errors(await self._rpc(wire, "<commit/>"))
        assert reason in error.message, error
        await wire.do("<discard-changes/>")

    async def _edited(self, wire: Wire, edits: list[str]) -> str:
        """The candidate, edited."""
        for edit in edits:
            assert await wire.edit(edit) == "<ok/>"
        return await wire.get_config("candidate")

    async def _rpc(self, wire: Wire, operation: str) -> str:
        self.requests += 1
        if not self.kill.step and self.requests == self.kill.count:
            await wire.ask(operation)
            self.site.daemon.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
            raise EOFError("killed before the reply was read")
        return await wire.rpc(operation)


@asynccontextmanager
async def reading(daemon: Daemon) -> AsyncIterator[None]:
    """Somebody else reads all the time."""

    async def read() -> None:
        with suppress(*LOST):
            async with session(daemon) as wire:
                while True:
                    await wire.rpc("<get/>")

    task = asyncio.create_task(read())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def live(site: Site, kill: Kill, chance: random.Random) -> str:
    """One life that ends by that kill, which may be before it is ready. Where it ended."""
    site.launch(kill)
    where = str(kill.step or BETWEEN)
    if site.daemon.comes_up():
        if not await Tour(site, kill, chance).run():
            assert kill.count > 1, f"no part of a tour reaches the step {kill.step!r}"
            where = "idle"
            site.daemon.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
        site.decide(kill)
    assert site.daemon.wait() == -signal.SIGKILL
    site.died.append((kill, where))
    return where


@pytest.fixture
def nursery(schema_cache: Path) -> Iterator[Nursery]:
    nursery = Nursery(schema_cache)
    yield nursery
    nursery.close()


@pytest.fixture
def sites(nursery: Nursery, tmp_path: Path) -> Iterator[dict[bool, Site]]:
    """By whether there is a startup datastore."""
    made = {}
    for has_startup in (False, True):
        world = WorldProcess(seed=1)
        directory = tmp_path / f"{has_startup}"
        directory.mkdir()
        server = f"[server]\nstartup-datastore = {str(has_startup).lower()}\n"
        daemon = Daemon(directory, settings=server + world.settings, program=(), popen=nursery.popen)  # type: ignore[arg-type]
        made[has_startup] = Site(daemon, world, has_startup)
    yield made
    for site in made.values():
        site.daemon.close()
        site.world.close()


@pytest.mark.timeout(0)
async def test_killed_at_every_step(sites: dict[bool, Site]) -> None:
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    schedules: Counter[str] = Counter()
    for has_startup, kill in islice(schedule(chance), KILLS):
        killed[await live(sites[has_startup], kill, chance)] += 1
        schedules["with startup" if has_startup else "without startup"] += 1
        if killed.total() % 100 == 0:
            print(f"{killed.total()} of {KILLS} kills", flush=True)
    for site in sites.values():
        site.launch(Kill())
        site.daemon.ready()
        async with session(site.daemon) as wire:
            await site.look(wire)
    assert KILLS < 50 or killed.keys() >= set(registered(["backend"], "journal"))
    report = ", ".join(f"{step} {count}" for step, count in sorted(killed.items()))
    print(f"{killed.total()} kills, seed {SEED}, {dict(schedules)}, 0 failures; by step: {report}")
