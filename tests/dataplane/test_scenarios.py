"""One file of scenarios, driven by NETCONF commits through each backend: what differs is a declared limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby

import pytest

from dataplane.rigs import MAKERS, Packet, Rig
from dataplane.scenarios import OURS, SCENARIOS, THEIRS, Expected, Kind, Map, Scenario, Step, in_context
from dataplane.sites import Site
from support.server import PATIENCE
from support.state import texts

pytestmark = pytest.mark.timeout(600)  # the first test waits for the machine to boot, on a busy host too

CASES = [
    pytest.param(backend, kind, scenario, id=f"{backend}, {kind}: {scenario.name}")
    for backend in MAKERS
    for kind in Kind
    for scenario in SCENARIOS
]


@pytest.fixture(scope="module")
def rig_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Rig]]:
    """A backend's rig, made when it is first asked for; that of the backend before goes then. Two servers would mark on
    one device: each sees the other's maps as drift, once a minute, and puts its own back."""
    made: dict[str, Rig] = {}
    with ExitStack() as stack:

        def rig(backend: str) -> Rig:
            if backend not in made:
                made.clear()
                stack.pop_all().close()
                made[backend] = MAKERS[backend](request, stack)
            return made[backend]

        yield rig


@pytest.mark.parametrize(("backend", "kind", "scenario"), CASES)
def test_the_wire_shows_what_was_committed(
    rig_of: Callable[[str], Rig], backend: str, kind: Kind, scenario: Scenario
) -> None:
    rig = rig_of(backend)
    ours = rig.sites[0]
    able = ours.get("/plat:platform/plat:backend/plat:capabilities")
    has_type = any(name.startswith(kind) for name in texts(able, "//plat:map-type"))
    if scenario.refused or not has_type:
        error = ours.refused(scenario.xml(OURS, kind))
        assert {fault.app_tag for fault in error.errlist or [error]} == {scenario.refused or "backend-capability"}
        return
    try:
        _begin(rig, kind, scenario)
        for step in scenario.steps:
            _take(ours, step)
            pending = {item.name for item in scenario.maps if ours.state(item.name)["reapply-pending"] == "true"}
            assert pending == set(step.pending)
            _compare(rig, scenario.maps, step.rows, set(texts(able, "//plat:limit/plat:name")))
            assert ours.backend("drift/plat:last-repair-detail") == "", "somebody else was at work"
    finally:
        for site in dict.fromkeys(rig.sites):
            site.clear()


def _begin(rig: Rig, kind: Kind, scenario: Scenario) -> None:
    """Both sides are configured and all tunnels are up."""
    ours, others = rig.sites[0], rig.sites[1:]
    for site in others:
        site.commit(scenario.xml(THEIRS, kind))
    ours.commit(scenario.xml(OURS, kind))
    waiting = {item.name for item in scenario.maps}
    while waiting:
        waiting -= {ours.hear("tunnel-up", context=OURS.context)["crypto-map"]}


def _take(ours: Site, step: Step) -> None:
    if step.commit:
        ours.commit(in_context(OURS, step.commit))
    if step.reapply:
        ours.reapply(step.reapply)
        _until_applied(ours, step.reapply)


def _until_applied(site: Site, name: str) -> None:
    """strongSwan negotiates live SAs once more, which the others need not."""
    deadline = time.monotonic() + PATIENCE
    while (state := site.state(name)).get("child-sa/applied-dscp") != state["applied/applied-dscp"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.1)


def _compare(rig: Rig, maps: Sequence[Map], rows: Sequence[Expected], lacking: set[str]) -> None:
    seen: dict[tuple[str, int], Packet] = {}
    for _, group in groupby(sorted(maps, key=lambda item: item.place), key=lambda item: item.place):
        used = list(group)
        names = {item.name for item in used}
        tos = sorted({row.tos for row in rows if row.map in names})
        seen |= rig.send(used, tos) if tos else {}
    for row in rows:
        packet = seen[row.map, row.tos]
        wanted = row.seen_with(lacking)
        assert {name: getattr(packet, name) for name in wanted} == wanted, row
        assert packet.inner == row.tos, row
