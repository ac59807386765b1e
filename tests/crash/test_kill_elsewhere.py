"""``kill -9`` where no plain commit is going on: in a re-apply, in a recovery, while a confirmed commit waits."""

from __future__ import annotations

from contextlib import suppress

import pytest

from cryptomap_backend.intent import TunnelId
from support.server import SAMPLES
from support.state import BINDINGS, INTERFACE, NS, text
from support.victim import LOST, Kill, Victim
from support.wire import Wire, session

FOO0 = TunnelId("ipsec-d", "foo0", INTERFACE)
DSCP = (
    f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><ipsec-transform-set xmlns="{NS["ips"]}">'
    "<name>A-foo</name><dscp>%d</dscp></ipsec-transform-set></context></contexts>"
)
PEER = (
    f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><crypto-map xmlns="{NS["ips"]}"><name>foo0</name>'
    "<peer>209.165.201.9</peer></crypto-map></context></contexts>"
)
REAPPLY = (
    f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>'
    f'<interface><name>{INTERFACE}</name><crypto-map xmlns="{NS["ips"]}"><name>foo0</name><reapply/></crypto-map>'
    "</interface></context></contexts></action>"
)


@pytest.fixture
def seeded(victim: Victim) -> Victim:
    """Running holds the seed's configuration."""
    victim.daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    victim.start()
    return victim


async def applied(victim: Victim) -> tuple[int, int, str]:
    """The DSCP of foo0's SA, what the world says was applied to the tunnel, and whether a re-apply is pending."""
    async with session(victim.daemon) as wire:
        data = await wire.data("<get/>")
    world = victim.world.remote.held().tunnels[FOO0]
    assert dict(world.applied).keys() == {"A-foo"}
    shown = text(data, f"{BINDINGS}[ips:name='foo0']/ips:state/ips:applied/ips:applied-dscp")
    assert shown == str(world.applied_dscp("A-foo"))
    [sa] = victim.world.remote.observe().tunnels[FOO0].children
    assert sa.applied_dscp is not None
    return sa.applied_dscp, int(shown), text(data, f"{BINDINGS}[ips:name='foo0']/ips:state/ips:reapply-pending")


async def commit(wire: Wire, config: str, more: str = "") -> None:
    assert await wire.edit(config) == "<ok/>"
    await wire.do(f"<commit>{more}</commit>")


@pytest.mark.parametrize("how", ["asked", "delivered", "answered"])
async def test_killed_in_a_reapply(seeded: Victim, how: str) -> None:
    """World, durable record and what is shown agree afterwards: re-applied, or still pending."""
    async with session(seeded.daemon) as wire:
        await commit(wire, DSCP % 46)
        assert await applied(seeded) == (40, 40, "true")
        seeded.arm(Kill(how))
        with suppress(*LOST):
            reply = await wire.rpc(REAPPLY)
            raise AssertionError(reply)
    seeded.ended()
    seeded.start()
    assert await applied(seeded) in ((40, 40, "true"), (46, 46, "false"))
    async with session(seeded.daemon) as wire:
        assert "rpc-error" not in await wire.rpc(REAPPLY)
    assert await applied(seeded) == (46, 46, "false")


async def test_what_was_reapplied_stays_applied(seeded: Victim) -> None:
    async with session(seeded.daemon) as wire:
        await commit(wire, DSCP % 46)
        assert "rpc-error" not in await wire.rpc(REAPPLY)
        await commit(wire, DSCP % 10)
        seeded.kill()
    seeded.ended()
    seeded.start()
    assert await applied(seeded) == (46, 46, "true")


@pytest.mark.parametrize("step", ["recovered", "prepared backend", "applied backend"])
async def test_killed_in_a_recovery(seeded: Victim, step: str) -> None:
    """A start that is killed is as if it had never been."""
    spis = seeded.world.spis()
    async with session(seeded.daemon) as wire:
        running = await wire.get_config()
    seeded.kill()
    seeded.ended()
    for _ in range(2):
        seeded.start(during=Kill("at", step))
    seeded.start()
    async with session(seeded.daemon) as wire:
        assert await wire.get_config() == running
    assert seeded.world.spis() == spis


async def test_a_recovery_that_finds_the_gateway_empty_fills_it_again(seeded: Victim) -> None:
    held = seeded.world.remote.held()
    seeded.kill()
    seeded.ended()
    seeded.world.remote.forget()
    seeded.start(during=Kill("at", "applied backend"))
    seeded.world.remote.forget()
    seeded.start()
    assert seeded.world.remote.held() == held


@pytest.mark.parametrize("persistent", [True, False], ids=["with persist", "of a session"])
async def test_killed_while_a_confirmed_commit_waits(seeded: Victim, persistent: bool) -> None:
    """With a token it goes on waiting, without one nobody could confirm it: it is rolled back, here and there."""
    async with session(seeded.daemon) as wire:
        before = await wire.get_config()
        token = "<persist>token</persist>" * persistent
        await commit(wire, PEER, f"<confirmed/><confirm-timeout>600</confirm-timeout>{token}")
        after = await wire.get_config()
        seeded.kill()
    seeded.ended()
    seeded.start()
    async with session(seeded.daemon) as wire:
        assert await wire.get_config() == (after if persistent else before)
        held = seeded.world.remote.held().tunnels[FOO0]
        assert str(held.remote) == ("209.165.201.9" if persistent else "209.165.201.1")
        if persistent:
            await wire.do("<cancel-commit><persist-id>token</persist-id></cancel-commit>")
            assert await wire.get_config() == before
            assert str(seeded.world.remote.held().tunnels[FOO0].remote) == "209.165.201.1"
