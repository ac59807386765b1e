"""GET of data (RFC 8040 sections 3.3 to 3.5, 4.2, 4.3, 4.8)."""

from __future__ import annotations

import pytest

from cryptomap.restconf.messages import XML
from support.web import Web

FRONT = {"name": "front", "colour": "red", "opened": 7}
BACK = {"name": "back", "width": 70, "opened": 7}


async def test_an_instance_is_an_object_with_one_member(alice: Web) -> None:
    assert await alice.get("/data/doors:doors/door=front") == {"doors:door": [FRONT]}
    assert await alice.get("/data/doors:doors") == {"doors:doors": {"door": [BACK, FRONT]}}
    assert await alice.get("/data/doors:doors/door=front/colour") == {"doors:colour": "red"}


async def test_an_instance_is_an_element(alice: Web) -> None:
    answer = await alice.ask("GET", "/data/doors:doors/door=front", accept=XML)
    assert answer.headers["content-type"] == XML
    expected = '<door xmlns="urn:doors"><name>front</name><colour>red</colour><opened>7</opened></door>'
    assert answer.text == expected


async def test_a_list_as_a_whole_is_for_json(alice: Web) -> None:
    assert await alice.get("/data/doors:doors/door") == {"doors:door": [BACK, FRONT]}
    assert (await alice.ask("GET", "/data/doors:doors/door", accept=XML)).status == 400


async def test_a_datastore(alice: Web) -> None:
    found = await alice.get("/data?content=config")
    assert set(found) == {"ietf-restconf:data"}
    assert set(found["ietf-restconf:data"]["doors:doors"]["door"][0]) == {"name", "width"}
    answer = await alice.ask("GET", "/data?content=config&depth=1", accept=XML)
    assert answer.text == '<data xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"></data>'


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("content=config", {"name": "front", "colour": "red"}),
        ("content=nonconfig", {"name": "front", "opened": 7}),
        ("content=all", FRONT),
        ("depth=1", {"name": "front"}),
        ("depth=2", FRONT),
        ("fields=colour", {"name": "front", "colour": "red"}),
        ("fields=colour;opened&content=config", {"name": "front", "colour": "red"}),
        ("fields=doors:opened", {"name": "front", "opened": 7}),
        ("fields=width", {"name": "front"}),
    ],
)
async def test_what_a_query_leaves_of_an_entry(alice: Web, query: str, expected: object) -> None:
    assert await alice.get(f"/data/doors:doors/door=front?{query}") == {"doors:door": [expected]}


async def test_fields_of_a_list_and_of_a_datastore(alice: Web) -> None:
    short = [{"name": "back", "width": 70}, {"name": "front"}]
    assert await alice.get("/data/doors:doors?fields=door(name;width)") == {"doors:doors": {"door": short}}
    assert await alice.get("/data/doors:doors/door?fields=width") == {"doors:door": short[:1]}
    whole = await alice.get("/data?fields=doors:doors/door(width)")
    assert whole == {"ietf-restconf:data": {"doors:doors": {"door": short[:1]}}}


@pytest.mark.parametrize("text", ["nothing", "door/", "door(", "door(name))", ";", "door/name/deeper", "door=front"])
async def test_fields_that_are_wrong(alice: Web, text: str) -> None:
    answer = await alice.ask("GET", f"/data/doors:doors?fields={text}")
    assert (answer.status, answer.errors) == (400, [("invalid-value", "")])


async def test_defaults(alice: Web) -> None:
    """RFC 8040 section 4.8.9: the basic mode is explicit."""
    assert (await alice.ask("GET", "/data/doors:parts/lock")).status == 404
    assert await alice.get("/data/doors:parts/lock?with-defaults=report-all") == {"doors:lock": "none"}
    tagged = await alice.get("/data/doors:parts?with-defaults=report-all-tagged")
    assert tagged == {"doors:parts": {"lock": "none", "@lock": {"ietf-netconf-with-defaults:default": True}}}
    answer = await alice.ask("GET", "/data/doors:parts/lock?with-defaults=report-all-tagged", accept=XML)
    assert 'wd:default="true" xmlns="urn:doors">none</lock>' in answer.text
    assert (await alice.ask("PUT", "/data/doors:parts/lock", {"doors:lock": "none"})).status == 201
    assert await alice.get("/data/doors:parts") == {"doors:parts": {"lock": "none"}}
    assert await alice.get("/data/doors:parts?with-defaults=trim") == {"doors:parts": {}}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/data/doors:doors/door=side", 404),
        ("/data/doors:windows", 404),
        ("/data/doors", 404),
        ("/data/doors:doors/door/name", 400),
        ("/data/doors:doors/door=front,back", 400),
        ("/data/doors:doors=front", 400),
        ("/data/doors:doors/door=front/width", 404),
        ("/ds/ietf-datastores:nothing", 404),
        ("/nothing", 404),
        ("/data/doors:doors?depth=0", 400),
        ("/data/doors:doors?content=some", 400),
        ("/data/doors:doors?insert=first", 400),
        ("/data/doors:doors?depth=1&depth=2", 400),
        ("/data/doors:doors?with-defaults=none", 400),
    ],
)
async def test_what_is_not_there_and_what_is_wrong(alice: Web, target: str, status: int) -> None:
    answer = await alice.ask("GET", target)
    assert (answer.status, answer.errors[0][0]) == (status, "invalid-value")


async def test_head_is_get_without_the_body(alice: Web) -> None:
    got, head = [await alice.ask(method, "/data/doors:doors") for method in ("GET", "HEAD")]
    assert (head.status, head.text, head.headers) == (200, "", got.headers)


async def test_options_tell_the_methods(alice: Web) -> None:
    answer = await alice.ask("OPTIONS", "/data/doors:doors")
    assert answer.headers["allow"] == "OPTIONS, HEAD, GET, POST, PUT, PATCH, DELETE"
    assert "application/yang-patch+json" in answer.headers["accept-patch"]
    state = await alice.ask("OPTIONS", "/data/ietf-yang-library:yang-library")
    assert state.headers == {"allow": "OPTIONS, HEAD, GET"}
    refused = await alice.ask("DELETE", "/data/ietf-yang-library:yang-library")
    assert (refused.status, refused.headers["allow"]) == (405, "OPTIONS, HEAD, GET")


async def test_a_media_type_nobody_has(alice: Web) -> None:
    assert (await alice.ask("GET", "/data/doors:doors", accept="text/html")).status == 406
    answer = await alice.ask("GET", "/data/doors:doors", accept=f"text/html, {XML};q=0.5, */*;q=0.1")
    assert answer.headers["content-type"] == XML


async def test_errors_as_xml(alice: Web) -> None:
    answer = await alice.ask("GET", "/data/doors:doors/door=side", accept=XML)
    assert answer.text.startswith(
        '<errors xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><error><error-type>application</error-type>'
        '<error-tag>invalid-value</error-tag><error-path xmlns:d="urn:doors">'
        "/d:doors/d:door[d:name='side']</error-path>"
    )


async def test_the_datastores_of_nmda(alice: Web) -> None:
    """RFC 8527: the candidate, and the configuration in use."""
    door = {"doors:door": [{"name": "side"}]}
    assert (await alice.ask("POST", "/ds/ietf-datastores:candidate/doors:doors", door)).status == 201
    assert await alice.get("/ds/ietf-datastores:candidate/doors:doors/door=side") == door
    assert (await alice.ask("GET", "/data/doors:doors/door=side")).status == 404
    operational = await alice.get("/ds/ietf-datastores:operational/doors:parts/lock?with-defaults=report-all")
    assert operational == {"doors:lock": "none"}
