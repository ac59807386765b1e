"""Event streams as server-sent events (RFC 8040 section 6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cryptomap.data.build import build, date_and_time
from cryptomap.operations.notifications.replay_log import ReplayLog
from support.lab import Lab, door_schema, open_lab
from support.timers import ManualTimers
from support.web import PATIENCE, Events, Web

STREAM = "/streams/NETCONF"
STORM = "{urn:doors}storm"


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    timers = ManualTimers()
    replay = ReplayLog(tmp_path / "replay.sqlite", now=timers.time())
    found = await open_lab(tmp_path / "state", timers=timers, replay=replay)
    yield found
    await found.stop()


def storm(lab: Lab, wind: int) -> None:
    lab.server.notify(build(door_schema().notifications[STORM], {"wind": wind, "secret": "eye"}))


async def listen(alice: Web, target: str) -> Events:
    return await Events(await alice.respond("GET", target, accept="text/event-stream")).begun()


async def test_events_as_json(alice: Web, lab: Lab) -> None:
    events = await listen(alice, f"{STREAM}/json")
    storm(lab, 9)
    found = json.loads(await events.next())["ietf-restconf:notification"]
    assert set(found) == {"eventTime", "doors:storm"}
    assert found["doors:storm"] == {"wind": 9}  # alice may not see the secret
    await events.close()
    assert not alice.site.streams


async def test_events_as_xml(alice: Web, lab: Lab) -> None:
    events = await listen(alice, f"{STREAM}/xml")
    storm(lab, 9)
    text = await events.next()
    assert text.startswith('<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>')
    assert '<storm xmlns="urn:doors"><wind>9</wind></storm>' in text
    await events.close()


async def test_a_filter(alice: Web, lab: Lab) -> None:
    events = await listen(alice, f"{STREAM}/json?filter=%2Fdoors%3Astorm%5Bdoors%3Awind%3E8%5D")
    storm(lab, 3)
    storm(lab, 9)
    assert '"wind":9' in await events.next()
    await events.close()


async def test_the_past_until_a_time(alice: Web, lab: Lab) -> None:
    timers = lab.server.timers
    assert isinstance(timers, ManualTimers)
    began, until = date_and_time(timers.now), date_and_time(timers.now + 60)
    for wind in (1, 2):
        storm(lab, wind)
    target = f"{STREAM}/json?filter=/doors:storm&start-time={began}&stop-time={until}"
    events = await listen(alice, target)
    assert ['"wind":1' in await events.next(), '"wind":2' in await events.next()] == [True, True]
    async with asyncio.timeout(PATIENCE):
        while not timers.waiting:  # noqa: ASYNC110 (for the end, once the past has been sent)
            await asyncio.sleep(0)
    timers.advance(61)
    assert await events.next() == ""


async def test_the_server_ends_its_streams(alice: Web) -> None:
    events = await listen(alice, f"{STREAM}/json")
    alice.site.stop()
    assert await events.next() == ""


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/streams/OTHER/json", 404),
        (f"{STREAM}/yaml", 404),
        (STREAM, 404),
        (f"{STREAM}/json?filter=doors:", 400),
        (f"{STREAM}/json?filter=1", 400),
        (f"{STREAM}/json?stop-time=2026-11-23T09:30:00Z", 400),
        (f"{STREAM}/json?start-time=tomorrow", 400),
        (f"{STREAM}/json?start-time=2099-11-23T09:30:00Z", 400),
        (f"{STREAM}/json?depth=1", 400),
    ],
)
async def test_refusals(alice: Web, target: str, status: int) -> None:
    assert (await alice.ask("GET", target, accept="text/event-stream")).status == status


async def test_a_client_that_does_not_take_events(alice: Web) -> None:
    assert (await alice.ask("GET", f"{STREAM}/json", accept="application/yang-data+json")).status == 406
    assert (await alice.ask("HEAD", f"{STREAM}/json", accept="text/event-stream")).status == 200
