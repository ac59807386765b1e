"""POST, PUT, PATCH and DELETE of data (RFC 8040 sections 1.4, 4.4 to 4.7, 3.4.1, 3.5.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptomap.audit import Deed
from cryptomap.restconf.identifiers import parse_api_path
from cryptomap.restconf.messages import XML
from support.lab import Lab, open_lab
from support.web import Web, web

FRONT = "/data/doors:doors/door=front"
SIDE = {"doors:door": [{"name": "side", "width": 90}]}
SIDE_XML = '<door xmlns="urn:doors"><name>side</name><width>90</width></door>'


async def config(alice: Web) -> dict[str, dict[str, object]]:
    """The doors in running by name."""
    doors = (await alice.get("/data/doors:doors?content=config"))["doors:doors"]["door"]
    return {door.pop("name"): door for door in doors}


# ===== methods =====


async def test_post_creates_a_child(alice: Web) -> None:
    answer = await alice.ask("POST", "/data/doors:doors", SIDE)
    assert (answer.status, answer.headers["location"]) == (201, "/restconf/data/doors:doors/door=side")
    assert (await config(alice))["side"] == {"width": 90}
    again = await alice.ask("POST", "/data/doors:doors", SIDE_XML, XML)
    assert (again.status, again.errors) == (409, [("data-exists", "/doors:doors/door[name='side']")])


async def test_put_creates_and_replaces(alice: Web) -> None:
    target = "/data/doors:doors/door=side"
    assert (await alice.ask("PUT", target, SIDE_XML, XML)).status == 201
    assert (await alice.ask("PUT", target, {"doors:door": [{"name": "side", "colour": "red"}]})).status == 204
    assert (await config(alice))["side"] == {"colour": "red"}
    other = await alice.ask("PUT", FRONT, SIDE)
    assert (other.status, other.message) == (400, "the path names door=front, but the body is door=side")


async def test_patch_merges_into_what_is_there(alice: Web) -> None:
    assert (await alice.ask("PATCH", FRONT, {"doors:door": [{"name": "front", "width": 80}]})).status == 204
    assert (await config(alice))["front"] == {"colour": "red", "width": 80}
    answer = await alice.ask("PATCH", "/data/doors:doors/door=side", SIDE)
    assert (answer.status, answer.errors) == (404, [("invalid-value", "/doors:doors/door[name='side']")])


async def test_delete(alice: Web) -> None:
    assert (await alice.ask("DELETE", f"{FRONT}/colour")).status == 204
    assert (await alice.ask("DELETE", f"{FRONT}/colour")).status == 404
    assert (await alice.ask("DELETE", FRONT)).status == 204
    assert set(await config(alice)) == {"back"}
    refused = await alice.ask("DELETE", "/data")
    assert (refused.status, refused.errors) == (405, [("operation-not-supported", "")])


async def test_a_datastore_is_replaced_or_merged_into(alice: Web) -> None:
    data = {"ietf-restconf:data": {"doors:doors": SIDE}}
    assert (await alice.ask("PATCH", "/data", data)).status == 204
    assert set(await config(alice)) == {"back", "front", "side"}
    assert (await alice.ask("PUT", "/data", data)).status == 204
    assert set(await config(alice)) == {"side"}
    text = f'<data xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><doors xmlns="urn:doors">{SIDE_XML}</doors></data>'
    assert (await alice.ask("PUT", "/data", text, XML)).status == 204


async def test_values_of_a_leaf_list_are_resources(alice: Web) -> None:
    hinge = {"doors:hinge": ["top left"]}
    assert (await alice.ask("POST", "/data/doors:parts", hinge)).status == 201
    assert await alice.get("/data/doors:parts/hinge=top%20left") == hinge
    assert (await alice.ask("DELETE", "/data/doors:parts/hinge=top%20left")).status == 204
    assert (await alice.ask("GET", "/data/doors:parts/hinge=top%20left")).status == 404


async def test_a_secret_is_sealed_before_it_is_stored(alice: Web, lab: Lab) -> None:
    assert (await web(lab, "root").ask("PUT", f"{FRONT}/code", {"doors:code": "4711"})).status == 201
    shown = (await web(lab, "root").get(f"{FRONT}/code"))["doors:code"]
    assert "4711" not in shown
    assert (await alice.ask("GET", f"{FRONT}/code")).status == 404


# ===== what is refused =====


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "tag"),
    [
        ("POST", "/data/doors:doors", {"doors:door": [{"width": 90}]}, 400, "missing-element"),
        ("POST", "/data/doors:doors", {"door": [{"name": "x"}]}, 400, "invalid-value"),
        ("POST", "/data/doors:doors", {"doors:door": [{"name": "x"}, {"name": "y"}]}, 400, "invalid-value"),
        ("POST", "/data/doors:doors", {"doors:door": [{"name": "x", "width": 9}]}, 400, "invalid-value"),
        ("POST", "/data/doors:doors", {"doors:door": [{"name": "x", "opened": 9}]}, 400, "unknown-element"),
        ("POST", "/data/doors:doors", {"doors:window": {}}, 400, "unknown-element"),
        ("POST", "/data/doors:doors", "{}", 400, "invalid-value"),
        ("POST", "/data/doors:doors", "{", 400, "invalid-value"),
        ("POST", "/data/doors:doors", '{"doors:door": [], "doors:door": []}', 400, "invalid-value"),
        ("POST", "/data/doors:doors/door=side", {"doors:colour": "red"}, 404, "invalid-value"),
        ("POST", f"{FRONT}/colour", {"doors:colour": "red"}, 400, "invalid-value"),
        ("PUT", f"{FRONT}/opened", {"doors:opened": 1}, 405, "operation-not-supported"),
        ("PUT", "/data/doors:doors/door=side/colour", {"doors:colour": "red"}, 409, "data-missing"),
        ("PUT", f"{FRONT}/neighbour", {"doors:neighbour": "side"}, 409, "data-missing"),
        ("PUT", f"{FRONT}/neighbour", {"doors:neighbour": "front"}, 412, "operation-failed"),
        ("PUT", f"{FRONT}/owner", {"doors:owner": "me"}, 403, "access-denied"),
        ("DELETE", "/data/doors:doors?insert=first", "", 400, "invalid-value"),
        ("POST", "/data/doors:doors?insert=first", SIDE, 400, "bad-element"),
        ("POST", "/data/doors:doors?insert=before", SIDE, 400, "invalid-value"),
    ],
)
async def test_refusals_leave_running_alone(
    alice: Web, lab: Lab, method: str, target: str, body: object, status: int, tag: str
) -> None:
    before = lab.datastores.running.root
    answer = await alice.ask(method, target, body)
    assert (answer.status, answer.errors[0][0]) == (status, tag), answer
    assert lab.datastores.running.root is before
    assert not lab.datastores.modified


async def test_bodies_nobody_can_read(alice: Web) -> None:
    assert (await alice.ask("POST", "/data/doors:doors", SIDE, "text/plain")).status == 415
    assert (await alice.ask("POST", "/data/doors:doors", "<!DOCTYPE a><a/>", XML)).errors[0][0] == "malformed-message"
    marked = SIDE_XML.replace("<width>", '<width xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="x">')
    assert (await alice.ask("POST", "/data/doors:doors", marked, XML)).errors[0][0] == "unknown-attribute"


async def test_a_body_that_is_too_big(lab: Lab) -> None:
    small = web(lab, limit=1000)
    for body, media in (
        (f"<door>{' ' * 1000}</door>", XML),
        (f'{{"a": "{" " * 1000}"}}', "application/yang-data+json"),
    ):
        answer = await small.ask("POST", "/data/doors:doors", body, media)
        assert (answer.status, answer.errors[0][0]) == (413, "too-big")


# ===== together with NETCONF (section 1.4) =====


@pytest.mark.parametrize("datastore", ["running", "candidate"])
async def test_a_lock_of_a_session_keeps_others_out(alice: Web, lab: Lab, datastore: str) -> None:
    bob = await lab.connect("bob")
    assert await bob.rpc(f"<lock><target><{datastore}/></target></lock>") == "<ok/>"
    answer = await alice.ask("POST", "/data/doors:doors", SIDE)
    assert (answer.status, answer.errors[0][0]) == (409, "in-use")
    assert f"session {bob.session_id}" in answer.message
    assert await bob.rpc(f"<unlock><target><{datastore}/></target></unlock>") == "<ok/>"
    assert (await alice.ask("POST", "/data/doors:doors", SIDE)).status == 201


async def test_somebody_elses_changes_are_not_committed_by_the_way(alice: Web, lab: Lab) -> None:
    bob = await lab.connect("bob")
    assert await bob.edit("<door><name>shed</name></door>") == "<ok/>"
    answer = await alice.ask("POST", "/data/doors:doors", SIDE)
    assert (answer.status, answer.errors[0][0]) == (409, "in-use")
    assert await bob.rpc("<commit/>") == "<ok/>"
    assert (await alice.ask("POST", "/data/doors:doors", SIDE)).status == 201
    assert set(await config(alice)) == {"back", "front", "shed", "side"}


async def test_a_confirmed_commit_that_waits_keeps_others_out(alice: Web, lab: Lab) -> None:
    bob = await lab.connect("bob")
    assert await bob.edit("<door><name>shed</name></door>") == "<ok/>"
    assert await bob.rpc("<commit><confirmed/><persist>token</persist></commit>") == "<ok/>"
    assert (await alice.ask("POST", "/data/doors:doors", SIDE)).errors[0][0] == "in-use"


async def test_the_history_knows_who_it_was(alice: Web, lab: Lab) -> None:
    await alice.ask("DELETE", FRONT)
    last = lab.datastores.history(1)[0]
    assert (last.user, last.source, last.kind, last.deleted) == ("alice", "192.0.2.1", "commit", 1)
    assert last.session_id != 0


async def test_a_startup_datastore_follows(tmp_path: Path) -> None:
    lab = await open_lab(tmp_path / "other", datastore={"startup_enabled": True})
    assert (await web(lab).ask("POST", "/data", {"doors:doors": SIDE})).status == 201
    assert lab.datastores.read("startup") == lab.datastores.running.root
    await lab.stop()


# ===== entity tags =====


async def test_an_edit_of_what_has_changed_meanwhile_is_refused(alice: Web) -> None:
    seen = (await alice.ask("GET", FRONT)).headers["etag"]
    answer = await alice.ask("PATCH", FRONT, {"doors:door": [{"name": "front", "width": 80}]}, if_match=seen)
    assert answer.status == 204
    late = await alice.ask("DELETE", FRONT, if_match=seen)
    assert (late.status, late.errors[0][0]) == (412, "operation-failed")
    assert (await alice.ask("DELETE", FRONT, if_match=answer.headers["etag"])).status == 204


async def test_a_tag_is_that_of_the_resource_and_what_is_in_it(alice: Web) -> None:
    def tags() -> list[str]:
        targets = (
            "/data",
            "/data/doors:doors",
            "/data/doors:doors/door",
            FRONT,
            f"{FRONT}/colour",
            "/data/doors:parts",
        )
        schema, known = alice.site.server.schema, alice.site.tags
        return [known.of(parse_api_path(schema, target.removeprefix("/data"))).tag("x") for target in targets]

    before = tags()
    await alice.ask("PUT", f"{FRONT}/width", {"doors:width": 80})
    assert [new != old for new, old in zip(tags(), before, strict=True)] == [True, True, True, True, False, False]
    before = tags()
    await alice.ask("DELETE", "/data/doors:doors")
    assert [new != old for new, old in zip(tags(), before, strict=True)] == [True, True, True, True, True, False]


async def test_what_a_client_has_already_is_not_sent(alice: Web) -> None:
    got = await alice.ask("GET", FRONT)
    again = await alice.ask("GET", FRONT, if_none_match=got.headers["etag"])
    assert (again.status, again.text) == (304, "")
    assert (await alice.ask("GET", FRONT, if_modified_since=got.headers["last-modified"])).status == 304
    assert (await alice.ask("GET", FRONT, if_none_match='"0-json"')).status == 200


async def test_dates_and_absence_as_conditions(alice: Web) -> None:
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    assert (await alice.ask("DELETE", FRONT, if_unmodified_since=old)).status == 412
    assert (await alice.ask("DELETE", FRONT, if_unmodified_since="yesterday")).status == 400
    assert (await alice.ask("PUT", FRONT, {"doors:door": [{"name": "front"}]}, if_none_match="*")).status == 412
    assert (await alice.ask("PUT", "/data/doors:doors/door=side", SIDE, if_none_match="*")).status == 201
    assert (await alice.ask("PUT", "/data/doors:doors/door=shed", SIDE, if_match="*")).status != 201


# ===== the candidate (RFC 8527) =====


async def test_the_candidate_is_edited_without_a_commit(alice: Web, lab: Lab) -> None:
    target = "/ds/ietf-datastores:candidate/doors:doors"
    answer = await alice.ask("POST", target, SIDE)
    assert answer.headers == {"location": f"/restconf{target}/door=side"}
    assert lab.datastores.modified
    assert (await alice.ask("POST", "/operations/ietf-netconf:commit")).status == 204
    assert set(await config(alice)) == {"back", "front", "side"}
    assert (await alice.ask("DELETE", f"{target}/door=side")).status == 204
    assert (await alice.ask("POST", "/operations/ietf-netconf:discard-changes")).status == 204
    assert not lab.datastores.modified
    running = await alice.ask("DELETE", "/ds/ietf-datastores:running/doors:doors")
    assert (running.status, running.errors[0][0]) == (501, "operation-not-supported")


# ===== the record of who did what =====


async def test_edits_are_recorded_the_refused_ones_too(tmp_path: Path) -> None:
    deeds: list[Deed] = []
    lab = await open_lab(tmp_path / "other", witness=deeds.append)
    alice = web(lab)
    await alice.ask("POST", "/data", {"doors:doors": {"door": [{"name": "front"}]}})
    await alice.ask("PUT", f"{FRONT}/owner", {"doors:owner": "me"})
    await alice.ask("GET", "/data/doors:doors/door=nobody")
    await lab.stop()
    found = [(deed.kind, deed.operation, str(deed.outcome), deed.user) for deed in deeds if deed.kind != "server"]
    assert found == [
        ("commit", "commit", "ok", "alice"),
        ("rpc", "restconf-post", "ok", "alice"),
        ("rpc", "restconf-put", "denied", "alice"),
    ]
