"""What users order: insert and point (RFC 8040 sections 4.8.5 and 4.8.6), insert and move of RFC 8072."""

from __future__ import annotations

import pytest
import pytest_asyncio

from cryptomap.restconf.media import PATCH
from support.lab import Lab
from support.web import Web, web

PARTS = "/data/doors:parts"


@pytest_asyncio.fixture
async def alice(lab: Lab) -> Web:
    found = web(lab)
    parts = {"screw": [{"name": "a"}, {"name": "b/c"}], "coat": ["primer", "gloss"]}
    assert (await found.ask("POST", "/data", {"doors:parts": parts})).status == 201
    return found


async def screws(alice: Web) -> list[str]:
    return [entry["name"] for entry in (await alice.get(PARTS))["doors:parts"]["screw"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a", "b/c", "n"]),
        ("insert=first", ["n", "a", "b/c"]),
        ("insert=last", ["a", "b/c", "n"]),
        ("insert=before&point=%2Fdoors%3Aparts%2Fscrew%3Db%252Fc", ["a", "n", "b/c"]),
        ("insert=after&point=/doors:parts/screw=a", ["a", "n", "b/c"]),
    ],
)
async def test_insert_and_point(alice: Web, query: str, expected: list[str]) -> None:
    entry = {"doors:screw": [{"name": "n"}]}
    assert (await alice.ask("POST", f"{PARTS}?{query}", entry)).status == 201
    assert await screws(alice) == expected
    assert (await alice.ask("PUT", f"{PARTS}/screw=n?insert=first", entry)).status == 204
    assert await screws(alice) == ["n", "a", "b/c"]


async def test_values_have_places_too(alice: Web) -> None:
    query = "insert=before&point=/doors:parts/coat=gloss"
    assert (await alice.ask("POST", f"{PARTS}?{query}", {"doors:coat": ["filler"]})).status == 201
    assert (await alice.get(f"{PARTS}/coat")) == {"doors:coat": ["primer", "filler", "gloss"]}


@pytest.mark.parametrize(
    ("point", "status"),
    [
        ("/doors:parts/screw=none", 400),
        ("/doors:parts/coat=gloss", 400),
        ("/doors:parts/screw", 400),
        ("/doors:x", 404),
    ],
)
async def test_points_that_are_none(alice: Web, point: str, status: int) -> None:
    answer = await alice.ask("POST", f"{PARTS}?insert=before&point={point}", {"doors:screw": [{"name": "n"}]})
    assert answer.status == status
    assert await screws(alice) == ["a", "b/c"]


async def test_a_patch_inserts_and_moves(alice: Web) -> None:
    entry = {"doors:screw": [{"name": "n"}]}
    place = {"where": "after", "point": "/screw=a"}
    edits = [
        {"edit-id": "1", "operation": "insert", "target": "/screw=n", **place, "value": entry},
        {"edit-id": "2", "operation": "move", "target": "/screw=b%2Fc", "where": "first"},
    ]
    body = {"ietf-yang-patch:yang-patch": {"patch-id": "p", "edit": edits}}
    assert (await alice.ask("PATCH", PARTS, body, PATCH[0])).status == 200
    assert await screws(alice) == ["b/c", "a", "n"]
    body["ietf-yang-patch:yang-patch"]["edit"] = [{"edit-id": "3", "operation": "move", "target": "/screw=none"}]
    assert (await alice.ask("PATCH", PARTS, body, PATCH[0])).status == 404
