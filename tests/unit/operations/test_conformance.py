"""The documents name tests that exist; each capability, each need and each claim about security has a row."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

import pytest

from cryptomap.netconf.capabilities import Capability
from cryptomap.operations.capabilities import announced
from support.lab import door_schema

TESTS = Path(__file__).parents[2]
DOCUMENT = (TESTS.parent / "docs" / "conformance.md").read_text()
NEEDS = (TESTS.parent / "docs" / "user-needs.md").read_text()
SECURITY = (TESTS.parent / "docs" / "security.md").read_text()
RFCS = (
    5277,
    5717,
    6022,
    6241,
    6242,
    6243,
    6470,
    7317,
    7589,
    7951,
    8071,
    8341,
    8342,
    8525,
    8526,
    8639,
    8640,
    8641,
    9144,
)
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT + NEEDS + SECURITY)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_named_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE)


def test_each_recording_named_exists() -> None:
    named = set(re.findall(r"`recorded/([\w-]+\.txt)`", DOCUMENT))
    assert named
    assert {name for name in named if not (TESTS / "recorded" / name).is_file()} == set()


@pytest.mark.parametrize("rfc", [*RFCS, "privcand"])
def test_each_rfc_that_is_served_has_rows(rfc: int | str) -> None:
    """Rows that begin with its number, or a section of its own."""
    own = re.search(rf"^## [^\n]*\b{rfc}\b[^\n]*\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = re.findall(rf"^\| [^|]*\b{rfc}\b[^|]*\|.*$", DOCUMENT, re.MULTILINE)
    rows += re.findall(r"^\| .*::test_.*$", own[1], re.MULTILINE) if own else []
    assert rows


def test_each_capability_is_used_by_a_client_of_others_or_in_a_recording() -> None:
    table = DOCUMENT.partition("## Capabilities of the hello")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `[^|]*\| (.*) \|$", table, re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if not re.match(r"`(interop/\w+\.py::test_\w+|recorded/[\w-]+\.txt)`", row)] == []


def test_each_user_need_has_a_test_of_its_name() -> None:
    rows = re.findall(r"^\| (\d+) \| .*?::test_user_need_(\d+)_", NEEDS, re.MULTILINE)
    assert rows == [(str(number), str(number)) for number in range(1, 22)]


def test_user_need_10_nothing_binds_a_yang_library_in_c() -> None:
    """Such a binding works with one version of its library only, and crashes take the server with them."""
    needed = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requires("cryptomap") or ()}
    assert needed >= {"pyang", "lxml"}
    assert needed & {"libyang", "sysrepo", "yang", "clixon", "pylibyang"} == set()
    assert not [path for path in (TESTS.parent / "server").rglob("*") if path.suffix in (".c", ".pyx", ".so", ".pyd")]


def test_each_row_names_a_test_or_a_recording() -> None:
    rows = [line for line in DOCUMENT.splitlines() if re.match(r"\|(?! ?(Section|Operation|Capability|---))", line)]
    assert [row for row in rows if "::test_" not in row and "`recorded/" not in row] == []


def test_each_protocol_capability_has_a_row() -> None:
    everything = announced(door_schema(), startup=True, writable_running=True, url=True)
    uris = [Capability.parse(text).uri for text in everything if text.startswith("urn:ietf:params:netconf:")]
    short = [uri.removeprefix("urn:ietf:params:netconf:").removeprefix("capability:") for uri in uris]
    assert [name for name in short if f"`{name}`" not in DOCUMENT] == []


def test_each_claim_about_security_names_its_test() -> None:
    tables = re.findall(r"^\| (?:Claim|Limit|Fault elsewhere) .*?\n\n", SECURITY, re.MULTILINE | re.DOTALL)
    rows = [row for table in tables for row in table.splitlines()[2:] if row]
    assert len(rows) > 40
    assert [row for row in rows if "::test_" not in row] == []
