"""Fixtures of all test rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A server, not started yet; it is stopped when the test ends."""
    server = Daemon(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()
