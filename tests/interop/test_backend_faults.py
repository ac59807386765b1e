"""A gateway that refuses, fails, hangs, goes away, comes back empty or lies, seen by NETCONF clients.

Whatever it does: all or nothing, an error that says what happened, other sessions go on, and running and the gateway
are one again at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from lxml import etree

from cryptomap_backend.change import change_of
from cryptomap_backend.intent import TunnelId
from cryptomap_backend.simulator.backend import SimulatorBackend
from cryptomap_backend.simulator.faults import Faults
from support.oracle import There, asked_by, without_applied
from support.server import SAMPLES, Daemon
from support.state import BINDINGS, INTERFACE, NS, text, texts
from support.wire import Error, Wire, errors, session
from support.world import Gatekeeper, WorldProcess

FOO0 = TunnelId("ipsec-d", "foo0", INTERFACE)
HEALTH = "//plat:platform/plat:backend/plat:health"
DEADLINE = 1.0  # seconds a call of the backend may take here


@pytest.fixture(scope="module")
def keeper(world: WorldProcess) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(world)
    yield keeper
    keeper.close()


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], keeper: Gatekeeper) -> Daemon:
    settings = f"[backend]\ndeadline = {DEADLINE}\n{keeper.settings}"
    return make_daemon(settings=settings, options=["--startup", str(SAMPLES / "seed.xml")]).start()


@pytest.fixture
async def wire(server: Daemon, world: WorldProcess) -> AsyncIterator[Wire]:
    """A session; after each test running and the gateway must be one."""
    async with session(server) as wire:
        yield wire
        world.remote.set_faults(Faults())
        await wire.do("<discard-changes/>")
        await committed_at_last(wire, "198.51.100.7")
        held = without_applied(world.remote.held())
        assert held == without_applied(asked_by(server, await wire.get_config()))
        assert text(await wire.data("<get/>"), HEALTH) == "connected"


def peer(address: str) -> str:
    return (
        f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><crypto-map xmlns="{NS["ips"]}"><name>foo0</name>'
        f"<peer>{address}</peer></crypto-map></context></contexts>"
    )


async def refused(wire: Wire, address: str) -> Error:
    """A commit that is refused."""
    assert await wire.edit(peer(address)) == "<ok/>"
    [error] = errors(await wire.rpc("<commit/>"))
    return error


async def committed_at_last(wire: Wire, address: str) -> None:
    """The first attempt may find out that the gateway has to be mended first."""
    assert await wire.edit(peer(address)) == "<ok/>"
    for _ in range(3):
        if await wire.rpc("<commit/>") == "<ok/>":
            return
    await wire.do("<commit/>")


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (Faults(refuse="no more tunnels", times=1), "no more tunnels"),
        (Faults(fail_step=0, times=1), "simulated failure in step 0"),
        (Faults(lose="prepare", times=1), "lost during prepare"),
        (Faults(disconnected=True), "disconnected"),
    ],
    ids=["refuses", "fails at a step", "is lost in prepare", "is disconnected"],
)
async def test_a_commit_that_fails_cleanly_changes_nothing(
    server: Daemon, world: WorldProcess, wire: Wire, faults: Faults, said: str
) -> None:
    before, running = There.of(world), await wire.get_config()
    world.remote.set_faults(faults)
    error = await refused(wire, "203.0.113.99")
    assert error.tag == "operation-failed"
    assert said in error.message
    world.remote.set_faults(Faults())
    assert await wire.get_config() == running
    assert There.of(world) == before


@pytest.mark.parametrize("after", [False, True], ids=["before it was done", "after it was done"])
@pytest.mark.parametrize("how", ["hang", "lose"])
async def test_an_unknown_outcome_is_told_and_mended(
    server: Daemon, world: WorldProcess, wire: Wire, how: str, after: bool
) -> None:
    """The answer comes by the deadline; the next commit reconciles first and then is made."""
    running = await wire.get_config()
    world.remote.set_faults(Faults(**{how: "apply", "after": after, "times": 1}))  # type: ignore[arg-type]
    error = await refused(wire, f"203.0.113.{90 + after}")
    assert (error.tag, error.app_tag) == ("rollback-failed", "out-of-sync")
    assert "reconciles with it before the next commit" in error.message
    assert await wire.get_config() == running
    await wire.do("<commit/>")
    assert str(world.remote.held().tunnels[FOO0].remote) == f"203.0.113.{90 + after}"


async def test_other_sessions_go_on_while_a_commit_waits_for_the_gateway(
    server: Daemon, keeper: Gatekeeper, wire: Wire
) -> None:
    assert await wire.edit(peer("203.0.113.77")) == "<ok/>"
    hold = keeper.hold("apply")
    await wire.ask("<commit/>")
    while not hold.arrived.is_set():
        async with session(server) as other:
            assert "203.0.113.77" not in await other.get_config()
            await other.do("<close-session/>")
    hold.drop()
    [error] = errors(await wire.receive())
    assert (error.tag, error.app_tag) == ("rollback-failed", "out-of-sync")


async def test_a_gateway_that_shows_less_than_it_holds_is_shown_as_it_is_seen(world: WorldProcess, wire: Wire) -> None:
    """Its lie is about what it observes: state tells what is seen, commits go by what was planned and applied."""
    status = f"{BINDINGS}[ips:name='foo0']/ips:state/ips:status"
    honest = text(await wire.data("<get/>"), status)
    world.remote.set_faults(Faults(lie="missing"))
    await wire.edit(peer("203.0.113.65"))
    await wire.do("<commit/>")  # what was observed before is forgotten with it
    assert text(await wire.data("<get/>"), status) != honest
    await wire.edit(peer("203.0.113.66"))
    await wire.do("<commit/>")
    world.remote.set_faults(Faults())
    assert str(world.remote.held().tunnels[FOO0].remote) == "203.0.113.66"


async def test_a_gateway_that_comes_back_empty_is_filled_again_and_the_drift_is_told(
    server: Daemon, world: WorldProcess, wire: Wire
) -> None:
    before = without_applied(world.remote.held())
    log = len(server.log.read_text())
    world.remote.forget()  # the server hears of it at once, and may have mended it before we look
    await committed_at_last(wire, "203.0.113.55")
    assert set(world.remote.held().tunnels) == set(before.tunnels)
    assert "differed from running and was mended: 2 tunnels were missing" in server.log.read_text()[log:]


async def test_drift_is_found_told_shown_and_mended(make_daemon: Callable[..., Daemon], world: WorldProcess) -> None:
    """Without an event and without a commit, by looking: a client hears of it, and reads what it was."""
    options = ["--startup", str(SAMPLES / "seed.xml")]
    server = make_daemon(settings=f"[backend]\ndrift-interval = 0.1\n{world.settings}", options=options).start()
    held, somebody = world.remote.held(), SimulatorBackend(world.remote)
    async with session(server) as wire, session(server) as listener:
        await listener.do('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>')
        somebody.apply(somebody.prepare(change_of(held, {FOO0: None})))
        told = [await drifted(listener) for _ in range(3)]
        state = await wire.data("<get/>")
    assert [text(one, "//plat:state") for one in told] == ["found", "repaired", "cleared"]
    assert texts(told[0], "//plat:tunnel/plat:crypto-map") == ["foo0"]
    assert world.remote.held() == held
    drift = "//plat:platform/plat:backend/plat:drift"
    assert text(state, f"{drift}/plat:last-repair-detail") == "1 tunnels were missing"
    assert texts(state, f"{drift}/plat:objects") == []


async def drifted(listener: Wire) -> etree._Element:
    """The next notification of that name."""
    while "backend-drift" not in (said := await listener.receive()):
        pass
    return etree.fromstring(said.encode())
