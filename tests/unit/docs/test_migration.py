"""What the migration notes print is true: StarOS text imports whole, and both sides of an example mean the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryptomap.data.validation import validate
from cryptomap.ipsec.read import Reader
from cryptomap.staros import Imported, import_text
from cryptomap_backend.intent import Tunnel, TunnelId
from cryptomap_backend.strongswan.messages import Translator
from support.server import ROOT
from support.stores import VAULT
from support.yang import product_schema

STAROS, STRONGSWAN = ROOT / "docs/migrate-staros.md", ROOT / "docs/migrate-strongswan.md"
BRANCH = TunnelId("edge", "branch", "outside")


def block(path: Path, language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_text(product_schema(), block(STRONGSWAN, "staros"), seal=VAULT)


@pytest.fixture
def tunnel(imported: Imported) -> Tunnel:
    found = Reader(imported.root, VAULT).tunnel(BRANCH)
    assert found is not None
    return found


def settings(text: str) -> dict[str, str]:
    """The ``key = value`` lines of a swanctl.conf, below the names of the sections that say whose they are."""
    found, sections = {}, []
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            sections.append(line[:-1].strip())
        elif line == "}":
            sections.pop()
        else:
            key, _, value = line.partition(" = ")
            found["/".join([*sections, key])] = value
    return found


def test_every_line_of_the_example_is_taken(imported: Imported) -> None:
    assert imported.rejects == ()
    validate(product_schema(), imported.root, None)


def test_the_example_is_the_connection_it_says_it_is(tunnel: Tunnel) -> None:
    conf = settings(block(STRONGSWAN, "swanctl"))
    connection = Translator().connection(tunnel)
    body = connection.body
    (child,) = body["children"].values()
    ours = {
        "version": body["version"],
        "local_addrs": ",".join(body["local_addrs"]),
        "remote_addrs": ",".join(body["remote_addrs"]),
        "proposals": ",".join(body["proposals"]),
        "local/auth": body["local"]["auth"],
        "local/id": body["local"]["id"],
        "remote/auth": body["remote"]["auth"],
        "remote/id": body["remote"]["id"],
        "children/lan/local_ts": ",".join(child["local_ts"]),
        "children/lan/remote_ts": ",".join(child["remote_ts"]),
        "children/lan/esp_proposals": ",".join(child["esp_proposals"]),
        "children/lan/start_action": child["start_action"],
    }
    assert {f"connections/branch/{key}": value for key, value in ours.items()} | {
        "secrets/ike-branch/secret": connection.shared[0].secret.reveal().decode()
    } == conf


def test_every_command_of_the_notes_is_one() -> None:
    """StarOS words of the table are shown by the words beside them."""
    rows = re.findall(r"^\| `(show .*?)` \| `cryptomapd (show .*?)` \|$", STAROS.read_text(), re.MULTILINE)
    assert len(rows) == 6
    assert all(theirs == ours for theirs, ours in rows)
