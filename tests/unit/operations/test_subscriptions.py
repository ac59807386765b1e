"""create-subscription and the notifications that follow."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator

import pytest

from cryptomap.data.build import build
from cryptomap.datastore.transaction import Transition
from cryptomap.errors import ErrorPath, OperationFailed, RpcError
from cryptomap.operations import Limits
from cryptomap.schema.nodes import ListNode, Notification
from support.lab import Client, Error, Lab, door, door_schema, errors, tags
from support.nacm import nacm, rule, set_rules
from support.stores import Clock
from support.timers import ManualTimers

OpenLab = Callable[..., Awaitable[Lab]]

NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
RFC_6470 = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
WARNING = "urn:cryptomap:yang:cryptomap-server"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def subscribe(inside: str = "") -> str:
    return f'<create-subscription xmlns="{NOTIFICATION}">{inside}</create-subscription>'


async def news(client: Client) -> str:
    """The content of the next notification."""
    message = await client.receive()
    match = re.fullmatch(
        rf'<notification xmlns="{NOTIFICATION}"><eventTime>{TIME}</eventTime>(.*)</notification>', message, re.DOTALL
    )
    assert match, message
    return match[1]


def storm(lab: Lab, wind: int, secret: str | None = None) -> None:
    schema = door_schema().notifications["{urn:doors}storm"]
    lab.server.notify(build(schema, {"wind": wind, "secret": secret}))


def slammed(lab: Lab, name: str, force: int) -> None:
    """The notification of one door, which is defined inside the list."""
    doors = door_schema().find("/doors:doors")
    entry = door_schema().find("/doors:doors/door")
    assert isinstance(entry, ListNode)
    notification: Notification = entry.notifications["{urn:doors}slammed"]
    lab.server.notify(build(notification, {"force": force}), ((doors, None), (entry, name)))


def is_storm(wind: int) -> str:
    return f'<storm xmlns="urn:doors"><wind>{wind}</wind></storm>'


# ===== subscribing =====


async def test_notifications_of_any_thread_come_in_their_order(lab: Lab) -> None:
    alice = await lab.connect()
    assert await alice.rpc(subscribe()) == "<ok/>"
    storm(lab, 1)
    await asyncio.to_thread(storm, lab, 2)
    assert await news(alice) == is_storm(1)
    assert await news(alice) == is_storm(2)


async def test_nobody_else_gets_them(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.rpc(subscribe())
    storm(lab, 1)
    await news(alice)
    assert bob.peer.unread == b""


async def test_a_session_with_a_subscription_takes_requests(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe("<stream>NETCONF</stream>"))
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    storm(lab, 1)
    assert await news(alice) == is_storm(1)
    assert await alice.rpc("<close-session/>") == "<ok/>"


async def test_a_notification_inside_a_data_node(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe())
    slammed(lab, "front", 9)
    assert await news(alice) == (
        '<doors xmlns="urn:doors"><door><name>front</name><slammed><force>9</force></slammed></door></doors>'
    )


async def test_base_1_0(lab: Lab) -> None:
    alice = await lab.connect(base="1.0")
    await alice.rpc(subscribe())
    storm(lab, 1)
    assert await news(alice) == is_storm(1)


async def test_hidden_nodes_are_left_out(lab: Lab) -> None:
    alice, root = await lab.connect(), await lab.connect("root")
    await alice.rpc(subscribe())
    await root.rpc(subscribe())
    storm(lab, 1, "treasure")
    assert await news(alice) == is_storm(1)
    assert "<secret>treasure</secret>" in await news(root)


FILTERS = [
    '<filter><storm xmlns="urn:doors"><wind>2</wind></storm></filter>',
    '<filter type="xpath" xmlns:d="urn:doors" select="/d:storm[d:wind=2]"/>',
    '<filter type="xpath" select="/storm/wind[. &gt; 1]"/>',
]


@pytest.mark.parametrize("filter_text", FILTERS)
async def test_filters(lab: Lab, filter_text: str) -> None:
    alice = await lab.connect()
    assert await alice.rpc(subscribe(filter_text)) == "<ok/>"
    slammed(lab, "front", 9)
    storm(lab, 1)
    storm(lab, 2)
    assert await news(alice) == is_storm(2)


INSIDE_DATA = [
    '<filter><doors xmlns="urn:doors"><door><name>back</name><slammed/></door></doors></filter>',
    '<filter type="xpath" xmlns:d="urn:doors" select="/d:doors/d:door[d:name=\'back\']/d:slammed"/>',
]


@pytest.mark.parametrize("filter_text", INSIDE_DATA)
async def test_filters_reach_notifications_inside_data_nodes(lab: Lab, filter_text: str) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe(filter_text))
    slammed(lab, "front", 8)
    slammed(lab, "back", 9)
    assert "<name>back</name><slammed><force>9</force></slammed>" in await news(alice)


async def test_a_filter_does_not_find_what_is_hidden(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe('<filter type="xpath" select="/storm[secret=\'treasure\' or wind=2]"/>'))
    storm(lab, 1, "treasure")
    storm(lab, 2)
    assert await news(alice) == is_storm(2)


@pytest.mark.parametrize(
    ("inside", "tag", "info"),
    [
        ("<stream>SNMP</stream>", "invalid-value", {"bad-element": "stream"}),
        ("<startTime>2026-01-01T00:00:00Z</startTime>", "operation-not-supported", {"bad-element": "startTime"}),
        ("<stopTime>2026-01-01T00:00:00Z</stopTime>", "missing-element", {"bad-element": "startTime"}),
        ("<color/>", "unknown-element", {"bad-element": "color"}),
        ('<filter type="xpath" select="/["/>', "invalid-value", {"bad-attribute": "select", "bad-element": "filter"}),
    ],
)
async def test_bad_subscriptions(lab: Lab, inside: str, tag: str, info: dict[str, str]) -> None:
    alice = await lab.connect()
    assert [(e.tag, e.type, e.info) for e in errors(await alice.rpc(subscribe(inside)))] == [(tag, "protocol", info)]
    assert await alice.rpc(subscribe()) == "<ok/>"


async def test_one_subscription_a_session(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe())
    assert errors(await alice.rpc(subscribe())) == [
        Error("in-use", "this session has a subscription already", "protocol")
    ]


async def test_a_notification_waits_for_the_end_of_a_long_reply(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe('<filter><storm xmlns="urn:doors"/></filter>'))
    await alice.edit("".join(door(f"d{number:05}") for number in range(5000)))
    alice.peer.reading.clear()
    alice.ask("<get-config><source><candidate/></source></get-config>")
    await alice.peer.is_waited_for.wait()
    storm(lab, 1)
    bob = await lab.connect("bob")  # by then the event is queued
    await bob.rpc("<discard-changes/>")
    alice.peer.reading.set()
    assert "<name>d04999</name>" in alice.inside(await alice.receive())
    assert await news(alice) == is_storm(1)


# ===== slow readers =====


@pytest.mark.parametrize("limits", [Limits(queued_notifications=3), Limits(queued_bytes=150)])
async def test_who_does_not_read_is_dropped_and_delays_nobody(
    start: OpenLab, limits: Limits, caplog: pytest.LogCaptureFixture
) -> None:
    lab = await start(limits=limits)
    slow, quick = await lab.connect("slow"), await lab.connect("quick")
    await slow.rpc(subscribe())
    await quick.rpc(subscribe('<filter><storm xmlns="urn:doors"/></filter>'))
    slow.peer.reading.clear()
    for wind in range(6):
        storm(lab, wind)
        assert await news(quick) == is_storm(wind)
    assert await slow.closed() == "notifications were not read"
    assert "session 1 (slow at 192.0.2.1) is dropped: it does not read its notifications" in caplog.text


# ===== what the server itself announces =====


async def test_a_change_of_running(lab: Lab) -> None:
    watcher, alice = await lab.connect("bob"), await lab.connect()
    await alice.edit(door("back", "<width>70</width>") + door("front"))
    await alice.rpc("<commit/>")
    await watcher.rpc(subscribe())
    await alice.edit(
        door("back", "<width>80</width>") + door("it's") + '<door nc:operation="delete"><name>front</name></door>'
    )
    await alice.rpc("<commit/>")
    target = '<target xmlns:d="urn:doors">/d:doors/d:door[d:name='
    assert await news(watcher) == (
        f'<netconf-config-change xmlns="{RFC_6470}"><changed-by><username>alice</username><session-id>2</session-id>'
        "<source-host>192.0.2.1</source-host></changed-by><datastore>running</datastore>"
        f"<edit>{target}'back']/d:width</target><operation>replace</operation></edit>"
        f"<edit>{target}'front']</target><operation>delete</operation></edit>"
        f"<edit>{target}&quot;it's&quot;]</target><operation>create</operation></edit>"
        "</netconf-config-change>"
    )


async def test_a_change_of_startup(start: OpenLab) -> None:
    lab = await start(datastore={"startup_enabled": True})
    watcher, root = await lab.connect("bob"), await lab.connect("root")
    await root.edit(door("front"))
    await root.rpc("<commit/>")
    await watcher.rpc(subscribe())

    def told(target: str, operation: str) -> str:
        return (
            f'<netconf-config-change xmlns="{RFC_6470}"><changed-by><username>root</username><session-id>2</session-id>'
            "<source-host>192.0.2.1</source-host></changed-by><datastore>startup</datastore>"
            f'<edit><target xmlns:d="urn:doors">{target}</target><operation>{operation}</operation></edit>'
            "</netconf-config-change>"
        )

    copy = "<copy-config><target><startup/></target><source><running/></source></copy-config>"
    assert [await root.rpc(copy), await root.rpc(copy)] == ["<ok/>", "<ok/>"]
    assert await news(watcher) == told("/d:doors", "create")
    assert await root.rpc("<delete-config><target><startup/></target></delete-config>") == "<ok/>"
    assert await news(watcher) == told("/d:doors", "delete")


async def test_a_change_by_the_server(start: OpenLab) -> None:
    clock = Clock()
    lab = await start(datastore={"clock": clock})
    watcher, alice = await lab.connect("bob"), await lab.connect()
    await watcher.rpc(subscribe(f'<filter><netconf-config-change xmlns="{RFC_6470}"/></filter>'))
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/></commit>")
    await news(watcher)
    clock.advance(601)
    await lab.writer.run(lab.datastores.tick)
    assert await news(watcher) == (
        f'<netconf-config-change xmlns="{RFC_6470}"><changed-by><server></server></changed-by>'
        '<datastore>running</datastore><edit><target xmlns:d="urn:doors">/d:doors</target>'
        "<operation>delete</operation></edit></netconf-config-change>"
    )


async def test_a_change_that_no_instance_identifier_can_name(lab: Lab) -> None:
    watcher, alice = await lab.connect("bob"), await lab.connect()
    await alice.edit(door("first"))
    await alice.rpc("<commit/>")
    await watcher.rpc(subscribe())
    await alice.edit(door('it\'s a "door"'))
    await alice.rpc("<commit/>")
    assert '<target xmlns:d="urn:doors">/d:doors</target><operation>merge</operation>' in await news(watcher)


async def test_a_huge_change_is_told_by_its_top(lab: Lab) -> None:
    watcher, alice = await lab.connect("bob"), await lab.connect()
    await watcher.rpc(subscribe())
    await alice.edit(door("first"))
    await alice.rpc("<commit/>")
    await alice.edit("".join(door(f"d{number}") for number in range(1001)))
    await alice.rpc("<commit/>")
    await news(watcher)
    assert (
        '<edit><target xmlns:d="urn:doors">/d:doors</target><operation>merge</operation></edit></netconf-config-change>'
    ) in await news(watcher)


async def test_sessions_that_begin_and_end(lab: Lab) -> None:
    watcher = await lab.connect("root")
    await watcher.rpc(subscribe())
    alice = await lab.connect()
    common = "<username>alice</username><session-id>2</session-id><source-host>192.0.2.1</source-host>"
    assert await news(watcher) == (f'<netconf-session-start xmlns="{RFC_6470}">{common}</netconf-session-start>')
    await alice.rpc("<close-session/>")
    assert await news(watcher) == (
        f'<netconf-session-end xmlns="{RFC_6470}">{common}'
        "<termination-reason>closed</termination-reason></netconf-session-end>"
    )


async def end_by_close(lab: Lab, watcher: Client, victim: Client) -> None:
    victim.ask("<close-session/>")


async def end_by_kill(lab: Lab, watcher: Client, victim: Client) -> None:
    root = await lab.connect("root")
    await news(watcher)  # the beginning of that session
    await root.rpc(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")


async def end_by_drop(lab: Lab, watcher: Client, victim: Client) -> None:
    victim.peer.put(b"")


async def end_by_nonsense(lab: Lab, watcher: Client, victim: Client) -> None:
    victim.peer.put(b"\nnonsense")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (end_by_close, "<termination-reason>closed</termination-reason>"),
        (end_by_kill, "<killed-by>3</killed-by><termination-reason>killed</termination-reason>"),
        (end_by_drop, "<termination-reason>dropped</termination-reason>"),
        (end_by_nonsense, "<termination-reason>other</termination-reason>"),
    ],
)
async def test_why_a_session_ended(
    lab: Lab, end: Callable[[Lab, Client, Client], Awaitable[None]], reason: str
) -> None:
    watcher, victim = await lab.connect("bob"), await lab.connect()
    await watcher.rpc(subscribe())
    await end(lab, watcher, victim)
    assert reason in await news(watcher)


async def test_a_session_that_times_out(start: OpenLab) -> None:
    timers = ManualTimers()
    lab = await start(limits=Limits(idle_timeout=600), timers=timers)
    watcher = await lab.connect("bob")
    await watcher.rpc(subscribe())  # who waits for events is not idle
    await lab.connect()
    await news(watcher)
    timers.advance(600)
    assert await news(watcher) == (
        f'<netconf-session-end xmlns="{RFC_6470}"><username>alice</username><session-id>2</session-id>'
        "<source-host>192.0.2.1</source-host><termination-reason>timeout</termination-reason></netconf-session-end>"
    )


async def test_a_bad_hello(lab: Lab) -> None:
    watcher = await lab.connect("bob")
    await watcher.rpc(subscribe())
    stranger = lab.dial()
    stranger.peer.put(b"<hello/>]]>]]>")
    assert "<termination-reason>bad-hello</termination-reason>" in await news(watcher)


async def test_the_course_of_a_confirmed_commit(start: OpenLab) -> None:
    clock = Clock()
    lab = await start(datastore={"clock": clock})
    watcher, alice = await lab.connect("bob"), await lab.connect()
    await watcher.rpc(subscribe(f'<filter><netconf-confirmed-commit xmlns="{RFC_6470}"/></filter>'))
    who = "<username>alice</username><session-id>2</session-id><source-host>192.0.2.1</source-host>"

    def event(name: str, more: str = "", who: str = who) -> str:
        inside = f"{who}<confirm-event>{name}</confirm-event>{more}"
        return f'<netconf-confirmed-commit xmlns="{RFC_6470}">{inside}</netconf-confirmed-commit>'

    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>")
    assert await news(watcher) == event("start", "<timeout>60</timeout>")
    await alice.rpc("<commit><confirmed/><confirm-timeout>90</confirm-timeout></commit>")
    assert await news(watcher) == event("extend", "<timeout>90</timeout>")
    await alice.rpc("<commit/>")
    assert await news(watcher) == event("complete")
    await alice.edit(door("back"))
    await alice.rpc("<commit><confirmed/></commit>")
    await news(watcher)
    await alice.rpc("<cancel-commit/>")
    assert await news(watcher) == event("cancel")
    await alice.edit(door("back"))
    await alice.rpc("<commit><confirmed/></commit>")
    await news(watcher)
    clock.advance(601)
    await lab.writer.run(lab.datastores.tick)
    assert await news(watcher) == event("timeout", who="")


def grumble(transition: Transition) -> Iterator[RpcError]:
    """A commit rule that only warns."""
    path = ErrorPath("/d:doors/d:door[d:name='a:b']", {"d": "urn:doors"})
    beside = ErrorPath("/d:doors/d:door[d:name='beside']", {"d": "urn:doors"})
    yield OperationFailed("doors are old-fashioned", app_tag="no-doors", path=path, severity="warning")
    message = "doors are beside one another"
    yield OperationFailed(message, app_tag="beside", path=path, severity="warning", mentions=[beside])


async def test_warnings_of_a_commit(start: OpenLab) -> None:
    lab = await start(datastore={"checks": [grumble]})
    alice = await lab.connect()
    await alice.rpc(subscribe(f'<filter><commit-warning xmlns="{WARNING}"/></filter>'))
    await alice.edit(door("a:b"))
    alice.ask("<commit/>")
    messages = [await alice.receive(), await alice.receive()]
    assert any("<ok/>" in message for message in messages)
    assert any(
        f'<commit-warning xmlns="{WARNING}"><username>alice</username><session-id>1</session-id><warning>'
        "<rule>no-doors</rule><path xmlns:d=\"urn:doors\">/d:doors/d:door[d:name='a:b']</path>"
        "<message>doors are old-fashioned</message></warning><warning>"
        "<rule>beside</rule><path xmlns:d=\"urn:doors\">/d:doors/d:door[d:name='a:b']</path>"
        "<mentions xmlns:d=\"urn:doors\">/d:doors/d:door[d:name='beside']</mentions>"
        "<message>doors are beside one another</message></warning></commit-warning>" in message
        for message in messages
    )


@pytest.mark.parametrize(
    ("hidden", "told"), [("beside", ["no-doors"]), ("a:b", [])], ids=["what it mentions", "what it is about"]
)
async def test_no_warning_about_what_the_subscriber_may_not_read(start: OpenLab, hidden: str, told: list[str]) -> None:
    lab = await start(datastore={"checks": [grumble]})
    may_not = rule("hidden", "deny", path=f"/d:doors/d:door[d:name='{hidden}']")
    root = await set_rules(lab, nacm(may_not), door("a:b"))
    alice = await lab.connect()
    await alice.rpc(subscribe(f'<filter><commit-warning xmlns="{WARNING}"/></filter>'))
    await root.edit(door("a:b", "<width>90</width>"))
    await root.rpc("<commit/>")
    message = await alice.receive()
    assert "<commit-warning" in message
    assert re.findall("<rule>(.*?)</rule>", message) == told
    assert hidden not in message


async def test_what_happens_after_the_server_stopped_is_nobodys_business(lab: Lab) -> None:
    await lab.server.stop()
    storm(lab, 1)


async def test_sending_is_counted(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(subscribe())
    storm(lab, 1)
    await news(alice)
    assert tags(await alice.rpc("<dance/>")) == ["operation-not-supported"]
    assert lab.server.sessions.statistics.out_notifications == 1
