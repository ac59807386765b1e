"""What most tests of this room begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.gateway import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A gateway with nothing configured, on a simulator."""
    return Site(tmp_path / "state")
