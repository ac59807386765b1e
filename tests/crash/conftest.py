"""The server that the tests of this room kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import Daemon
from support.victim import OBSERVED, Victim
from support.world import Gatekeeper, WorldProcess


@pytest.fixture
def victim(daemon: Daemon) -> Iterator[Victim]:
    world = WorldProcess(seed=1)
    keeper = Gatekeeper(world)
    daemon.program = [str(OBSERVED)]
    daemon.settings = keeper.settings
    victim = Victim(daemon, world, keeper)
    yield victim
    victim.close()
    keeper.close()
    world.close()
