"""The example of docs/backend-authors.md passes the suite every backend must pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.backend import ledger

from cryptomap_backend.conformance import BackendConformance
from cryptomap_backend.contract import Backend
from cryptomap_backend.supervised import Supervised

SOURCE = Path(ledger.__file__)


class TestLedger(BackendConformance):
    @pytest.fixture
    def make_backend(self) -> Iterator[Backend]:
        backend = Supervised(ledger.create({}))
        yield backend
        backend.close()


def test_it_is_about_a_hundred_lines() -> None:
    lines = [line for line in SOURCE.read_text().splitlines() if line and not line.startswith(("from", "import"))]
    assert len(lines) <= 100
