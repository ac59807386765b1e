"""RFC 9144: what differs between two datastores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.lab import BASE, Client, Lab, door, tags
from support.nacm import nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

CMP = "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
DS = "urn:ietf:params:xml:ns:yang:ietf-datastores"
PATCH = f'<differences xmlns="{CMP}"><yang-patch><patch-id>compare</patch-id>{{}}</yang-patch></differences>'
NOTHING = f'<differences xmlns="{CMP}"></differences>'


def compare(more: str = "", source: str = "running", target: str = "candidate") -> str:
    return (
        f'<compare xmlns="{CMP}" xmlns:ds="{DS}"><source>ds:{source}</source><target>ds:{target}</target>{more}'
        "</compare>"
    )


def edit(number: int, operation: str, target: str, value: str = "", source: str = "", place: str = "") -> str:
    shown = "".join(
        f'<{name} xmlns="{CMP}">{text}</{name}>' for name, text in (("value", value), ("source-value", source)) if text
    )
    return (
        f"<edit><edit-id>{number}</edit-id><operation>{operation}</operation><target>{target}</target>{place}{shown}"
        "</edit>"
    )


def own(text: str) -> str:
    """An element with its namespace."""
    name = text[1:].partition(">")[0]
    return text.replace(f"<{name}>", f'<{name} xmlns="urn:doors">', 1)


async def with_doors(lab: Lab) -> Client:
    alice = await lab.connect()
    await alice.edit(door("back") + door("front", "<width>90</width>"))
    assert await alice.rpc("<commit/>") == "<ok/>"
    return alice


WIDTH = "<width>{}</width>"
CASES = [
    (door("a/b, c"), [("create", "/doors:doors/door=a%2Fb%2C%20c", own(door("a/b, c")), "")]),
    (
        '<door nc:operation="delete"><name>front</name></door>',
        [("delete", "/doors:doors/door=front", "", own(door("front", "<width>90</width>")))],
    ),
    (
        door("front", "<width>91</width>"),
        [("replace", "/doors:doors/door=front/width", own(WIDTH.format(91)), own(WIDTH.format(90)))],
    ),
    (
        door("front", "<colour>red</colour>"),
        [("create", "/doors:doors/door=front/colour", own("<colour>red</colour>"), "")],
    ),
    (
        '<door><name>front</name><width nc:operation="delete"/></door>',
        [("delete", "/doors:doors/door=front/width", "", own(WIDTH.format(90)))],
    ),
]


@pytest.mark.parametrize(("change", "edits"), CASES)
async def test_section_4_differences(lab: Lab, change: str, edits: list[tuple[str, str, str, str]]) -> None:
    alice = await with_doors(lab)
    assert await alice.edit(change) == "<ok/>"
    listed = "".join(edit(number, *parts) for number, parts in enumerate(edits, 1))
    reply = await alice.rpc(compare())
    assert reply == PATCH.format(listed)


async def test_section_4_the_other_way_round(lab: Lab) -> None:
    alice = await with_doors(lab)
    await alice.edit(door("side"))
    wanted = PATCH.format(edit(1, "delete", "/doors:doors/door=side", "", own(door("side"))))
    assert await alice.rpc(compare(source="candidate", target="running")) == wanted


@pytest.mark.parametrize("target", ["running", "candidate", "intended", "operational"])
async def test_section_4_no_differences(lab: Lab, target: str) -> None:
    """Operational has state besides, which running cannot have."""
    assert await (await with_doors(lab)).rpc(compare(target=target)) == NOTHING


async def test_section_4_all_compares_state_too(start: OpenLab) -> None:
    lab = await start(providers={"/doors:doors/door/opened": lambda path: "3"})
    alice = await with_doors(lab)
    reply = await alice.rpc(compare("<all/>", target="operational"))
    opened = own("<opened>3</opened>")
    assert edit(1, "create", "/doors:doors/door=back/opened", opened).partition("</edit-id>")[2] in reply


async def test_section_4_origins(lab: Lab) -> None:
    alice = await with_doors(lab)
    await alice.edit('<door nc:operation="delete"><name>back</name></door>')
    origin = ' xmlns:or="urn:ietf:params:xml:ns:yang:ietf-origin" or:origin="or:intended"'
    back = own(door("back")).replace('"urn:doors"', f'"urn:doors"{origin}')
    wanted = PATCH.format(edit(1, "create", "/doors:doors/door=back", back))
    assert await alice.rpc(compare("<report-origin/>", source="candidate", target="operational")) == wanted
    assert origin not in await alice.rpc(compare(source="candidate", target="operational"))


async def test_section_4_values_of_leaf_lists(lab: Lab) -> None:
    alice = await lab.connect()
    parts = '<config xmlns:nc="{}"><parts xmlns="urn:doors">{}</parts></config>'
    request = "<edit-config><target><candidate/></target>{}</edit-config>"
    await alice.rpc(request.format(parts.format(BASE, "<hinge>left</hinge><hinge>up</hinge>")))
    await alice.rpc("<commit/>")
    change = '<hinge nc:operation="delete">up</hinge><hinge>right</hinge>'
    await alice.rpc(request.format(parts.format(BASE, change)))
    assert await alice.rpc(compare()) == PATCH.format(
        edit(1, "delete", "/doors:parts/hinge=up", "", own("<hinge>up</hinge>"))
        + edit(2, "create", "/doors:parts/hinge=right", own("<hinge>right</hinge>"))
    )


async def test_section_4_entries_that_changed_places(lab: Lab) -> None:
    root = await set_rules(lab, nacm(rule("a", "deny"), rule("b", "permit")))
    acm = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
    move = (
        f'<edit-config><target><candidate/></target><config><nacm xmlns="{acm}"><rule-list><name>list</name>'
        '<rule xmlns:y="urn:ietf:params:xml:ns:yang:1" y:insert="first"><name>b</name></rule></rule-list></nacm>'
        "</config></edit-config>"
    )
    assert await root.rpc(move) == "<ok/>"
    where = "/ietf-netconf-acm:nacm/rule-list=list/rule=b"
    assert await root.rpc(compare()) == PATCH.format(edit(1, "move", where, place="<where>first</where>"))


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ('<subtree-filter><doors xmlns="urn:doors"><door><name>back</name></door></doors></subtree-filter>', NOTHING),
        ('<subtree-filter><doors xmlns="urn:doors"><door><name>x</name></door></doors></subtree-filter>', "no"),
        ('<xpath-filter xmlns:q="urn:doors">/q:doors/q:door[q:name="back"]</xpath-filter>', NOTHING),
        ('<xpath-filter xmlns:q="urn:doors">/q:doors/q:door[q:name="x"]</xpath-filter>', "no"),
        ('<xpath-filter xmlns:q="urn:doors">/q:doors/q:door/q:width</xpath-filter>', "patch"),
    ],
)
async def test_section_4_1_filters(lab: Lab, more: str, answer: str) -> None:
    alice = await with_doors(lab)
    await alice.edit(door("front", "<width>91</width>"))
    reply = await alice.rpc(compare(more))
    wanted = {
        "no": f'<no-matches xmlns="{CMP}"></no-matches>',
        "patch": PATCH.format(
            edit(1, "replace", "/doors:doors/door=front/width", own(WIDTH.format(91)), own(WIDTH.format(90)))
        ),
    }
    assert reply == wanted.get(answer, answer)


async def test_section_7_what_cannot_be_read_is_not_compared(start: OpenLab) -> None:
    lab = await start()
    root = await set_rules(lab, nacm(rule("f", "deny", path="/d:doors/d:door[d:name='front']")), door("front"))
    await root.edit(door("front", "<width>90</width>", "<code>1234</code>"))
    assert await (await lab.connect()).rpc(compare()) == NOTHING
    shown = await root.rpc(compare())
    assert "<code" in shown
    assert "1234" not in shown


@pytest.mark.parametrize(
    ("request_text", "tag"),
    [
        (compare(target="startup"), "invalid-value"),
        (f'<compare xmlns="{CMP}"/>', "missing-element"),
        (compare(target="nowhere"), "invalid-value"),
        (compare("<xpath-filter>count(</xpath-filter>"), "invalid-value"),
    ],
)
async def test_section_4_bad_input(lab: Lab, request_text: str, tag: str) -> None:
    assert tags(await (await lab.connect()).rpc(request_text))[0] == tag
