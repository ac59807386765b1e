"""get-data, edit-data and the datastores of NMDA (RFC 8526, RFC 8342, RFC 8525)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from cryptomap.data.tree import Path, Value
from support.lab import BASE, Client, Error, Lab, door, door_schema, errors, tags

OpenLab = Callable[..., Awaitable[Lab]]

NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DS = 'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"'
ORIGIN = "urn:ietf:params:xml:ns:yang:ietf-origin"
INTENDED = f' xmlns:or="{ORIGIN}" or:origin="or:intended"'
DEFAULT = f' xmlns:or="{ORIGIN}" or:origin="or:default"'
TAGGED = ' xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true"'
OURS = '<subtree-filter><doors xmlns="urn:doors"/><parts xmlns="urn:doors"/></subtree-filter>'
BACK = "<door><name>back</name><width>70</width></door>"
FRONT = "<door><name>front</name><colour>red</colour></door>"


def opened(path: Path) -> Value | None:
    """State of a door: how often it was opened; nobody counts at the back."""
    return None if path[-2][1] == "back" else "7"


@pytest_asyncio.fixture
async def alice(start: OpenLab) -> AsyncIterator[Client]:
    """A client of a server with two doors and a hinge in running. The lock of the parts has the default none."""
    lab = await start(providers={"/doors:doors/door/opened": opened})
    alice = await lab.connect()
    await alice.edit(BACK + FRONT)
    await alice.rpc(
        "<edit-config><target><candidate/></target><config>"
        '<parts xmlns="urn:doors"><hinge>left</hinge></parts></config></edit-config>'
    )
    assert await alice.rpc("<commit/>") == "<ok/>"
    yield alice


def get_data(datastore: str, more: str = OURS) -> str:
    return f'<get-data xmlns="{NMDA}" {DS} xmlns:or="{ORIGIN}"><datastore>ds:{datastore}</datastore>{more}</get-data>'


async def data(client: Client, datastore: str, more: str = OURS) -> str:
    """What is inside <data>, where the namespace of doors goes without saying."""
    reply = await client.rpc(get_data(datastore, more))
    found = re.fullmatch(rf'<data xmlns="{NMDA}">(.*)</data>', reply, re.DOTALL)
    assert found, reply
    return found[1].replace(' xmlns="urn:doors"', "")


def doors(*entries: str, origin: str = "") -> str:
    return f"<doors{origin}>{''.join(entries)}</doors>"


def parts(*inner: str, origin: str = "") -> str:
    return f"<parts{origin}>{''.join(inner)}</parts>"


HINGE = "<hinge>left</hinge>"
LOCK = "<lock>none</lock>"
OPENED_FRONT = "<door><name>front</name><colour>red</colour><opened>7</opened></door>"
OPENED = doors("<door><name>front</name><opened>7</opened></door>")

# ===== datastores =====


@pytest.mark.parametrize("name", ["running", "candidate", "intended"])
async def test_section_3_1_1_a_datastore_of_configuration(alice: Client, name: str) -> None:
    assert await data(alice, name) == doors(BACK, FRONT) + parts(HINGE)


async def test_operational_has_state_and_the_values_in_use(alice: Client) -> None:
    assert await data(alice, "operational") == doors(BACK, OPENED_FRONT) + parts(HINGE, LOCK)


async def test_the_candidate_differs_from_running(alice: Client) -> None:
    await alice.edit(door("back", "<width>80</width>"))
    assert "<width>80</width>" in await data(alice, "candidate")
    assert "<width>70</width>" in await data(alice, "running")


async def test_a_datastore_there_is_not(alice: Client) -> None:
    assert [(e.tag, e.info) for e in errors(await alice.rpc(get_data("startup")))] == [
        ("invalid-value", {"bad-element": "datastore"})
    ]
    assert tags(await alice.rpc(get_data("moon"))) == ["invalid-value"]
    assert tags(await alice.rpc(f'<get-data xmlns="{NMDA}"/>')) == ["missing-element"]


async def test_an_unknown_parameter(alice: Client) -> None:
    assert tags(await alice.rpc(get_data("running", "<colour/>"))) == ["unknown-element"]


# ===== filters =====


async def test_a_subtree_filter(alice: Client) -> None:
    wanted = '<subtree-filter><doors xmlns="urn:doors"><door><name>front</name></door></doors></subtree-filter>'
    assert await data(alice, "operational", wanted) == doors(OPENED_FRONT)


async def test_an_xpath_filter_whose_prefixes_are_in_scope(alice: Client) -> None:
    wanted = '<xpath-filter xmlns:x="urn:doors">/x:doors/x:door[x:opened=7]/x:colour</xpath-filter>'
    assert await data(alice, "operational", wanted) == doors("<door><name>front</name><colour>red</colour></door>")


async def test_an_xpath_filter_that_gives_no_nodes(alice: Client) -> None:
    reply = await alice.rpc(get_data("running", '<xpath-filter xmlns:x="urn:doors">count(/x:doors)</xpath-filter>'))
    assert tags(reply) == ["invalid-value"]
    assert "<error-info><bad-element>xpath-filter</bad-element></error-info>" in reply
    assert tags(await alice.rpc(get_data("running", "<xpath-filter>/[</xpath-filter>"))) == ["invalid-value"]


async def test_a_filter_that_finds_nothing(alice: Client) -> None:
    assert await data(alice, "running", '<subtree-filter><storm xmlns="urn:nowhere"/></subtree-filter>') == ""


async def test_without_a_filter_there_is_everything(alice: Client) -> None:
    reply = await data(alice, "operational", "")
    assert doors(BACK, OPENED_FRONT) in reply
    assert "<netconf-state " in reply


async def test_config_filter_true_leaves_out_state(alice: Client) -> None:
    wanted = f"{OURS}<config-filter>true</config-filter>"
    assert await data(alice, "operational", wanted) == doors(BACK, FRONT) + parts(HINGE, LOCK)
    assert "netconf-state" not in await data(alice, "operational", "<config-filter>true</config-filter>")


async def test_config_filter_true_does_not_select_by_state(alice: Client) -> None:
    wanted = (
        '<subtree-filter><doors xmlns="urn:doors"><door><opened/></door></doors></subtree-filter>'
        "<config-filter>true</config-filter>"
    )
    assert await data(alice, "operational", wanted) == ""


async def test_config_filter_false_leaves_state_and_what_it_stands_in(alice: Client) -> None:
    wanted = f"{OURS}<config-filter>false</config-filter>"
    assert await data(alice, "operational", wanted) == doors("<door><name>front</name><opened>7</opened></door>")


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ("1", "<doors></doors>"),
        ("2", "<doors><door><name>back</name></door><door><name>front</name></door></doors>"),
        ("3", doors(BACK, OPENED_FRONT)),
        ("unbounded", doors(BACK, OPENED_FRONT)),
    ],
)
async def test_max_depth_counts_from_what_is_selected(alice: Client, depth: str, expected: str) -> None:
    wanted = '<subtree-filter><doors xmlns="urn:doors"/></subtree-filter>'
    assert await data(alice, "operational", f"{wanted}<max-depth>{depth}</max-depth>") == expected


async def test_max_depth_counts_from_a_selected_entry(alice: Client) -> None:
    wanted = '<xpath-filter xmlns:x="urn:doors">/x:doors/x:door</xpath-filter>'
    keys = "<door><name>back</name></door><door><name>front</name></door>"
    assert await data(alice, "operational", f"{wanted}<max-depth>1</max-depth>") == doors(keys)
    assert await data(alice, "operational", f"{wanted}<max-depth>2</max-depth>") == doors(BACK, OPENED_FRONT)


async def test_max_depth_without_a_filter_counts_from_the_top(alice: Client) -> None:
    reply = await data(alice, "operational", "<max-depth>1</max-depth>")
    assert "<doors></doors>" in reply
    assert "<capabilities>" not in reply


# ===== origin =====


async def test_rfc_8342_section_7_origins_top_level_nodes_and_what_differs_from_its_parent(alice: Client) -> None:
    assert await data(alice, "operational", f"{OURS}<with-origin/>") == doors(
        BACK, OPENED_FRONT, origin=INTENDED
    ) + parts(HINGE, f"<lock{DEFAULT}>none</lock>", origin=INTENDED)


async def test_state_has_no_origin(alice: Client) -> None:
    monitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
    wanted = f'<subtree-filter><netconf-state xmlns="{monitoring}"/></subtree-filter><with-origin/>'
    assert f'<netconf-state xmlns="{monitoring}"><capabilities>' in await data(alice, "operational", wanted)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("<origin-filter>or:default</origin-filter>", OPENED + parts(LOCK)),
        ("<origin-filter>or:intended</origin-filter>", doors(BACK, OPENED_FRONT) + parts(HINGE)),
        ("<negated-origin-filter>or:default</negated-origin-filter>", doors(BACK, OPENED_FRONT) + parts(HINGE)),
        ("<origin-filter>or:learned</origin-filter>", OPENED),
        ("<origin-filter>or:learned</origin-filter><config-filter>true</config-filter>", ""),
    ],
)
async def test_origin_filters_take_configuration_only(alice: Client, wanted: str, expected: str) -> None:
    assert await data(alice, "operational", OURS + wanted) == expected


@pytest.mark.parametrize("leaf", ["<with-origin/>", "<origin-filter>or:default</origin-filter>"])
async def test_origins_are_for_operational(alice: Client, leaf: str) -> None:
    assert tags(await alice.rpc(get_data("running", leaf))) == ["invalid-value"]


# ===== with-defaults =====


@pytest.mark.parametrize(
    ("datastore", "mode", "expected"),
    [
        ("running", "report-all", LOCK),
        ("running", "explicit", ""),
        ("running", "report-all-tagged", f"<lock{TAGGED}>none</lock>"),
        ("operational", "trim", ""),
        ("operational", "explicit", ""),
        ("operational", "report-all", LOCK),
        ("operational", "report-all-tagged", f"<lock{TAGGED}>none</lock>"),
    ],
)
async def test_section_3_1_1_2_with_defaults(alice: Client, datastore: str, mode: str, expected: str) -> None:
    wanted = f'<subtree-filter><parts xmlns="urn:doors"/></subtree-filter><with-defaults>{mode}</with-defaults>'
    assert await data(alice, datastore, wanted) == parts(HINGE, expected)


async def test_the_capability_of_operational_defaults(alice: Client) -> None:
    assert (
        "urn:ietf:params:netconf:capability:with-operational-defaults:1.0"
        "?basic-mode=report-all&amp;also-supported=explicit,report-all-tagged,trim"
    ) in alice.hello


# ===== access control =====


async def test_what_is_hidden_is_hidden_here_too(lab: Lab) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    for name in ("running", "operational"):
        assert "<code>" in await data(root, name)
        assert "<code>" not in await data(alice, name)
        wanted = '<xpath-filter xmlns:x="urn:doors">/x:doors/x:door[x:code]</xpath-filter>'
        assert await data(alice, name, wanted) == ""


# ===== edit-data, lock, validate =====


def edit_data(datastore: str, config: str, more: str = "") -> str:
    return (
        f'<edit-data xmlns="{NMDA}" {DS} xmlns:nc="{BASE}"><datastore>ds:{datastore}</datastore>{more}'
        f'<config><doors xmlns="urn:doors">{config}</doors></config></edit-data>'
    )


async def test_section_3_1_2_edit_data(alice: Client) -> None:
    delete = '<door nc:operation="delete"><name>front</name></door>'
    assert await alice.rpc(edit_data("candidate", f"{delete}<door><name>side</name></door>")) == "<ok/>"
    assert await data(alice, "candidate") == doors(BACK, "<door><name>side</name></door>") + parts(HINGE)
    assert await alice.rpc(edit_data("candidate", BACK, "<default-operation>replace</default-operation>")) == "<ok/>"
    assert await data(alice, "candidate") == doors(BACK)


async def test_edit_data_is_all_or_nothing(alice: Client) -> None:
    reply = await alice.rpc(
        edit_data("candidate", "<door><name>side</name></door><door><name>x</name><width>1</width></door>")
    )
    assert tags(reply) == ["invalid-value"]
    assert await data(alice, "candidate") == doors(BACK, FRONT) + parts(HINGE)


@pytest.mark.parametrize("name", ["running", "intended", "operational", "startup", "moon"])
async def test_edit_data_of_what_cannot_be_written(alice: Client, name: str) -> None:
    assert [(e.tag, e.info) for e in errors(await alice.rpc(edit_data(name, BACK)))] == [
        ("invalid-value", {"bad-element": "datastore"})
    ]


async def test_edit_data_of_running_where_it_is_writable(start: OpenLab) -> None:
    lab = await start(datastore={"writable_running": True})
    alice = await lab.connect()
    assert await alice.rpc(edit_data("running", BACK)) == "<ok/>"
    assert await alice.doors("running") == BACK


async def test_section_3_2_lock_unlock_and_validate_by_identity(alice: Client) -> None:
    candidate = f'<datastore xmlns="{NMDA}" {DS}>ds:candidate</datastore>'
    assert await alice.rpc(f"<lock><target>{candidate}</target></lock>") == "<ok/>"
    assert await alice.rpc(f"<validate><source>{candidate}</source></validate>") == "<ok/>"
    assert await alice.rpc(f"<unlock><target>{candidate}</target></unlock>") == "<ok/>"
    operational = f'<datastore xmlns="{NMDA}" {DS}>ds:operational</datastore>'
    assert errors(await alice.rpc(f"<lock><target>{operational}</target></lock>")) == [
        Error(
            "invalid-value",
            "lock: 'ds:operational' is none of the datastores for it here",
            "protocol",
            info={"bad-element": "datastore"},
        )
    ]


# ===== YANG library =====


async def test_rfc_8525_the_library_lists_operational_and_its_content_id(alice: Client) -> None:
    library = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
    reply = await alice.rpc(
        get_data("operational", f'<subtree-filter><yang-library xmlns="{library}"/></subtree-filter>')
    )
    names = re.findall(r"<datastore><name[^>]*>\w+:(\w+)</name>", reply)
    assert set(names) == {"running", "candidate", "intended", "operational"}
    assert f"<content-id>{door_schema().content_id}</content-id>" in reply
