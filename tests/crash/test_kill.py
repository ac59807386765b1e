"""``kill -9`` in the middle of 200 random commits, with the gateway's world in a process that survives.

After each restart: what was answered ``<ok/>`` is there; what was in flight is wholly there or wholly absent; the world
is what running asks for, tunnel by tunnel and key by key; tunnels that no commit touched kept their SAs.

When the server is killed is drawn beforehand: at a step of a transaction, right after one was begun, while the gateway
is asked or answers, or when a request or a reply has just passed. ``CRYPTOMAP_CRASH_SEED`` draws another schedule.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress

import pytest

from support.oracle import Moment, There, assert_untouched_tunnels_stayed, assert_world_is
from support.random_commits import Model, any_commit, first
from support.victim import LOST, Kill, Victim
from support.wire import BASE, Wire, open_wire, session

COMMITS = 200
SEED = int(os.environ.get("CRYPTOMAP_CRASH_SEED", "2026"))

STEPS = (
    "validated",
    "checked",
    "prepared backend",
    "prepared journal",
    "applied backend",
    "applied journal",
    "published",
    "checkpoint written",
    "checkpoint published",
)


def schedule(chance: random.Random) -> dict[int, Kill]:
    """Number of a commit -> the kill that is armed from then on until it happens."""
    kills = [Kill("at", step) for step in STEPS]
    kills += [Kill("after", step) for step in chance.sample(STEPS[:7], 2)]
    kills += [Kill(how) for how in ("asked", "delivered", "answered", "request", "reply")]
    chance.shuffle(kills)
    return dict(zip(sorted(chance.sample(range(2, COMMITS), len(kills))), kills, strict=True))


class Storm:
    """Random commits, one after the other, through as many servers as it takes."""

    def __init__(self, victim: Victim, chance: random.Random) -> None:
        self.victim = victim
        self.chance = chance
        self.kills = schedule(chance)
        self.armed: Kill | None = None
        self.died: list[Kill] = []
        self.number = 0
        self.now = Moment(f'<data xmlns="{BASE}"></data>', Model())

    async def until_killed(self) -> None:
        """Commit until the server dies or all is done, start it again, and look at what came of it."""
        async with open_wire(self.victim.daemon) as wire:
            await wire.greet()
            while self.number < COMMITS and not await self._dies_at_next(wire):
                pass

    async def _dies_at_next(self, wire: Wire) -> bool:
        self.number += 1
        if self.armed is None and self.number in self.kills:
            self.armed = self.kills[self.number]
            self.victim.arm(self.armed)
        before, was = self.now, There.of(self.victim.world) if self.armed else None
        edits, model = any_commit(self.chance, before.model) if self.number > 1 else first()
        candidate, answered = await self._commit(wire, edits)
        after = Moment(candidate, model) if candidate else before  # it may die at an edit: then nothing was in flight
        if answered and self.armed != Kill("reply"):
            self.now = after
            return False
        assert was is not None
        self.victim.ended()
        await self._restart(before, after, answered)
        there = assert_world_is(self.victim.daemon, self.victim.world, self.now)
        assert_untouched_tunnels_stayed(self.victim.daemon, was, [before, after, self.now], there)
        return True

    async def _commit(self, wire: Wire, edits: list[str]) -> tuple[str, bool]:
        """The candidate as it was read before the commit ("" if it came to none), and whether that was answered."""
        candidate = ""
        with suppress(*LOST):
            for edit in edits:
                assert await wire.edit(edit) == "<ok/>"
            candidate = await wire.get_config("candidate")
            await wire.ask("<commit/>")
            if self.armed == Kill("request"):
                self.victim.kill()
            assert "<ok/>" in await wire.receive()
            if self.armed == Kill("reply"):
                self.victim.kill()
            return candidate, True
        return candidate, False

    async def _restart(self, before: Moment, after: Moment, answered: bool) -> None:
        """What was answered is there; what was not is there wholly or not at all."""
        assert self.armed is not None
        self.died.append(self.armed)
        self.armed = None
        self.victim.start()
        async with session(self.victim.daemon) as wire:
            running = await wire.get_config()
            assert await wire.get_config("candidate") == running
        assert running in ([after.running] if answered else [before.running, after.running]), self.died
        self.now = after if running == after.running else before


@pytest.mark.timeout(300)  # on a machine that has other things to do; alone it takes a tenth
async def test_killed_in_the_middle_of_random_commits(victim: Victim) -> None:
    storm = Storm(victim, random.Random(SEED))
    victim.start()
    while storm.number < COMMITS:
        await storm.until_killed()
    assert_world_is(victim.daemon, victim.world, storm.now)
    assert len(storm.died) >= 10, storm.died
    assert {"at", "after", "request", "reply"} <= {kill.how for kill in storm.died}
