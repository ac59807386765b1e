"""RFC 6241 section 8.8 (:url): files of the server, scheme file, below one directory."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.lab import BASE, Lab, door, errors, tags

OpenLab = Callable[..., Awaitable[Lab]]

SAVE = "<copy-config><target><url>file:///{}</url></target><source><running/></source></copy-config>"
LOAD = "<copy-config><target><candidate/></target><source><url>file:///{}</url></source></copy-config>"
MERGE = "<edit-config><target><candidate/></target><url>file:///{}</url></edit-config>"
DELETE = "<delete-config><target><url>file:///{}</url></target></delete-config>"
DOORS = '<config xmlns="{}"><doors xmlns="urn:doors">{}</doors></config>\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    (directory / "night").mkdir(parents=True)
    return directory


def put(path: Path, doors: str) -> None:
    path.write_text(DOORS.format(BASE, doors))


async def test_it_is_off_unless_a_directory_is_set(start: OpenLab) -> None:
    lab = await start()
    alice = await lab.connect()
    assert "capability:url" not in alice.hello
    for request in (SAVE, LOAD, MERGE):
        assert tags(await alice.rpc(request.format("a.xml"))) == ["operation-not-supported"]


async def test_it_is_announced_with_its_schemes(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    assert (
        "<capability>urn:ietf:params:netconf:capability:url:1.0?scheme=file</capability>" in (await lab.connect()).hello
    )


async def test_a_copy_to_a_file_and_back(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    root = await lab.connect("root")
    await root.edit(door("front", "<width>90</width>", "<code>1234</code>"))
    await root.rpc("<commit/>")
    assert await root.rpc(SAVE.format("night/saved.xml")) == "<ok/>"
    saved = files / "night" / "saved.xml"
    assert "<code>$cm1$" in saved.read_text()
    assert "1234" not in saved.read_text()
    assert saved.stat().st_mode & 0o777 == 0o600
    assert os.listdir(saved.parent) == ["saved.xml"]
    before = await root.doors()
    await root.edit('<door nc:operation="delete"><name>front</name></door>')
    await root.rpc("<commit/>")
    assert await root.rpc(LOAD.format("night/saved.xml")) == "<ok/>"
    assert await root.rpc("<commit/>") == "<ok/>"
    assert await root.doors() == before


async def test_a_file_gets_only_what_its_writer_may_read(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    assert await alice.rpc(SAVE.format("a.xml")) == "<ok/>"
    assert (files / "a.xml").read_text() == DOORS.format(BASE, door("front"))


async def test_edit_config_and_validate_from_a_file(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    put(files / "good.xml", door("front", "<width>90</width>"))
    put(files / "bad.xml", door("front", "<neighbour>side</neighbour>"))
    alice = await lab.connect()
    assert await alice.rpc(MERGE.format("good.xml")) == "<ok/>"
    assert await alice.doors("candidate") == door("front", "<width>90</width>")
    assert await alice.rpc("<validate><source><url>file:///good.xml</url></source></validate>") == "<ok/>"
    assert tags(await alice.rpc("<validate><source><url>file:///bad.xml</url></source></validate>")) == ["data-missing"]


async def test_defaults_in_a_file(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    namespace = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
    asked = f'<with-defaults xmlns="{namespace}">report-all-tagged</with-defaults>'
    save = SAVE.format("a.xml").replace("</copy-config>", f"{asked}</copy-config>")
    assert await (await lab.connect()).rpc(save) == "<ok/>"
    assert 'wd:default="true">none</lock>' in (files / "a.xml").read_text()


async def test_delete_config_takes_its_right(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    put(files / "a.xml", "")
    root, alice = await lab.connect("root"), await lab.connect()
    assert tags(await alice.rpc(DELETE.format("a.xml"))) == ["access-denied"]
    assert await root.rpc(DELETE.format("a.xml")) == "<ok/>"
    assert tags(await root.rpc(DELETE.format("a.xml"))) == ["data-missing"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///../outside.xml",
        "file:///night/../../outside.xml",
        "file:///%2e%2e/outside.xml",
        "file:///.hidden.xml",
        "file:///",
        "file:///a%00b.xml",
        "file:///link/outside.xml",
        "file://elsewhere/a.xml",
        "file:///a.xml?x=1",
        "file:///a%ff.xml",
        "",
        "a b",
    ],
)
@pytest.mark.parametrize("request_text", [SAVE, LOAD])
async def test_nothing_leads_out_of_the_directory(
    start: OpenLab, files: Path, tmp_path: Path, url: str, request_text: str
) -> None:
    put(tmp_path / "outside.xml", "")
    (files / "link").symlink_to(tmp_path)
    lab = await start(url_directory=files)
    [error] = errors(await (await lab.connect()).rpc(request_text.format("").replace("file:///", url)))
    assert error.tag in ("invalid-value", "operation-not-supported")
    assert (tmp_path / "outside.xml").read_text() == DOORS.format(BASE, "")


async def test_links_are_neither_read_nor_replaced(start: OpenLab, files: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside.xml", "")
    (files / "link.xml").symlink_to(tmp_path / "outside.xml")
    lab = await start(url_directory=files)
    alice = await lab.connect()
    for request in (SAVE, LOAD, MERGE):
        assert tags(await alice.rpc(request.format("link.xml"))) == ["operation-failed"]
    assert (files / "link.xml").is_symlink()


@pytest.mark.parametrize("scheme", ["https", "ftp"])
async def test_other_schemes_are_not_there(start: OpenLab, files: Path, scheme: str) -> None:
    lab = await start(url_directory=files)
    request = LOAD.format("a.xml").replace("file:", f"{scheme}:")
    assert tags(await (await lab.connect()).rpc(request)) == ["operation-not-supported"]


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ("<config", "invalid-value"),
        ("", "invalid-value"),
        ("<!DOCTYPE x><config/>", "invalid-value"),
        ('<data xmlns="urn:x"/>', "invalid-value"),
        (f'<config xmlns="{BASE}"><gate xmlns="urn:doors"/></config>', "unknown-element"),
    ],
)
async def test_files_that_hold_no_configuration(start: OpenLab, files: Path, content: str, tag: str) -> None:
    (files / "a.xml").write_text(content)
    lab = await start(url_directory=files)
    assert tags(await (await lab.connect()).rpc(LOAD.format("a.xml"))) == [tag]


async def test_files_that_cannot_be_used(start: OpenLab, files: Path) -> None:
    lab = await start(url_directory=files)
    alice = await lab.connect()
    assert tags(await alice.rpc(LOAD.format("none.xml"))) == ["data-missing"]
    assert tags(await alice.rpc(LOAD.format("night"))) == ["operation-failed"]
    assert tags(await alice.rpc(SAVE.format("night"))) == ["operation-failed"]
    assert tags(await alice.rpc(SAVE.format("none/a.xml"))) == ["operation-failed"]
    both = "<edit-config><target><candidate/></target><config/><url>file:///a.xml</url></edit-config>"
    assert tags(await alice.rpc(both)) == ["bad-element"]


@pytest.mark.parametrize("name", ["a" * 300, "a" * 238 + "\u00e4\u00e4", "/".join(["night"] * 500)])
async def test_a_name_that_no_disk_takes_is_refused(start: OpenLab, files: Path, name: str) -> None:
    lab = await start(url_directory=files)
    alice = await lab.connect()
    for request in (SAVE, LOAD):
        [error] = errors(await alice.rpc(request.format(name)))
        assert (error.tag, error.info) == ("invalid-value", {"bad-element": "url"})
        assert error.message.endswith("...' is too long: a name has at most 240 octets")
