"""Operations, actions, and what says what there is (RFC 8040 sections 3.3, 3.6, 4.4.2, 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cryptomap.data.build import build
from cryptomap.data.tree import Node
from cryptomap.data.tree import Path as Instance
from cryptomap.datastore.transaction import Origin
from cryptomap.restconf.api import host_meta, providers
from cryptomap.restconf.messages import XML
from support.lab import Lab, door_schema, open_lab
from support.web import Web

RING = "/operations/doors:ring"
OPEN = "/data/doors:doors/door=front/open"


def ring(path: Instance, given: Node, origin: Origin) -> Node | None:
    times = int(given.text("times") or 0)
    return build(door_schema().operations["{urn:doors}ring"].output, {"heard": "true"}) if times > 1 else None


def open_door(path: Instance, given: Node, origin: Origin) -> Node | None:
    schema = path[-1][0].operations["{urn:doors}open"]  # type: ignore[attr-defined]
    return build(schema.output, {"creaks": "true" if path[-1][1] == "front" else "false"})


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    handlers = {"/doors:ring": ring, "/doors:doors/door/open": open_door}
    found = await open_lab(tmp_path / "state", handlers=handlers)
    found.server.providers.update(providers(found.server, lambda: "https://gateway"))
    yield found
    await found.stop()


async def test_an_operation_with_output(alice: Web) -> None:
    answer = await alice.ask("POST", RING, {"doors:input": {"times": 2}})
    assert (answer.status, answer.json) == (200, {"doors:output": {"heard": True}})
    as_xml = await alice.ask("POST", RING, '<input xmlns="urn:doors"><times>2</times></input>', XML, accept=XML)
    assert as_xml.text == '<output xmlns="urn:doors"><heard xmlns="urn:doors">true</heard></output>'


async def test_an_operation_without_output(alice: Web) -> None:
    assert (await alice.ask("POST", RING, {"doors:input": {"times": 1}})).status == 204


@pytest.mark.parametrize(
    ("target", "body", "status", "tag"),
    [
        (RING, {"doors:input": {"times": 12}}, 412, "operation-failed"),
        (RING, {"doors:input": {"times": "2"}}, 400, "invalid-value"),
        (RING, {"times": 2}, 400, "invalid-value"),
        (RING, b"", 400, "missing-element"),
        ("/operations/doors:paint", b"", 404, "invalid-value"),
        ("/operations/doors:dance", b"", 404, "invalid-value"),
        ("/operations/ietf-netconf:edit-config", b"", 404, "invalid-value"),
        ("/operations/ietf-netconf:lock", b"", 404, "invalid-value"),
        (OPEN, {"doors:input": {"angle": 99}}, 400, "invalid-value"),
        ("/data/doors:doors/door=side/open", {"doors:input": {"angle": 9}}, 409, "data-missing"),
        ("/data/doors:doors/door/open", {"doors:input": {"angle": 9}}, 400, "invalid-value"),
        ("/operations/ietf-netconf:commit", {"ietf-netconf:input": {"confirmed": [None]}}, 400, "missing-element"),
    ],
)
async def test_refusals(alice: Web, target: str, body: object, status: int, tag: str) -> None:
    answer = await alice.ask("POST", target, body)
    assert (answer.status, answer.errors[0][0]) == (status, tag), answer


async def test_who_may_not_perform_it(alice: Web) -> None:
    answer = await alice.ask("POST", "/operations/ietf-netconf:kill-session", {"ietf-netconf:input": {"session-id": 1}})
    assert (answer.status, answer.errors[0][0]) == (403, "access-denied")


async def test_an_action(alice: Web) -> None:
    answer = await alice.ask("POST", OPEN, {"doors:input": {"angle": 9}})
    assert (answer.status, answer.json) == (200, {"doors:output": {"creaks": True}})
    assert (await alice.ask("GET", OPEN)).headers["allow"] == "OPTIONS, POST"


async def test_the_api_resource(alice: Web) -> None:
    version = {"yang-library-version": "2019-01-04"}
    assert await alice.get("") == {"ietf-restconf:restconf": {"data": {}, "operations": {}, **version}}
    assert await alice.get("/yang-library-version") == {"ietf-restconf:yang-library-version": "2019-01-04"}
    assert "<data/><operations/>" in (await alice.ask("GET", "", accept=XML)).text
    assert ">2019-01-04</" in (await alice.ask("GET", "/yang-library-version", accept=XML)).text


async def test_the_operations_there_are(alice: Web) -> None:
    found = (await alice.get("/operations"))["ietf-restconf:operations"]
    assert {"doors:ring", "ietf-netconf:commit", "cryptomap-server:rollback-to"} <= set(found)
    assert not {"doors:paint", "ietf-netconf:edit-config", "notifications:create-subscription"} & set(found)
    assert found["doors:ring"] == [None]
    assert '<ring xmlns="urn:doors"/>' in (await alice.ask("GET", "/operations", accept=XML)).text


async def test_monitoring(alice: Web) -> None:
    state = (await alice.get("/data/ietf-restconf-monitoring:restconf-state"))[
        "ietf-restconf-monitoring:restconf-state"
    ]
    assert "urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit" in state["capabilities"]["capability"]
    (stream,) = state["streams"]["stream"]
    assert [item["location"] for item in stream["access"]] == [
        "https://gateway/restconf/streams/NETCONF/json",
        "https://gateway/restconf/streams/NETCONF/xml",
    ]


def test_host_meta_says_where_the_api_is() -> None:
    response = host_meta()
    assert response.headers["content-type"] == "application/xrd+xml"
    assert b"<Link rel='restconf' href='/restconf'/>" in b"".join(response.body)  # type: ignore[arg-type]
