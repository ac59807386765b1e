"""Fixtures of all test rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from support.server import Daemon
from support.world import WorldProcess


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """With several workers the tests of a file stay on one, because they share servers; those of the data plane stay
    together, because they share one virtual machine."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "dataplane" if "dataplane/" in path else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return _ByFile(config, log)


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
