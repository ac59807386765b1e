"""A server for each test, with the clients it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest_asyncio

from support.lab import Lab, open_lab

OpenLab: TypeAlias = Callable[..., Awaitable[Lab]]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[OpenLab]:
    """``await start(...)``: a server with options of Server, or of Datastores as ``datastore={...}``."""
    labs: list[Lab] = []

    async def started(**options: Any) -> Lab:
        labs.append(await open_lab(tmp_path / "state", **options))
        return labs[-1]

    yield started
    for lab in labs:
        await lab.stop()


@pytest_asyncio.fixture
async def lab(start: OpenLab) -> Lab:
    return await start()
