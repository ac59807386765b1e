"""YANG Patch (RFC 8072)."""

from __future__ import annotations

from typing import Any

import pytest

from cryptomap.restconf.media import PATCH
from cryptomap.restconf.messages import XML
from support.lab import Lab
from support.web import Answer, Web

SIDE = {"doors:door": [{"name": "side", "width": 90}]}


def edit(name: str, operation: str, target: str, **more: Any) -> dict[str, Any]:
    return {"edit-id": name, "operation": operation, "target": target, **more}


async def patch(alice: Web, *edits: dict[str, Any], target: str = "/data/doors:doors") -> Answer:
    body = {"ietf-yang-patch:yang-patch": {"patch-id": "p1", "edit": list(edits)}}
    return await alice.ask("PATCH", target, body, PATCH[0])


def status(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.json["ietf-yang-patch:yang-patch-status"]
    return found


async def names(alice: Web) -> dict[str, Any]:
    doors = (await alice.get("/data/doors:doors?content=config"))["doors:doors"]["door"]
    return {door.pop("name"): door for door in doors}


async def test_edits_are_one_commit(alice: Web, lab: Lab) -> None:
    head = lab.datastores.head
    answer = await patch(
        alice,
        edit("1", "create", "/door=side", value=SIDE),
        edit("2", "delete", "/door=back"),
        edit("3", "merge", "/door=front", value={"doors:door": [{"name": "front", "width": 80}]}),
        edit("4", "remove", "/door=nobody"),
        edit("5", "replace", "/door=side/width", value={"doors:width": 91}),
    )
    assert (answer.status, status(answer)) == (200, {"patch-id": "p1", "ok": [None]})
    assert await names(alice) == {"front": {"colour": "red", "width": 80}, "side": {"width": 91}}
    assert lab.datastores.head == head + 1


async def test_the_edit_that_failed_is_named_and_none_is_taken(alice: Web, lab: Lab) -> None:
    before = lab.datastores.running.root
    answer = await patch(alice, edit("a", "create", "/door=side", value=SIDE), edit("b", "delete", "/door=nobody"))
    (failed,) = status(answer)["edit-status"]["edit"]
    assert (answer.status, failed["edit-id"]) == (409, "b")
    (error,) = failed["errors"]["error"]
    assert (error["error-tag"], error["error-path"]) == ("data-missing", "/doors:doors/door[name='nobody']")
    assert lab.datastores.running.root is before


async def test_what_the_commit_refuses_is_no_edits_fault(alice: Web) -> None:
    answer = await patch(alice, edit("a", "create", "/door=front/neighbour", value={"doors:neighbour": "front"}))
    assert answer.status == 412
    assert status(answer)["errors"]["error"][0]["error-app-tag"] == "own-neighbour"


async def test_xml(alice: Web) -> None:
    text = (
        '<yang-patch xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-patch"><patch-id>x</patch-id>'
        "<edit><edit-id>1</edit-id><operation>create</operation><target>/doors:doors/door=side</target>"
        '<value><door xmlns="urn:doors"><name>side</name></door></value></edit></yang-patch>'
    )
    answer = await alice.ask("PATCH", "/data", text, PATCH[1], accept=XML)
    head = '<yang-patch-status xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-patch"><patch-id>x</patch-id>'
    assert (answer.status, answer.text) == (200, f"{head}<ok/></yang-patch-status>")
    again = await alice.ask("PATCH", "/data", text, PATCH[1], accept=XML)
    assert again.text.startswith(f"{head}<edit-status><edit><edit-id>1</edit-id><errors xmlns=")
    assert "<error-tag>data-exists</error-tag>" in again.text


@pytest.mark.parametrize(
    "bad",
    [
        {"edit-id": "1", "operation": "create", "target": "/door=x"},
        {"edit-id": "1", "operation": "dance", "target": "/door=x"},
        {"operation": "delete", "target": "/door=x"},
        {"edit-id": "1", "operation": "move", "target": "/door=x", "where": "before"},
        {"edit-id": "1", "operation": "delete", "target": "/door=front", "where": "between"},
    ],
)
async def test_patches_that_say_too_little(alice: Web, bad: dict[str, Any]) -> None:
    answer = await patch(alice, bad)
    assert answer.status == 400
    assert answer.errors[0][0] in ("missing-element", "invalid-value")


async def test_two_edits_of_one_name(alice: Web) -> None:
    answer = await patch(alice, edit("1", "remove", "/door=x"), edit("1", "remove", "/door=y"))
    assert (answer.status, answer.message) == (400, "each edit needs an edit-id of its own")
