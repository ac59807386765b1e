"""Clients that send a lot and never end it: what the server takes for them is bounded, and the others are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from support.server import Daemon
from support.wire import BASE, Wire, session

MEGABYTE = 2**20
ATTACKERS = 8
PER_ATTACKER = 8 * MEGABYTE
SHARED = 24 * MEGABYTE


def resident(pid: int) -> int:
    """The most memory that a process has had in use so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


async def flood(wire: Wire) -> str | None:
    """Half of a message of many elements; the error that answers it, if one does."""
    elements = b"<a></a>" * (PER_ATTACKER // 7)
    start = f'<rpc message-id="1" xmlns="{BASE}">'.encode()
    await wire.send_bytes(b"\n#%d\n%b%b" % (len(start) + len(elements) + 1, start, elements))
    try:
        return await wire.receive()
    except EOFError:
        return None


async def test_many_half_sent_messages_take_a_bounded_memory(make_daemon: Callable[..., Daemon]) -> None:
    """Parsed as they come they would take a gigabyte and more; what is allowed is the share and a megabyte each."""
    limits = f"[limits]\nreceived-memory = {SHARED}\nmessage-timeout = 3.0\n"
    server = make_daemon(settings=limits).start()
    async with AsyncExitStack() as stack:
        honest = await stack.enter_async_context(session(server))
        attackers = [await stack.enter_async_context(session(server)) for _ in range(ATTACKERS)]
        before = resident(server.pid)
        flooding = [asyncio.create_task(flood(wire)) for wire in attackers]
        for _ in range(20):
            assert "<data" in await honest.get_config()
        answers = [answer for answer in await asyncio.gather(*flooding) if answer is not None]
        taken = resident(server.pid) - before
        assert answers, "somebody is told that there is no room"
        assert all("<error-tag>resource-denied</error-tag>" in answer for answer in answers)
        assert taken < SHARED + ATTACKERS * MEGABYTE + 64 * MEGABYTE, f"{taken / MEGABYTE:.0f} MB"
