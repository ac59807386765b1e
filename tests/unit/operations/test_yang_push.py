"""YANG-Push: periodic and on-change subscriptions to datastores (RFC 8641)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from cryptomap.data.build import build
from cryptomap.data.tree import Path, Value
from support.lab import BASE, Client, Lab, door, door_schema, errors
from support.subscriber import DS, YP, delete, establish, hints, kill, modify, resync, subscribed, terminated, told
from support.timers import ManualTimers

OpenLab = Callable[..., Awaitable[Lab]]

OURS = '<yp:datastore-subtree-filter><doors xmlns="urn:doors"/></yp:datastore-subtree-filter>'
NO_SYNC = "<yp:sync-on-start>false</yp:sync-on-start>"


class Counter:
    """State of a door: how often it was opened."""

    def __init__(self) -> None:
        self.opened: dict[object, str] = {}
        self.is_jammed = False

    def __call__(self, path: Path) -> Value | None:
        if self.is_jammed:
            raise OSError("the counter is jammed")
        return self.opened.get(path[-2][1])


@pytest.fixture
def timers() -> ManualTimers:
    return ManualTimers()


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest_asyncio.fixture
async def lab(start: OpenLab, timers: ManualTimers, counter: Counter) -> AsyncIterator[Lab]:
    """``opened`` is state that is announced."""
    yield await start(
        timers=timers, providers={"/doors:doors/door/opened": counter}, announced_state=["/doors:doors/door/opened"]
    )


@pytest_asyncio.fixture
async def bob(lab: Lab) -> Client:
    """Who changes things."""
    bob = await lab.connect("bob")
    await commit(bob, door("front", "<width>70</width>"))
    return bob


async def commit(client: Client, config: str) -> None:
    assert await client.edit(config) == "<ok/>"
    assert await client.rpc("<commit/>") == "<ok/>"


def periodic(datastore: str = "running", more: str = "", wanted: str = OURS) -> str:
    policy = f"<yp:periodic><yp:period>100</yp:period>{more}</yp:periodic>"
    return f"<yp:datastore>ds:{datastore}</yp:datastore>{wanted}{policy}"


def on_change(datastore: str = "running", more: str = "", wanted: str = OURS) -> str:
    return f"<yp:datastore>ds:{datastore}</yp:datastore>{wanted}<yp:on-change>{more}</yp:on-change>"


def update(subscription: int, *entries: str) -> str:
    content = f'<doors xmlns="urn:doors">{"".join(entries)}</doors>' if entries else ""
    return (
        f'<push-update xmlns="{YP}"><id>{subscription}</id>'
        f'<datastore-contents xmlns="{YP}">{content}</datastore-contents></push-update>'
    )


def edits(notification: str) -> list[tuple[str, str, str]]:
    """(operation, target, content of value) of a push-change-update."""
    assert notification.startswith(f'<push-change-update xmlns="{YP}"><id>'), notification
    found = re.findall(
        r"<edit><edit-id>\d+</edit-id><operation>(.*?)</operation><target>(.*?)</target>"
        r"(?:<point>.*?</point>)?(?:<where>.*?</where>)?"
        rf'(?:<value xmlns="{YP}">(.*?)</value>)?</edit>',
        notification,
    )
    assert len(found) == notification.count("<edit>"), notification
    return [(operation, target, value.replace(' xmlns="urn:doors"', "")) for operation, target, value in found]


FRONT = "<door><name>front</name><width>70</width></door>"
WIDTH = "/doors:doors/door=front/width"

# ===== periodic =====


async def test_section_3_1_periodic_updates(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, periodic())
    assert await told(alice) == update(number, FRONT)
    await commit(bob, door("front", "<width>80</width>"))
    timers.advance(1)
    assert await told(alice) == update(number, FRONT.replace("70", "80"))
    timers.advance(1)
    assert await told(alice) == update(number, FRONT.replace("70", "80"))


async def test_section_4_2_anchor_time(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice = await lab.connect()
    anchor = "<yp:anchor-time>2026-09-21T14:00:00.25Z</yp:anchor-time>"
    number = await subscribed(alice, periodic(more=anchor))
    timers.advance(0.2)
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert alice.peer.unread == b""
    timers.advance(0.05)
    assert await told(alice) == update(number, FRONT)


async def test_operational_with_state(lab: Lab, bob: Client, counter: Counter) -> None:
    counter.opened["front"] = "7"
    alice = await lab.connect()
    number = await subscribed(alice, periodic("operational"))
    assert await told(alice) == update(number, FRONT.replace("</door>", "<opened>7</opened></door>"))


async def test_an_xpath_filter(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    wanted = '<yp:datastore-xpath-filter xmlns:d="urn:doors">/d:doors/d:door/d:width</yp:datastore-xpath-filter>'
    number = await subscribed(alice, periodic(wanted=wanted))
    assert await told(alice) == update(number, FRONT)


async def test_what_is_hidden_is_not_pushed(lab: Lab, bob: Client) -> None:
    alice, root = await lab.connect(), await lab.connect("root")
    await commit(root, door("front", "<code>1234</code>"))
    number = await subscribed(alice, periodic())
    assert await told(alice) == update(number, FRONT)


async def test_stop_time_ends_it(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice = await lab.connect()
    await subscribed(alice, periodic() + "<stop-time>2026-09-21T14:13:20.5Z</stop-time>")
    await told(alice)
    timers.advance(0.5)
    assert timers.waiting == 0
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert alice.peer.unread == b""


async def test_modify_the_period(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, periodic())
    await told(alice)
    longer = "<yp:periodic><yp:period>500</yp:period></yp:periodic>"
    assert await alice.rpc(modify(number, f"<yp:datastore>ds:running</yp:datastore>{longer}")) == "<ok/>"
    assert "<period>500</period>" in await told(alice)
    timers.advance(4)
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert alice.peer.unread == b""
    timers.advance(1)
    assert await told(alice) == update(number, FRONT)


# ===== on-change =====


async def test_section_3_1_on_change_begins_with_everything(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, on_change())
    assert await told(alice) == update(number, FRONT)
    await commit(bob, door("front", "<width>80</width>") + door("back"))
    assert edits(await told(alice)) == [
        ("create", "/doors:doors/door=back", "<door><name>back</name></door>"),
        ("replace", WIDTH, "<width>80</width>"),
    ]
    await commit(bob, '<door nc:operation="delete"><name>front</name></door>')
    assert edits(await told(alice)) == [("delete", "/doors:doors/door=front", "")]


async def test_sync_on_start_may_be_off(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    await subscribed(alice, on_change(more=NO_SYNC))
    await settled(lab)
    await commit(bob, door("front", "<width>80</width>"))
    assert edits(await told(alice)) == [("replace", WIDTH, "<width>80</width>")]


async def settled(lab: Lab) -> None:
    """Wait until all subscriptions have seen what there is."""
    works = [item._work for item in lab.server.subscriptions.by_id.values() if item._work is not None]  # type: ignore[attr-defined]
    await asyncio.gather(*works)


async def test_a_commit_of_something_else_is_not_told(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    wanted = (
        '<yp:datastore-xpath-filter xmlns:d="urn:doors">/d:doors/d:door[d:name="front"]</yp:datastore-xpath-filter>'
    )
    await subscribed(alice, on_change(wanted=wanted))
    await told(alice)
    await commit(bob, door("back"))
    await settled(lab)
    await commit(bob, door("front", "<width>80</width>"))
    assert edits(await told(alice)) == [("replace", WIDTH, "<width>80</width>")]


async def test_a_hidden_change_is_not_told(lab: Lab, bob: Client) -> None:
    alice, root = await lab.connect(), await lab.connect("root")
    await subscribed(alice, on_change(wanted=""))
    assert "<width>70</width>" in await told(alice)
    await commit(root, door("front", "<code>1234</code>"))
    await settled(lab)
    await commit(bob, door("front", "<width>80</width>"))
    assert edits(await told(alice)) == [("replace", WIDTH, "<width>80</width>")]


async def test_dampening(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice = await lab.connect()
    await subscribed(alice, on_change(more="<yp:dampening-period>500</yp:dampening-period>"))
    await told(alice)
    await commit(bob, door("front", "<width>80</width>"))
    await commit(bob, door("front", "<width>90</width>"))
    timers.advance(4)
    await settled(lab)
    assert alice.peer.unread == b""
    timers.advance(1)
    assert edits(await told(alice)) == [("replace", WIDTH, "<width>90</width>")]


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ([door("front", "<width>80</width>"), FRONT], [("replace", WIDTH, "<width>70</width>")]),
        (
            [door("back"), '<door nc:operation="delete"><name>back</name></door>'],
            [("delete", "/doors:doors/door=back", "")],
        ),
        (
            ['<door nc:operation="delete"><name>front</name></door>', door("front"), FRONT],
            [("create", "/doors:doors/door=front", FRONT)],
        ),
        (
            [door("back") + door("front", "<width>80</width>"), door("back", "<width>60</width>") + FRONT],
            [
                ("create", "/doors:doors/door=back", "<door><name>back</name><width>60</width></door>"),
                ("replace", WIDTH, "<width>70</width>"),
            ],
        ),
    ],
    ids=["value", "created and deleted", "deleted and created", "beside what stays changed"],
)
async def test_section_3_3_what_changed_back_while_dampened_is_told_with_its_last_change(
    lab: Lab, bob: Client, timers: ManualTimers, commits: list[str], expected: list[tuple[str, str, str]]
) -> None:
    alice = await lab.connect()
    await commit(bob, door("side"))
    await subscribed(alice, on_change(more="<yp:dampening-period>500</yp:dampening-period>"))
    await told(alice)
    for config in commits:
        await commit(bob, config)
        await settled(lab)
    assert alice.peer.unread == b""
    timers.advance(5)
    assert edits(await told(alice)) == expected
    timers.advance(5)
    await commit(bob, door("side", "<width>60</width>"))
    assert edits(await told(alice)) == [("create", "/doors:doors/door=side/width", "<width>60</width>")]


async def test_section_3_7_patches_are_counted_from_zero_after_each_push_update(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, on_change())
    await told(alice)
    for width, expected in (("80", "0"), ("81", "1")):
        await commit(bob, door("front", f"<width>{width}</width>"))
        assert f"<patch-id>{expected}</patch-id>" in await told(alice)
    assert await alice.rpc(resync(number)) == "<ok/>"
    assert "<push-update " in await told(alice)
    await commit(bob, FRONT)
    assert "<patch-id>0</patch-id>" in await told(alice)


async def test_excluded_changes(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    excluded = "<yp:excluded-change>create</yp:excluded-change><yp:excluded-change>delete</yp:excluded-change>"
    await subscribed(alice, on_change(more=excluded))
    await told(alice)
    await commit(bob, door("back"))
    await commit(bob, door("front", "<width>80</width>"))
    assert edits(await told(alice)) == [("replace", WIDTH, "<width>80</width>")]


async def test_state_that_is_announced(lab: Lab, bob: Client, counter: Counter) -> None:
    alice = await lab.connect()
    await subscribed(alice, on_change("operational"))
    assert "<opened>" not in await told(alice)
    counter.opened["front"] = "1"
    storm(lab)
    assert edits(await told(alice)) == [("create", "/doors:doors/door=front/opened", "<opened>1</opened>")]
    counter.opened["front"] = "2"
    storm(lab)
    assert edits(await told(alice)) == [("replace", "/doors:doors/door=front/opened", "<opened>2</opened>")]


def storm(lab: Lab) -> None:
    """An event of the device."""
    lab.server.notify(build(door_schema().notifications["{urn:doors}storm"], {"wind": 1}))


async def test_a_periodic_update_without_all_of_its_state_says_so(
    lab: Lab, bob: Client, timers: ManualTimers, counter: Counter
) -> None:
    counter.opened["front"], counter.is_jammed = "7", True
    alice = await lab.connect()
    number = await subscribed(alice, periodic("operational"))
    told_so = "<incomplete-update></incomplete-update></push-update>"
    assert await told(alice) == update(number, FRONT).replace("</push-update>", told_so)
    counter.is_jammed = False
    timers.advance(1)
    assert "<opened>7</opened></door></doors></datastore-contents></push-update>" in await told(alice)


async def test_state_that_cannot_be_had_is_not_told_as_deleted(
    lab: Lab, bob: Client, timers: ManualTimers, counter: Counter
) -> None:
    counter.opened["front"] = "1"
    alice = await lab.connect()
    number = await subscribed(alice, on_change("operational"))
    assert "<opened>1</opened>" in await told(alice)
    counter.is_jammed = True
    storm(lab)
    flag = "<incomplete-update></incomplete-update>"
    assert await told(alice) == f'<push-change-update xmlns="{YP}"><id>{number}</id>{flag}</push-change-update>'
    counter.opened["front"], counter.is_jammed = "2", False
    timers.advance(10)
    assert edits(await told(alice)) == [("replace", "/doors:doors/door=front/opened", "<opened>2</opened>")]


async def test_state_that_is_not_announced_is_left_out(start: OpenLab, timers: ManualTimers, counter: Counter) -> None:
    lab = await start(timers=timers, providers={"/doors:doors/door/opened": counter})
    bob, alice = await lab.connect("bob"), await lab.connect()
    await commit(bob, FRONT)
    counter.opened["front"] = "1"
    number = await subscribed(alice, on_change("operational"))
    assert await told(alice) == update(number, FRONT)


async def test_resync(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, on_change(more=NO_SYNC))
    await settled(lab)
    assert await alice.rpc(resync(number)) == "<ok/>"
    assert await told(alice) == update(number, FRONT)


async def test_another_filter_begins_with_all_that_it_selects(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    wanted = '<yp:datastore-xpath-filter xmlns:d="urn:doors">/d:doors/d:door[d:width>75]</yp:datastore-xpath-filter>'
    number = await subscribed(alice, on_change(wanted=wanted))
    assert await told(alice) == update(number)
    assert await alice.rpc(modify(number, f"<yp:datastore>ds:running</yp:datastore>{OURS}")) == "<ok/>"
    assert "<subscription-modified " in await told(alice)
    assert await told(alice) == update(number, FRONT)


async def test_delete_and_kill(lab: Lab, bob: Client, timers: ManualTimers) -> None:
    alice, root = await lab.connect(), await lab.connect("root")
    first, second = await subscribed(alice, periodic(wanted="")), await subscribed(alice, on_change())
    for _ in range(2):
        await told(alice)
    assert await alice.rpc(delete(first)) == "<ok/>"
    assert await root.rpc(kill(second)) == "<ok/>"
    assert await told(alice) == terminated(second)
    assert timers.waiting == 0


# ===== refusals =====


@pytest.mark.parametrize(
    ("inside", "tag", "identity"),
    [
        (periodic("candidate"), "invalid-value", "ietf-yang-push:datastore-not-subscribable"),
        (
            "<yp:datastore>ds:running</yp:datastore><yp:periodic><yp:period>9</yp:period></yp:periodic>",
            "invalid-value",
            "ietf-yang-push:period-unsupported",
        ),
        (
            periodic(wanted="<yp:datastore-xpath-filter>/[</yp:datastore-xpath-filter>"),
            "invalid-value",
            "ietf-subscribed-notifications:filter-unsupported",
        ),
        ("<yp:datastore>ds:running</yp:datastore>", "missing-element", None),
    ],
)
async def test_rfc_8640_section_7_refusals(lab: Lab, inside: str, tag: str, identity: str | None) -> None:
    alice = await lab.connect()
    assert [(e.tag, e.app_tag) for e in errors(await alice.rpc(establish(inside)))] == [(tag, identity)]


async def test_a_period_that_is_too_short_is_answered_with_one_that_is_not(lab: Lab) -> None:
    alice = await lab.connect()
    short = "<yp:datastore>ds:running</yp:datastore><yp:periodic><yp:period>{}</yp:period></yp:periodic>"
    hint = "<period-hint>10</period-hint>"
    assert hints(await alice.rpc(establish(short.format(9)))) == (
        f'<error-info><establish-subscription-datastore-error-info xmlns="{YP}" xmlns:ietf-yang-push="{YP}">'
        f"<reason>ietf-yang-push:period-unsupported</reason>{hint}"
        "</establish-subscription-datastore-error-info></error-info>"
    )
    number = await subscribed(alice, periodic())
    reply = hints(await alice.rpc(modify(number, short.format(1))))
    assert hint in reply
    assert "<modify-subscription-datastore-error-info " in reply


async def test_on_change_of_nothing_that_is_announced(start: OpenLab, timers: ManualTimers, counter: Counter) -> None:
    lab = await start(timers=timers, providers={"/doors:doors/door/opened": counter})
    bob, alice = await lab.connect("bob"), await lab.connect()
    await commit(bob, FRONT)
    counter.opened["front"] = "1"
    wanted = '<yp:datastore-xpath-filter xmlns:d="urn:doors">/d:doors/d:door/d:opened</yp:datastore-xpath-filter>'
    assert [
        (e.tag, e.app_tag) for e in errors(await alice.rpc(establish(on_change("operational", wanted=wanted))))
    ] == [("operation-not-supported", "ietf-yang-push:on-change-unsupported")]


async def test_resync_of_what_cannot_be(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, periodic())
    await told(alice)
    found = [errors(await alice.rpc(resync(item)))[0] for item in (number, 999)]
    assert [(e.tag, e.app_tag) for e in found] == [
        ("operation-not-supported", "ietf-yang-push:on-change-sync-unsupported"),
        ("invalid-value", "ietf-yang-push:no-such-subscription-resync"),
    ]


async def test_the_kind_of_a_subscription_cannot_change(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    number = await subscribed(alice, on_change(more=NO_SYNC))
    reply = await alice.rpc(modify(number, periodic(wanted="")))
    assert [(e.tag, e.app_tag) for e in errors(reply)] == [("invalid-value", "ietf-yang-push:period-unsupported")]


# ===== the list =====


async def test_a_push_subscription_in_the_list(lab: Lab, bob: Client) -> None:
    alice = await lab.connect()
    await subscribed(alice, on_change(more="<yp:dampening-period>5</yp:dampening-period>"))
    await told(alice)
    reply = await alice.rpc(
        f'<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="{DS}">'
        "<datastore>ds:operational</datastore></get-data>"
    )
    assert "<sent-event-records>1</sent-event-records>" in reply
    assert (
        f'<on-change xmlns="{YP}"><dampening-period>5</dampening-period><sync-on-start>true</sync-on-start></on-change>'
    ) in reply
    assert BASE not in reply.split("<subscriptions")[1].split("</subscriptions>")[0]
