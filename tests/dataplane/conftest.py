"""What all tests of a session share: the virtual machine, and two charons in namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptomap_backend.strongswan.vici import Vici
from dataplane import charon
from dataplane.gateways import Gateways
from dataplane.vm.machine import Machine, why_not
from dataplane.vm.need import need


@pytest.fixture(scope="session")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Booted once, when the first test asks for it."""
    need(why_not())
    machine = Machine(tmp_path_factory.mktemp("vm"))
    yield machine
    machine.stop()


@pytest.fixture(scope="session")
def charons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[charon.Lab]:
    """Started once, when the first test asks for them."""
    need(charon.why_not())
    with charon.running(tmp_path_factory.mktemp("charon")) as lab:
        yield lab


@pytest.fixture
def lab(charons: charon.Lab) -> charon.Lab:
    """Two charons without connections, SAs and keys."""
    charons.gateway.reset()
    charons.peer.reset()
    return charons


@pytest.fixture(scope="session")
def gateways(vm: Machine) -> Gateways:
    """Two gateways in the machine, with the helper running."""
    return Gateways(vm)


@pytest.fixture(scope="session")
def kernel_charons(gateways: Gateways) -> Iterator[tuple[Vici, Vici]]:
    """A charon of the left and one of the right gateway in the machine, without connections and keys."""
    need(charon.why_not())
    left, right = gateways.charon("left"), gateways.charon("right")
    yield left, right
    left.close()
    right.close()
