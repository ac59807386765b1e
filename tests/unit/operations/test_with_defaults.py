"""RFC 6243: how replies show defaults, and defaults in edits. The basic mode is announced as explicit, and is."""

from __future__ import annotations

import pytest

from support.lab import BASE, Lab, door, errors, tags

WD = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
TAG = "urn:ietf:params:xml:ns:netconf:default:1.0"
PARTS = '<parts xmlns="urn:doors">{}</parts>'
HINGES = "<hinge>left</hinge>"


def asking(mode: str) -> str:
    return f'<with-defaults xmlns="{WD}">{mode}</with-defaults>'


async def with_parts(lab: Lab, content: str) -> None:
    root = await lab.connect("root")
    config = f"<config>{PARTS.format(content)}</config>"
    assert await root.rpc(f"<edit-config><target><candidate/></target>{config}</edit-config>") == "<ok/>"
    assert await root.rpc("<commit/>") == "<ok/>"


UNSET = "<lock>none</lock>"
TAGGED = f'<lock xmlns:wd="{TAG}" wd:default="true">none</lock>'

MODES = [
    ("explicit", HINGES, HINGES),
    ("report-all", HINGES, HINGES + UNSET),
    ("report-all-tagged", HINGES, HINGES + TAGGED),
    ("trim", HINGES, HINGES),
    # Somebody set what is the default anyway: explicit data in the basic mode, but not worth trim's while.
    ("explicit", HINGES + UNSET, HINGES + UNSET),
    ("report-all", HINGES + UNSET, HINGES + UNSET),
    ("report-all-tagged", HINGES + UNSET, HINGES + UNSET),
    ("trim", HINGES + UNSET, HINGES),
]


@pytest.mark.parametrize("operation", ["get", "get-config", "filter", "xpath"])
@pytest.mark.parametrize(("mode", "stored", "shown"), MODES)
async def test_section_3_retrieval_modes(lab: Lab, mode: str, stored: str, shown: str, operation: str) -> None:
    await with_parts(lab, stored)
    wanted = {
        "get": '<get><filter><parts xmlns="urn:doors"/></filter>{}</get>',
        "get-config": "<get-config><source><running/></source>{}</get-config>",
        "filter": '<get><filter><parts xmlns="urn:doors"><hinge/><lock/></parts></filter>{}</get>',
        "xpath": '<get><filter type="xpath" select="/parts"/>{}</get>',
    }[operation]
    reply = await (await lab.connect()).rpc(wanted.format(asking(mode)))
    assert PARTS.format(shown) in reply
    assert reply.count("<lock") == shown.count("<lock")


async def test_section_3_defaults_of_containers_nobody_made(lab: Lab) -> None:
    alice = await lab.connect()
    wanted = '<get><filter><parts xmlns="urn:doors"/></filter>{}</get>'
    assert await alice.rpc(wanted.format(asking("report-all"))) == f'<data xmlns="{BASE}">{PARTS.format(UNSET)}</data>'
    assert await alice.rpc(wanted.format(asking("explicit"))) == f'<data xmlns="{BASE}"></data>'


async def test_section_4_3_the_basic_mode_holds_without_the_parameter(lab: Lab) -> None:
    await with_parts(lab, HINGES)
    alice = await lab.connect()
    assert "with-defaults:1.0?basic-mode=explicit&amp;also-supported=report-all,report-all-tagged,trim" in alice.hello
    assert PARTS.format(HINGES) in await alice.rpc("<get-config><source><running/></source></get-config>")


@pytest.mark.parametrize("parameter", [asking("all"), asking(""), "<with-defaults>trim</with-defaults>"])
async def test_section_4_5_1_what_is_no_mode_is_refused(lab: Lab, parameter: str) -> None:
    [error] = errors(await (await lab.connect()).rpc(f"<get>{parameter}</get>"))
    assert (error.type, error.info["bad-element"]) == ("protocol", "with-defaults")
    assert error.tag == ("unknown-element" if "xmlns" not in parameter else "invalid-value")


async def test_section_4_5_2_a_tagged_default_unsets(lab: Lab) -> None:
    await with_parts(lab, "<lock>heavy</lock>")
    alice = await lab.connect()
    edit = f"<edit-config><target><candidate/></target><config>{PARTS}</config></edit-config>"
    assert await alice.rpc(edit.format(TAGGED)) == "<ok/>"
    assert await alice.rpc("<get-config><source><candidate/></source></get-config>") == f'<data xmlns="{BASE}"></data>'
    wrong = TAGGED.replace("none", "heavy")
    assert [(e.tag, e.path) for e in errors(await alice.rpc(edit.format(wrong)))] == [
        ("invalid-value", "/d:parts/d:lock")
    ]


async def test_section_4_5_2_what_report_all_tagged_shows_can_be_sent_back(lab: Lab) -> None:
    await with_parts(lab, HINGES)
    alice = await lab.connect()
    shown = await alice.rpc(f"<get-config><source><running/></source>{asking('report-all-tagged')}</get-config>")
    config = shown.removeprefix(f'<data xmlns="{BASE}">').removesuffix("</data>")
    edit = f"<edit-config><target><candidate/></target><default-operation>replace</default-operation><config>{config}"
    assert await alice.rpc(f"{edit}</config></edit-config>") == "<ok/>"
    assert not lab.datastores.modified


COPY = "<copy-config><target><candidate/></target><source><running/></source>{}</copy-config>"


@pytest.mark.parametrize(
    ("mode", "stored", "copied"),
    [
        ("explicit", HINGES, HINGES),
        ("report-all", HINGES, HINGES + UNSET),
        ("trim", HINGES + UNSET, HINGES),
    ],
)
async def test_section_4_5_3_copies(lab: Lab, mode: str, stored: str, copied: str) -> None:
    await with_parts(lab, stored)
    root = await lab.connect("root")
    assert await root.rpc(COPY.format(asking(mode))) == "<ok/>"
    assert PARTS.format(copied) in await root.rpc("<get-config><source><candidate/></source></get-config>")


async def test_section_4_5_3_a_datastore_keeps_no_tags(lab: Lab) -> None:
    assert tags(await (await lab.connect()).rpc(COPY.format(asking("report-all-tagged")))) == ["invalid-value"]


async def test_secrets_stay_what_they_are_in_a_copy_with_defaults(lab: Lab) -> None:
    root = await lab.connect("root")
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    assert await root.rpc(COPY.format(asking("report-all"))) == "<ok/>"
    front = (await root.doors()).replace("</door>", "")
    assert front in await root.rpc("<get-config><source><candidate/></source></get-config>")


async def test_defaults_of_what_is_hidden_stay_hidden(lab: Lab) -> None:
    alice = await lab.connect()
    assert "nacm" not in await alice.rpc(f"<get>{asking('report-all')}</get>")
    root = await lab.connect("root")
    assert "<write-default>deny</write-default>" in await root.rpc(f"<get>{asking('report-all')}</get>")
