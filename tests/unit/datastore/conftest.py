"""The schema, the clock and the datastores of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.schema.nodes import Schema
from support.stores import NEWER, VAULT, YANG, Clock, Open, schema_of


@pytest.fixture(scope="session")
def schema() -> Schema:
    return schema_of(YANG)


@pytest.fixture(scope="session")
def newer_schema() -> Schema:
    return schema_of(NEWER)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_datastores(schema: Schema, clock: Clock, tmp_path: Path) -> Iterator[Open]:
    """``open_datastores(...)`` opens the state directory of this test, again if need be: a clean restart."""
    opened: list[Datastores] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def open_again(schema: Schema = schema, **options: Any) -> Datastores:
        close()
        options.setdefault("clock", clock)
        options.setdefault("background", lambda work: work())
        options.setdefault("seal", VAULT)
        datastores = Datastores(schema, StateDirectory(tmp_path / "state"), **options)
        opened.append(datastores)
        datastores.start()
        return datastores

    yield open_again
    close()


@pytest.fixture
def datastores(open_datastores: Open) -> Datastores:
    return open_datastores()
