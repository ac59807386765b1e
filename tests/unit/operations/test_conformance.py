"""docs/conformance.md names tests that exist, and has a row for each capability."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryptomap.netconf.capabilities import Capability
from cryptomap.operations.capabilities import announced
from support.lab import door_schema

TESTS = Path(__file__).parents[2]
DOCUMENT = (TESTS.parent / "docs" / "conformance.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_named_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE)


def test_each_row_names_a_test_or_a_recording() -> None:
    rows = [line for line in DOCUMENT.splitlines() if re.match(r"\|(?! ?(Section|Operation|Capability|---))", line)]
    assert [row for row in rows if "::test_" not in row and "`recorded/" not in row] == []


def test_each_protocol_capability_has_a_row() -> None:
    everything = announced(door_schema(), startup=True, writable_running=True, url=True)
    uris = [Capability.parse(text).uri for text in everything if text.startswith("urn:ietf:params:netconf:")]
    short = [uri.removeprefix("urn:ietf:params:netconf:").removeprefix("capability:") for uri in uris]
    assert [name for name in short if f"`{name}`" not in DOCUMENT] == []
