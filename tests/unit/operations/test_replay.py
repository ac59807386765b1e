"""Replay of notifications, and the streams (RFC 5277 sections 2.1.1, 3.2.5 and 3.3)."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cryptomap.data.build import build
from cryptomap.operations import Limits
from cryptomap.operations.notifications.replay_log import LogLimits, ReplayLog
from support.lab import Client, Lab, door, door_schema, errors
from support.timers import START, ManualTimers

OpenLab = Callable[..., Awaitable[Lab]]

NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
NETMOD = "urn:ietf:params:xml:ns:netmod:notification"
ONLY_STORMS = '<filter><storm xmlns="urn:doors"/></filter>'


class Weather:
    """A server whose log and time are a test's."""

    def __init__(self, start: OpenLab, path: Path) -> None:
        self._start = start
        self.path = path
        self.timers = ManualTimers()

    async def open(self, limits: LogLimits | None = None, **options: Any) -> Lab:
        log = ReplayLog(self.path, limits, now=self.timers.time())
        return await self._start(replay=log, timers=self.timers, **options)


@pytest.fixture
def weather(start: OpenLab, tmp_path: Path) -> Weather:
    return Weather(start, tmp_path / "notifications.sqlite")


def subscribe(since: float | None = None, until: float | None = None, more: str = ONLY_STORMS) -> str:
    times = f"<startTime>{at(since)}</startTime>" if since is not None else ""
    times += f"<stopTime>{at(until)}</stopTime>" if until is not None else ""
    return f'<create-subscription xmlns="{NOTIFICATION}">{more}{times}</create-subscription>'


def at(seconds: float) -> str:
    """Seconds after the start of a test as a time."""
    minutes, left = divmod(seconds, 60)
    return f"2026-09-21T14:{13 + int(minutes):02}:{20 + left:06.3f}Z"


def storm(lab: Lab, wind: int, secret: str | None = None) -> None:
    lab.server.notify(build(door_schema().notifications["{urn:doors}storm"], {"wind": wind, "secret": secret}))


async def storms(lab: Lab, timers: ManualTimers, *winds: int) -> None:
    """One a second, the first at once."""
    for wind in winds:
        storm(lab, wind)
        await asyncio.sleep(0)  # the event is distributed at the time it has
        timers.advance(1)


async def news(client: Client) -> str:
    """The next notification: seconds since the start, and what it is."""
    message = await client.receive()
    match = re.fullmatch(
        rf'<notification xmlns="{NOTIFICATION}"><eventTime>2026-09-21T14:13:(.*)Z</eventTime><(.*)</notification>',
        message,
        re.DOTALL,
    )
    assert match, message
    wind = re.search("<wind>(.*)</wind>", match[2])
    return f"{float(match[1]) - 20:g} {'storm ' + wind[1] if wind else re.match('[A-Za-z]+', match[2])[0]}"


async def test_events_of_the_past_then_replayComplete_then_those_of_the_present(weather: Weather) -> None:
    lab = await weather.open()
    await storms(lab, weather.timers, 1, 2, 3)
    alice = await lab.connect()
    assert await alice.rpc(subscribe(1)) == "<ok/>"
    assert [await news(alice) for _ in range(3)] == ["1 storm 2", "2 storm 3", "3 replayComplete"]
    storm(lab, 4)
    assert await news(alice) == "3 storm 4"


async def test_section_4_the_notifications_of_the_rfc_have_its_namespace(weather: Weather) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    await alice.rpc(subscribe(0, 5))
    assert f'<replayComplete xmlns="{NETMOD}"/>' in await alice.receive()
    weather.timers.advance(5)
    assert f'<notificationComplete xmlns="{NETMOD}"/>' in await alice.receive()


async def test_events_up_to_stopTime_then_notificationComplete(weather: Weather) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    await alice.rpc(subscribe(0, 1.5))
    assert await news(alice) == "0 replayComplete"
    await storms(lab, weather.timers, 1, 2)
    assert [await news(alice) for _ in range(3)] == ["0 storm 1", "1 storm 2", "1.5 notificationComplete"]
    storm(lab, 3)
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert alice.peer.unread == b""


async def test_a_stopTime_in_the_past_ends_with_the_replay(weather: Weather) -> None:
    lab = await weather.open()
    await storms(lab, weather.timers, 1, 2, 3)
    alice = await lab.connect()
    await alice.rpc(subscribe(0, 1))
    assert [await news(alice) for _ in range(3)] == ["0 storm 1", "1 storm 2", "3 replayComplete"]
    weather.timers.advance(0)
    assert await news(alice) == "3 notificationComplete"


async def test_a_session_can_subscribe_again_after_the_end(weather: Weather) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    for _ in range(2):
        now = weather.timers.now - START
        assert await alice.rpc(subscribe(now, now + 1)) == "<ok/>"
        assert (await news(alice)).endswith("replayComplete")
        weather.timers.advance(1)
        assert (await news(alice)).endswith("notificationComplete")
    assert await alice.rpc(subscribe()) == "<ok/>"


async def test_the_log_survives_a_restart(weather: Weather, start: OpenLab) -> None:
    lab = await weather.open()
    await storms(lab, weather.timers, 1)
    await lab.stop()
    lab = await weather.open()
    await storms(lab, weather.timers, 2)
    alice = await lab.connect()
    await alice.rpc(subscribe(0))
    assert [await news(alice) for _ in range(3)] == ["0 storm 1", "1 storm 2", "2 replayComplete"]


async def test_replay_is_for_those_who_may_see_it(weather: Weather) -> None:
    lab = await weather.open()
    storm(lab, 1, "treasure")
    alice, root = await lab.connect(), await lab.connect("root")
    for client in (alice, root):
        await client.rpc(subscribe(0))
    assert "treasure" not in await alice.receive()
    assert "<secret>treasure</secret>" in await root.receive()


async def test_a_notification_inside_a_data_node_comes_back_as_it_was(weather: Weather) -> None:
    lab = await weather.open()
    doors, entry = door_schema().find("/doors:doors"), door_schema().find("/doors:doors/door")
    slammed = build(entry.notifications["{urn:doors}slammed"], {"force": 9})  # type: ignore[attr-defined]
    lab.server.notify(slammed, ((doors, None), (entry, "front")))
    alice = await lab.connect()
    await alice.rpc(subscribe(0, more='<filter><doors xmlns="urn:doors"/></filter>'))
    assert (
        '<doors xmlns="urn:doors"><door><name>front</name><slammed><force>9</force></slammed></door></doors>'
    ) in await alice.receive()


async def test_a_commit_nobody_listened_to_is_in_the_log(weather: Weather) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit/>")
    await alice.rpc(subscribe(0, more=""))
    assert "<netconf-session-start" in await alice.receive()
    assert "/d:doors</target><operation>create</operation>" in await alice.receive()


async def test_user_need_9_a_subscriber_who_does_not_read_its_replay_stalls_nobody(weather: Weather) -> None:
    lab = await weather.open(limits=Limits(queued_notifications=4))
    slow, quick = await lab.connect("slow"), await lab.connect("quick")
    for wind in range(100):
        storm(lab, wind)
    slow.peer.reading.clear()
    slow.ask(subscribe(0))
    await quick.rpc(subscribe(0))
    winds = [(await news(quick)).removeprefix("0 ") for _ in range(101)]
    assert winds == [*(f"storm {wind}" for wind in range(100)), "replayComplete"]
    slow.peer.reading.set()
    assert "<ok/>" in await slow.receive()
    assert [(await news(slow)).removeprefix("0 ") for _ in range(101)] == winds


async def test_events_during_a_replay_come_once_and_in_order(weather: Weather) -> None:
    lab = await weather.open(limits=Limits(queued_notifications=4))
    for wind in range(10):
        storm(lab, wind)
    alice = await lab.connect()
    await alice.rpc(subscribe(0))
    found = []
    for wind in range(10, 20):
        found.append(await news(alice))
        storm(lab, wind)
    found += [await news(alice) for _ in range(11)]
    assert [item for item in found if "storm" in item] == [f"0 storm {wind}" for wind in range(20)]


async def test_an_end_of_session_ends_its_replay(weather: Weather) -> None:
    lab = await weather.open(limits=Limits(queued_notifications=4))
    for wind in range(50):
        storm(lab, wind)
    alice = await lab.connect()
    alice.peer.reading.clear()
    alice.ask(subscribe(0))
    alice.peer.put(b"")
    alice.peer.reading.set()
    assert await alice.closed() == "the connection ended without close-session"


@pytest.mark.parametrize(
    ("since", "until", "tag", "element"),
    [
        ("2026-09-21T14:13:21Z", None, "bad-element", "startTime"),
        ("2026-09-21T14:13:20Z", "2026-09-21T14:13:19Z", "bad-element", "stopTime"),
        (None, "2026-09-21T14:13:30Z", "missing-element", "startTime"),
        ("yesterday", None, "invalid-value", "startTime"),
        ("2026-09-21T14:13:20", None, "invalid-value", "startTime"),
        ("2026-09-31T14:13:20Z", None, "invalid-value", "startTime"),
    ],
)
async def test_section_2_1_1_bad_times(
    weather: Weather, since: str | None, until: str | None, tag: str, element: str
) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    times = (f"<startTime>{since}</startTime>" if since else "") + (f"<stopTime>{until}</stopTime>" if until else "")
    reply = await alice.rpc(subscribe(more=times))
    assert [(e.tag, e.type, e.info) for e in errors(reply)] == [(tag, "protocol", {"bad-element": element})]
    assert await alice.rpc(subscribe()) == "<ok/>"


async def test_a_time_with_an_offset(weather: Weather) -> None:
    lab = await weather.open()
    await storms(lab, weather.timers, 1, 2)
    alice = await lab.connect()
    await alice.rpc(subscribe(more="<startTime>2026-09-21T16:13:21+02:00</startTime>"))
    assert await news(alice) == "1 storm 2"


# ===== what is kept =====


async def test_section_3_2_5_the_streams(weather: Weather) -> None:
    lab = await weather.open()
    alice = await lab.connect()
    reply = await alice.rpc(f'<get><filter><netconf xmlns="{NETMOD}"/></filter></get>')
    assert (
        f'<netconf xmlns="{NETMOD}"><streams><stream><name>NETCONF</name>'
        "<description>All notifications of all modules of this server.</description>"
        "<replaySupport>true</replaySupport>"
        "<replayLogCreationTime>2026-09-21T14:13:20.000Z</replayLogCreationTime>"
        "</stream></streams></netconf>"
    ) in reply


async def test_without_a_log_there_is_no_replay(lab: Lab) -> None:
    alice = await lab.connect()
    assert "<replaySupport>false</replaySupport></stream>" in await alice.rpc("<get/>")


async def test_what_is_too_old_or_too_much_is_dropped_and_that_is_told(weather: Weather) -> None:
    lab = await weather.open(LogLimits(events=150))
    for wind in range(200):
        storm(lab, wind)
    alice = await lab.connect()
    await alice.rpc(subscribe(0))
    assert await news(alice) == "0 storm 50"
    assert "<replayLogAgedTime>2026-09-21T14:13:20.000Z</replayLogAgedTime>" in await lab_streams(lab)


async def lab_streams(lab: Lab) -> str:
    root = await lab.connect("root")
    return await root.rpc(f'<get><filter><netconf xmlns="{NETMOD}"/></filter></get>')


async def test_old_age(tmp_path: Path) -> None:
    log = ReplayLog(tmp_path / "log", LogLimits(age=60), now=0)
    for number in range(1, 101):
        log.append(number, float(number), lambda: b"<e/>")
    assert [item.number for item in await log.read(0, 0, 3)] == [40, 41, 42]
    assert log.aged == 39.0
    log.close()


async def test_numbers_go_on_even_if_all_events_are_gone(tmp_path: Path) -> None:
    log = ReplayLog(tmp_path / "log", LogLimits(age=1), now=0)
    for number in range(1, 100):
        log.append(number, 0.0, lambda: b"<e/>")
    log.append(100, 500.0, lambda: b"<e/>")
    log.close()
    again = ReplayLog(tmp_path / "log", now=9)
    assert (again.last, again.created) == (100, 0.0)
    again.close()


async def test_a_damaged_log_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "notifications.sqlite"
    path.write_bytes(b"this is no database, and it is long enough to be sure of that" * 40)
    log = ReplayLog(path, now=7)
    log.append(1, 7.0, lambda: b"<e/>")
    assert len(await log.read(0, 0, 10)) == 1
    assert log.created == 7.0
    assert "set aside" in caplog.text
    assert path.with_suffix(".damaged").exists()
    log.close()


async def test_a_good_log_on_a_disk_that_fails_is_not_taken_for_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The events of this run are replayed all the same; those of before are back once the disk is."""
    path, away = tmp_path / "notifications.sqlite", tmp_path / "away"
    log = ReplayLog(path, now=7)
    log.append(1, 7.0, lambda: b"<before/>")
    log.close()
    path.rename(away)
    path.mkdir()  # unable to open database file
    log = ReplayLog(path, now=8)
    log.append(1, 8.0, lambda: b"<meanwhile/>")
    assert [item.xml for item in await log.read(0, 0, 10)] == [b"<meanwhile/>"]
    log.close()
    assert "unable to open" in caplog.text
    path.rmdir()
    away.rename(path)
    again = ReplayLog(path, now=9)
    assert [item.xml for item in await again.read(0, 0, 10)] == [b"<before/>"]
    again.close()


async def test_a_log_whose_tables_are_not_ours_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "notifications.sqlite"
    sqlite3.connect(path).execute("CREATE TABLE events (number)").connection.close()
    log = ReplayLog(path, now=7)
    log.append(1, 7.0, lambda: b"<e/>")
    assert len(await log.read(0, 0, 10)) == 1
    assert path.with_suffix(".damaged").exists()
    log.close()


async def test_an_event_that_no_module_knows_any_more_is_left_out(weather: Weather) -> None:
    log = ReplayLog(weather.path, now=START)
    log.append(1, START, lambda: b'<flood xmlns="urn:doors"><height>3</height></flood>')
    log.close()
    lab = await weather.open()
    alice = await lab.connect()
    await alice.rpc(subscribe(0))
    assert await news(alice) == "0 replayComplete"
