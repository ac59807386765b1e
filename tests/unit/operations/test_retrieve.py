"""get and get-config: sources, subtree filters, XPath filters, state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from cryptomap.data.tree import Path, Value
from cryptomap.operations import Limits
from support.lab import BASE, Client, Lab, door, errors, tags


def opened(path: Path) -> Value | None:
    """State of a door: how often it was opened; nobody counts at the back."""
    _, key = path[-2]
    return None if key == "back" else "7"


@pytest_asyncio.fixture
async def alice(start: Callable[..., Awaitable[Lab]]) -> AsyncIterator[Client]:
    """A client of a server with two doors in running."""
    lab = await start(providers={"/doors:doors/door/opened": opened})
    alice = await lab.connect()
    await alice.edit(door("front", "<colour>red</colour>", "<width>90</width>") + door("back", "<width>70</width>"))
    assert await alice.rpc("<commit/>") == "<ok/>"
    yield alice


def inside(reply: str) -> str:
    """What is inside <data>."""
    start, end = f'<data xmlns="{BASE}">', "</data>"
    assert reply.startswith(start), reply
    assert reply.endswith(end), reply
    return reply[len(start) : -len(end)]


async def get_config(client: Client, more: str = "") -> str:
    return inside(await client.rpc(f"<get-config><source><running/></source>{more}</get-config>"))


def subtree(text: str) -> str:
    return f'<filter type="subtree">{text}</filter>'


BACK = "<door><name>back</name><width>70</width></door>"
ALL = '<doors xmlns="urn:doors"/>'
FRONT = "<door><name>front</name><colour>red</colour><width>90</width></door>"


def doors(*entries: str) -> str:
    return f'<doors xmlns="urn:doors">{"".join(entries)}</doors>'


async def test_everything(alice: Client) -> None:
    assert await get_config(alice) == doors(BACK, FRONT)


SUBTREES = {
    "": "",
    '<doors xmlns="urn:doors"/>': doors(BACK, FRONT),
    "<doors/>": "",  # in the namespace of the rpc
    '<doors xmlns=""/>': doors(BACK, FRONT),  # in any namespace
    '<windows xmlns="urn:doors"/>': "",
    '<doors xmlns="urn:doors"><door><name>front</name></door></doors>': doors(FRONT),
    '<doors xmlns="urn:doors"><door><name> front </name><width/></door></doors>': doors(
        "<door><name>front</name><width>90</width></door>"
    ),
    '<doors xmlns="urn:doors"><door><width>70</width></door></doors>': doors(BACK),
    '<doors xmlns="urn:doors"><door><width>71</width></door></doors>': "",
    '<doors xmlns="urn:doors"><door><colour/></door></doors>': doors(
        "<door><name>front</name><colour>red</colour></door>"
    ),
    '<o:doors xmlns:o="urn:doors"><o:door><o:name>back</o:name><o:width/></o:door></o:doors>': doors(BACK),
    '<doors xmlns="urn:doors"><!-- nothing --><door><?pi?><name><![CDATA[back]]></name></door></doors>': doors(BACK),
}


@pytest.mark.parametrize("filter_text", SUBTREES)
async def test_subtree_filters(alice: Client, filter_text: str) -> None:
    assert await get_config(alice, subtree(filter_text)) == SUBTREES[filter_text]


async def test_subtree_is_the_default_type(alice: Client) -> None:
    assert await get_config(alice, '<filter><doors xmlns="urn:doors"/></filter>') == doors(BACK, FRONT)


XPATHS = {
    "/d:doors": doors(BACK, FRONT),
    "/d:doors/d:door[d:name='back']": doors(BACK),
    "/d:doors/d:door[d:width &gt; 80]/d:colour": doors("<door><name>front</name><colour>red</colour></door>"),
    "//d:colour": doors("<door><name>front</name><colour>red</colour></door>"),
    "/doors/door[name=&quot;front&quot;]": doors(FRONT),
    "/d:doors/d:door[d:name='side']": "",
    "/d:doors/d:door[1]/d:name | /d:doors/d:door[2]/d:colour": doors(
        "<door><name>back</name></door><door><name>front</name><colour>red</colour></door>"
    ),
}


@pytest.mark.parametrize("select", XPATHS)
async def test_xpath_filters(alice: Client, select: str) -> None:
    assert await get_config(alice, f'<filter type="xpath" xmlns:d="urn:doors" select="{select}"/>') == XPATHS[select]


@pytest.mark.parametrize(
    ("filter_text", "tag", "bad"),
    [
        ('<filter type="xpath"/>', "missing-attribute", "select"),
        ('<filter type="xpath" select="/doors["/>', "invalid-value", "select"),
        ('<filter type="xpath" select="1 + 1"/>', "invalid-value", "select"),
        ('<filter type="xpath" select="$x"/>', "invalid-value", "select"),
        ('<filter type="regex"/>', "bad-attribute", "type"),
    ],
)
async def test_bad_filters(alice: Client, filter_text: str, tag: str, bad: str) -> None:
    reply = await alice.rpc(f"<get-config><source><running/></source>{filter_text}</get-config>")
    assert [(e.tag, e.info["bad-attribute"]) for e in errors(reply)] == [(tag, bad)]


async def test_get_shows_state_where_it_exists(alice: Client) -> None:
    reply = await alice.rpc(f"<get>{subtree(ALL)}</get>")
    assert inside(reply) == doors(
        BACK, "<door><name>front</name><colour>red</colour><width>90</width><opened>7</opened></door>"
    )


async def test_get_by_state(alice: Client) -> None:
    reply = await alice.rpc(
        '<get><filter type="xpath" xmlns:d="urn:doors" select="//d:door[d:opened=7]/d:opened"/></get>'
    )
    assert inside(reply) == doors("<door><name>front</name><opened>7</opened></door>")


async def test_get_without_a_filter_has_all_state(alice: Client) -> None:
    reply = inside(await alice.rpc("<get/>"))
    assert "<opened>7</opened>" in reply
    assert '<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">' in reply
    assert '<yang-library xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library">' in reply


async def test_state_is_no_configuration(alice: Client) -> None:
    assert await get_config(alice, '<filter type="xpath" select="//opened"/>') == ""


async def test_user_need_4_a_provider_that_fails_costs_its_own_part(
    start: Callable[..., Awaitable[Lab]], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(path: Path) -> Value | None:
        raise RuntimeError("the backend is away")

    lab = await start(providers={"/doors:doors/door/opened": broken})
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit/>")
    reply = await alice.rpc(f"<get>{subtree(ALL)}</get>")
    assert inside(reply) == doors("<door><name>front</name></door>")
    assert "the backend is away" in caplog.text


async def test_an_xpath_that_looks_at_too_much_is_refused(start: Callable[..., Awaitable[Lab]]) -> None:
    lab = await start(limits=Limits(xpath_nodes=50))
    alice = await lab.connect()
    await alice.edit("".join(door(f"d{number}") for number in range(60)))
    reply = await alice.rpc(
        '<get-config><source><candidate/></source><filter type="xpath" select="//name"/></get-config>'
    )
    assert [(e.tag, "50 nodes" in e.message) for e in errors(reply)] == [("invalid-value", True)]


async def test_a_long_reply_comes_whole_and_consistent(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    many = "".join(door(f"d{number:05}", "<width>90</width>") for number in range(5000))
    await alice.edit(many)
    await alice.rpc("<commit/>")
    bob.peer.reading.clear()
    bob.ask("<get-config><source><running/></source></get-config>")
    await alice.edit('<door nc:operation="delete"><name>d00000</name></door>')
    assert await alice.rpc("<commit/>") == "<ok/>"
    bob.peer.reading.set()
    assert bob.inside(await bob.receive()) == f'<data xmlns="{BASE}">{doors(many)}</data>'


async def test_source_must_be_a_datastore(alice: Client) -> None:
    assert tags(await alice.rpc("<get-config/>")) == ["missing-element"]
    assert tags(await alice.rpc("<get-config><source><startup/></source></get-config>")) == ["operation-not-supported"]
    assert tags(await alice.rpc("<get-config><source><config/></source></get-config>")) == ["bad-element"]
