"""A real kernel that has no room left, as an operator of backend linux sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dataplane.gateways import Gateways
from dataplane.rigs import MAKERS
from dataplane.scenarios import OURS, SCENARIOS, Kind
from dataplane.sites import Site

pytestmark = pytest.mark.timeout(600)  # the first test waits for the machine to boot, on a busy host too

LIMIT = "/proc/sys/net/core/rmem_max"
SMALLEST = 2304
"""Bytes of a netlink socket's receive buffer, of which the kernel grants twice as many: some seven answers."""
OBJECTS = "ip -n left xfrm state; ip -n left xfrm policy"
SEVEN_MAPS = SCENARIOS[0]


@pytest.fixture
def narrow(request: pytest.FixtureRequest, gateways: Gateways) -> Iterator[Site]:
    """A server whose kernel drops what it has to say (ENOBUFS) as soon as a commit has more than one map."""
    gateways.vm.run(f"cp {LIMIT} /run/rmem_max; echo {SMALLEST} > {LIMIT}")
    with ExitStack() as stack:
        (site, _) = MAKERS["linux"](request, stack).sites
        yield site
        site.clear()


def test_a_kernel_without_room_is_told_and_tried_again_until_it_has_some(gateways: Gateways, narrow: Site) -> None:
    """Half of the commit may have been done, which nobody knows: running is as before, nothing is taken until the
    kernel was brought back to it, and nobody has to ask for that."""
    before = gateways.vm.run(OBJECTS).out
    try:
        error = narrow.refused(SEVEN_MAPS.xml(OURS, Kind.MANUAL))
        assert error.tag == "rollback-failed"
        assert "No buffer space available" in (error.message or "")
        assert "the server reconciles with it before the next commit" in (error.message or "")
        assert narrow.state("foo0", OURS.context) == {}
        assert narrow.backend("health") == "out-of-sync"
        assert narrow.refused(SEVEN_MAPS.xml(OURS, Kind.MANUAL)).app_tag == "out-of-sync"
        assert "No buffer space available" in narrow.backend("last-error")
    finally:
        gateways.vm.run(f"cat /run/rmem_max > {LIMIT}")
    narrow.until_connected()
    assert gateways.vm.run(OBJECTS).out == before

    narrow.commit(SEVEN_MAPS.xml(OURS, Kind.MANUAL))
    for _ in SEVEN_MAPS.maps:
        narrow.hear("tunnel-up")
