"""Dynamic subscriptions to the event stream (RFC 8639, RFC 8640)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from cryptomap.data.build import build
from cryptomap.operations.notifications.replay_log import ReplayLog
from support.lab import Client, Lab, door_schema, errors, tags
from support.subscriber import SN, delete, establish, hints, kill, modify, subscribed, terminated, told
from support.timers import ManualTimers

OpenLab = Callable[..., Awaitable[Lab]]

STREAM = "<stream>NETCONF</stream>"
STORMS = f'<stream-subtree-filter><storm xmlns="urn:doors"/></stream-subtree-filter>{STREAM}'


@pytest.fixture
def timers() -> ManualTimers:
    return ManualTimers()


@pytest_asyncio.fixture
async def lab(start: OpenLab, timers: ManualTimers, tmp_path: Path) -> AsyncIterator[Lab]:
    yield await start(replay=ReplayLog(tmp_path / "log.sqlite", now=timers.time()), timers=timers)


def storm(lab: Lab, wind: int, secret: str | None = None) -> None:
    lab.server.notify(build(door_schema().notifications["{urn:doors}storm"], {"wind": wind, "secret": secret}))


def is_storm(wind: int) -> str:
    return f'<storm xmlns="urn:doors"><wind>{wind}</wind></storm>'


async def operational(client: Client) -> str:
    """The list of subscriptions."""
    reply = await client.rpc(
        '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" '
        'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:operational</datastore>'
        f'<subtree-filter><subscriptions xmlns="{SN}"/></subtree-filter><with-origin/></get-data>'
    )
    return "".join(re.findall("<subscriptions.*</subscriptions>", reply))


def refused(reply: str) -> list[tuple[str, str | None]]:
    return [(error.tag, error.app_tag) for error in errors(reply)]


# ===== establish =====


async def test_section_2_4_2_events_come_after_the_reply(lab: Lab) -> None:
    alice = await lab.connect()
    await subscribed(alice, STORMS)
    storm(lab, 1)
    assert await told(alice) == is_storm(1)


async def test_rfc_8640_section_3_a_session_subscribes_in_one_way_only(lab: Lab) -> None:
    old_way = '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>'
    alice, bob = await lab.connect(), await lab.connect("bob")
    number = await subscribed(alice, STORMS)
    assert tags(await alice.rpc(old_way)) == ["operation-not-supported"]
    assert await bob.rpc(old_way) == "<ok/>"
    assert tags(await bob.rpc(establish(STORMS))) == ["operation-not-supported"]
    assert await alice.rpc(delete(number)) == "<ok/>"
    assert await alice.rpc(old_way) == "<ok/>"


async def test_a_session_has_several_subscriptions(lab: Lab) -> None:
    alice = await lab.connect()
    first, second = await subscribed(alice, STORMS), await subscribed(alice, STORMS)
    assert first != second
    storm(lab, 1)
    assert [await told(alice), await told(alice)] == [is_storm(1)] * 2


async def test_xpath_filters_are_converted_to_a_boolean(lab: Lab) -> None:
    alice = await lab.connect()
    wanted = '<stream-xpath-filter xmlns:x="urn:doors">/x:storm/x:wind > 1</stream-xpath-filter>'
    await subscribed(alice, wanted + STREAM)
    await subscribed(alice, wanted.replace("> 1", "= 3") + STREAM)
    for wind in (1, 2, 3):
        storm(lab, wind)
    assert [await told(alice) for _ in range(3)] == [is_storm(2), is_storm(3), is_storm(3)]


async def test_hidden_leafs_are_hidden(lab: Lab) -> None:
    alice = await lab.connect()
    await subscribed(alice, STORMS)
    storm(lab, 1, "treasure")
    assert await told(alice) == is_storm(1)


async def test_a_configured_filter_may_be_named(lab: Lab) -> None:
    alice = await lab.connect()
    await configure(alice, f"<stream-filter><name>storms</name>{STORMS.removesuffix(STREAM)}</stream-filter>")
    await subscribed(alice, f"<stream-filter-name>storms</stream-filter-name>{STREAM}")
    storm(lab, 1)
    assert await told(alice) == is_storm(1)


async def test_section_2_7_2_a_filter_that_is_changed_or_deleted(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    path = "<name>storms</name><stream-xpath-filter xmlns:d='urn:doors'>/d:storm[d:wind > {}]</stream-xpath-filter>"
    await configure(bob, f"<stream-filter>{path.format(0)}</stream-filter>")
    number = await subscribed(alice, f"<stream-filter-name>storms</stream-filter-name>{STREAM}")
    await configure(bob, "<stream-filter><name>others</name></stream-filter>")
    await configure(bob, f"<stream-filter>{path.format(5)}</stream-filter>")
    assert await told(alice) == (
        f'<subscription-modified xmlns="{SN}"><id>{number}</id><stream-filter-name>storms</stream-filter-name>'
        f'<stream>NETCONF</stream><encoding xmlns:sn="{SN}">sn:encode-xml</encoding></subscription-modified>'
    )
    storm(lab, 3)
    storm(lab, 7)
    assert await told(alice) == is_storm(7)
    await configure(bob, '<stream-filter nc:operation="delete"><name>storms</name></stream-filter>')
    assert await told(alice) == terminated(number, "filter-unavailable")


async def configure(client: Client, inside: str) -> None:
    base = "urn:ietf:params:xml:ns:netconf:base:1.0"
    assert (
        await client.rpc(
            f'<edit-config><target><candidate/></target><config xmlns:nc="{base}">'
            f'<filters xmlns="{SN}">{inside}</filters></config></edit-config>'
        )
        == "<ok/>"
    )
    assert await client.rpc("<commit/>") == "<ok/>"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<stream-xpath-filter>/[</stream-xpath-filter>" + STREAM, ("invalid-value", f"{SN[-29:]}:filter-unsupported")),
        ("<stream>SNMP</stream>", ("invalid-value", None)),
        ("", ("data-missing", "missing-choice")),
        (STREAM + "<stop-time>2026-09-21T14:13:20Z</stop-time>", ("invalid-value", None)),
        (
            STREAM + "<replay-start-time>2026-09-21T14:13:20Z</replay-start-time>",
            ("operation-not-supported", f"{SN[-29:]}:replay-unsupported"),
        ),
        (f"<stream-filter-name>nowhere</stream-filter-name>{STREAM}", ("data-missing", "instance-required")),
        (STREAM + "<encoding>encode-json</encoding>", ("invalid-value", None)),
        (STREAM + "<dscp>10</dscp>", ("unknown-element", None)),
    ],
)
async def test_rfc_8640_section_7_refusals(lab: Lab, inside: str, expected: tuple[str, str | None]) -> None:
    alice = await lab.connect()
    assert refused(await alice.rpc(establish(inside))) == [expected]
    assert await operational(alice) == ""


async def test_a_filter_that_is_refused_is_answered_with_what_is_wrong_with_it(lab: Lab) -> None:
    alice = await lab.connect()
    bad = "<stream-xpath-filter>/[</stream-xpath-filter>"
    number = await subscribed(alice, STORMS)
    for operation, request in (("establish", establish(bad + STREAM)), ("modify", modify(number, bad))):
        reply = hints(await alice.rpc(request))
        name = f"{operation}-subscription-stream-error-info"
        assert reply.startswith(f'<error-info><{name} xmlns="{SN}" xmlns:ietf-subscribed-notifications="{SN}"><reason>')
        assert (
            "<reason>ietf-subscribed-notifications:filter-unsupported</reason><filter-failure-hint>"
            "stream-xpath-filter: XPath '/[': unexpected '[' at position 1</filter-failure-hint>"
        ) in reply
        assert reply.endswith(f"</filter-failure-hint></{name}></error-info>")


async def test_too_many_subscriptions(lab: Lab) -> None:
    alice = await lab.connect()
    for _ in range(100):
        await subscribed(alice, STORMS)
    assert refused(await alice.rpc(establish(STORMS))) == [
        ("resource-denied", "ietf-subscribed-notifications:insufficient-resources")
    ]


# ===== replay and the end =====


async def test_section_2_4_2_1_replay(lab: Lab, timers: ManualTimers) -> None:
    storm(lab, 1)
    await asyncio.sleep(0)
    timers.advance(5)
    alice = await lab.connect()
    number = await subscribed(alice, f"{STORMS}<replay-start-time>2026-09-21T14:13:20Z</replay-start-time>")
    assert await told(alice) == is_storm(1)
    assert await told(alice) == f'<replay-completed xmlns="{SN}"><id>{number}</id></replay-completed>'
    storm(lab, 2)
    assert await told(alice) == is_storm(2)


async def test_a_replay_that_begins_later_than_asked(lab: Lab, timers: ManualTimers) -> None:
    timers.advance(5)
    alice = await lab.connect()
    reply = await alice.rpc(establish(f"{STORMS}<replay-start-time>2026-01-01T00:00:00Z</replay-start-time>"))
    assert "<replay-start-time-revision" in reply
    assert "2026-09-21T14:13:20.000Z" in reply


async def test_section_2_7_3_the_end_at_the_stop_time_is_expected_and_not_told(lab: Lab, timers: ManualTimers) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, f"{STORMS}<stop-time>2026-09-21T14:13:25Z</stop-time>")
    storm(lab, 1)
    assert await told(alice) == is_storm(1)
    timers.advance(5)
    storm(lab, 2)
    assert await operational(alice) == ""
    assert alice.peer.unread == b""
    assert tags(await alice.rpc(delete(number))) == ["invalid-value"]


async def test_a_replay_of_a_time_that_is_over(lab: Lab, timers: ManualTimers) -> None:
    for wind in (1, 2, 3):
        storm(lab, wind)
        await asyncio.sleep(0)
        timers.advance(5)
    alice = await lab.connect()
    begin = f"{STORMS}<replay-start-time>2026-09-21T14:13:24Z</replay-start-time>"
    number = await subscribed(alice, f"{begin}<stop-time>2026-09-21T14:13:26Z</stop-time>")
    assert await told(alice) == is_storm(2)
    assert await told(alice) == f'<replay-completed xmlns="{SN}"><id>{number}</id></replay-completed>'
    timers.advance(0)
    storm(lab, 4)
    assert await operational(alice) == ""
    assert alice.peer.unread == b""
    reply = await alice.rpc(establish(f"{begin}<stop-time>2026-09-21T14:13:24Z</stop-time>"))
    assert [error.message for error in errors(reply)] == [
        "stop-time 2026-09-21T14:13:24Z is not after replay-start-time 2026-09-21T14:13:24Z"
    ]


async def test_section_2_4_4_delete(lab: Lab) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, STORMS)
    assert await alice.rpc(delete(number)) == "<ok/>"
    storm(lab, 1)
    assert refused(await alice.rpc(delete(number))) == [
        ("invalid-value", "ietf-subscribed-notifications:no-such-subscription")
    ]


async def test_nobody_deletes_or_modifies_another_sessions_subscription(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    number = await subscribed(alice, STORMS)
    assert tags(await bob.rpc(delete(number))) == ["invalid-value"]
    assert tags(await bob.rpc(modify(number))) == ["invalid-value"]


async def test_section_2_4_5_kill_is_for_operators(lab: Lab) -> None:
    alice, root = await lab.connect(), await lab.connect("root")
    number = await subscribed(alice, STORMS)
    assert tags(await alice.rpc(kill(number))) == ["access-denied"]
    assert await root.rpc(kill(number)) == "<ok/>"
    assert await told(alice) == terminated(number)
    assert tags(await root.rpc(kill(number))) == ["invalid-value"]


async def test_the_end_of_a_session_ends_its_subscriptions(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await subscribed(alice, STORMS)
    assert "<subscription>" in await operational(bob)
    await alice.rpc("<close-session/>")
    await alice.closed()
    assert await operational(bob) == ""


# ===== modify =====


async def test_section_2_4_3_modify(lab: Lab, timers: ManualTimers) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, STORMS)
    wanted = "<stream-xpath-filter xmlns:d='urn:doors'>/d:storm[d:wind > 5]</stream-xpath-filter>"
    assert await alice.rpc(modify(number, f"{wanted}<stop-time>2026-09-21T14:13:25Z</stop-time>")) == "<ok/>"
    assert await told(alice) == (
        f'<subscription-modified xmlns="{SN}"><id>{number}</id>'
        '<stream-xpath-filter xmlns:d="urn:doors">/d:storm[d:wind &gt; 5]</stream-xpath-filter><stream>NETCONF</stream>'
        "<stop-time>2026-09-21T14:13:25.000Z</stop-time>"
        f'<encoding xmlns:sn="{SN}">sn:encode-xml</encoding></subscription-modified>'
    )
    storm(lab, 3)
    storm(lab, 7)
    assert await told(alice) == is_storm(7)
    timers.advance(5)
    assert await operational(alice) == ""


async def test_a_modification_that_is_refused_changes_nothing(lab: Lab) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, STORMS)
    before = await operational(alice)
    assert refused(await alice.rpc(modify(number, "<stream-xpath-filter>/[</stream-xpath-filter>"))) == [
        ("invalid-value", "ietf-subscribed-notifications:filter-unsupported")
    ]
    assert await operational(alice) == before


# ===== state =====


async def test_section_3_the_streams(lab: Lab) -> None:
    alice = await lab.connect()
    reply = await alice.rpc(f'<get><filter><streams xmlns="{SN}"/></filter></get>')
    assert (
        "<stream><name>NETCONF</name><description>All notifications of all modules of this server.</description>"
        "<replay-support></replay-support><replay-log-creation-time>2026-09-21T14:13:20.000Z"
        "</replay-log-creation-time></stream>"
    ) in reply


async def test_subscriptions_are_learned_state(lab: Lab) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, STORMS)
    storm(lab, 1)
    await told(alice)
    found = await operational(alice)
    assert found.startswith(
        f'<subscriptions xmlns="{SN}" xmlns:or="urn:ietf:params:xml:ns:yang:ietf-origin" or:origin="or:learned">'
        f"<subscription><id>{number}</id><stream-subtree-filter"
    )
    assert found.endswith(
        "<receivers><receiver><name>session 1</name><sent-event-records>1</sent-event-records>"
        "<excluded-event-records>0</excluded-event-records><state>active</state></receiver></receivers>"
        "</subscription></subscriptions>"
    )


async def test_subscriptions_cannot_be_configured(lab: Lab) -> None:
    root = await lab.connect("root")
    await root.rpc(
        f'<edit-config><target><candidate/></target><config><subscriptions xmlns="{SN}"><subscription><id>1</id>'
        "<stream>NETCONF</stream><receivers><receiver><name>x</name></receiver></receivers>"
        "</subscription></subscriptions></config></edit-config>"
    )
    assert ("operation-failed", "dynamic-subscriptions-only") in refused(
        await root.rpc("<validate><source><candidate/></source></validate>")
    )
