"""A server with two doors in running, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from cryptomap.data.tree import Path as Instance
from cryptomap.data.tree import Value
from support.lab import Lab, open_lab
from support.web import Web, web

DOORS = {
    "doors:doors": {
        "door": [{"name": "front", "colour": "red"}, {"name": "back", "width": 70}],
    }
}


def opened(path: Instance) -> Value | None:
    """State of a door: how often it was opened."""
    return "7"


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    found = await open_lab(tmp_path / "state", providers={"/doors:doors/door/opened": opened})
    yield found
    await found.stop()


@pytest_asyncio.fixture
async def alice(lab: Lab) -> Web:
    found = web(lab)
    assert (await found.ask("POST", "/data", DOORS)).status == 201
    return found
