"""Fixtures of all test rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.server import Daemon
from support.world import WorldProcess


def pytest_itemcollected(item: pytest.Item) -> None:
    """With several workers (``-n 2 --dist loadgroup``) the tests of a file stay together, because they share servers;
    those of the data plane share one virtual machine."""
    group = "dataplane" if "dataplane" in item.path.parts else item.path.stem
    item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def schema_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled schemas that the servers of this test run share."""
    return tmp_path_factory.mktemp("schema-cache")


@pytest.fixture
def daemon(tmp_path: Path, schema_cache: Path) -> Iterator[Daemon]:
    """A server, not started yet; it is stopped when the test ends."""
    server = Daemon(tmp_path, schema_cache=schema_cache)
    yield server
    server.close()


@pytest.fixture(scope="module")
def make_daemon(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes servers that the tests of a module share; ``make_daemon(settings=...)`` takes the fields of Daemon."""
    made: list[Daemon] = []

    def make(**fields: Any) -> Daemon:
        made.append(Daemon(tmp_path_factory.mktemp("daemon"), schema_cache=schema_cache, **fields))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def world() -> Iterator[WorldProcess]:
    """A simulated gateway in a process of its own."""
    process = WorldProcess(seed=1)
    yield process
    process.close()
