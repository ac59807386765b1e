"""What all tests of a session share: the virtual machine, and two charons in namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap_backend.strongswan.vici import Vici
from dataplane import charon
from dataplane.commits import GATEWAY, PEER, STOLEN
from dataplane.gateways import Gateways
from dataplane.sites import Site, cleared, server
from dataplane.vm.machine import Machine, why_not
from dataplane.vm.need import need
from support.certificates import issue, revoke
from support.server import Daemon


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


@pytest.fixture(scope="module")
def servers(
    charons: charon.Lab, tmp_path_factory: pytest.TempPathFactory, schema_cache: Path
) -> Iterator[tuple[Daemon, ...]]:
    """A server for each of the two charons, with certificates of a CA that has revoked that of the stolen gateway."""
    directory = tmp_path_factory.mktemp("sites")
    charons.gateway.reset()
    charons.peer.reset()
    ca = issue(directory, "ca", is_ca=True)
    issue(directory, GATEWAY, by=ca, alternatives=[GATEWAY])
    issue(directory, PEER, by=ca, alternatives=[PEER])
    revoke(ca, directory / "ca.crl", issue(directory, STOLEN, by=ca, alternatives=[STOLEN]))
    for certificate in directory.glob("*.pem"):
        certificate.rename(certificate.with_suffix(".crt"))
    settings = {"timeout": 2, "retry-min": 0.2, "retry-max": 1, "certificates": directory}
    started = [
        server(directory / name, schema_cache, "strongswan", {"socket": daemon.socket, **settings}).start()
        for name, daemon in (("gateway", charons.gateway), ("peer", charons.peer))
    ]
    yield tuple(started)
    for one in started:
        one.close()


@pytest.fixture
def gateway(servers: tuple[Daemon, Daemon]) -> Iterator[Site]:
    with cleared(servers[0]) as site:
        yield site


@pytest.fixture
def peer(servers: tuple[Daemon, Daemon]) -> Iterator[Site]:
    with cleared(servers[1]) as site:
        yield site
