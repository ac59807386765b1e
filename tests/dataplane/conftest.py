"""The virtual machine that all tests of a session share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataplane.vm.machine import Machine, why_not
from dataplane.vm.need import need


@pytest.fixture(scope="session")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Booted once, when the first test asks for it."""
    need(why_not())
    machine = Machine(tmp_path_factory.mktemp("vm"))
    yield machine
    machine.stop()
