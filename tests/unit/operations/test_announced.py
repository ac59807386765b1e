"""The capabilities of the hello."""

from __future__ import annotations

import re

from cryptomap.operations.capabilities import announced
from support.lab import Lab, door_schema

NETCONF = "urn:ietf:params:netconf:"


def test_protocol_capabilities_in_their_order() -> None:
    found = [uri for uri in announced(door_schema()) if uri.startswith(NETCONF) and "yang-library" not in uri]
    assert found == [
        f"{NETCONF}base:1.0",
        f"{NETCONF}base:1.1",
        f"{NETCONF}capability:candidate:1.0",
        f"{NETCONF}capability:confirmed-commit:1.1",
        f"{NETCONF}capability:rollback-on-error:1.0",
        f"{NETCONF}capability:validate:1.0",
        f"{NETCONF}capability:validate:1.1",
        f"{NETCONF}capability:xpath:1.0",
        f"{NETCONF}capability:notification:1.0",
        f"{NETCONF}capability:interleave:1.0",
        f"{NETCONF}capability:partial-lock:1.0",
        f"{NETCONF}capability:private-candidate:1.0",
        f"{NETCONF}capability:with-defaults:1.0?basic-mode=explicit&also-supported=report-all,report-all-tagged,trim",
        f"{NETCONF}capability:with-operational-defaults:1.0?basic-mode=report-all"
        "&also-supported=explicit,report-all-tagged,trim",
    ]


def test_the_library_with_its_content_id() -> None:
    wanted = f"{NETCONF}capability:yang-library:1.1?revision=2019-01-04&content-id={door_schema().content_id}"
    assert wanted in announced(door_schema())


def test_modules_in_yang_1_0_are_announced_with_their_features() -> None:
    uris = announced(door_schema())
    assert "urn:old?module=old&revision=2020-02-02&features=moss,rust" in uris
    assert not [uri for uri in uris if uri.startswith("urn:doors")]  # YANG 1.1: in the library only


async def test_the_hello_escapes_them(lab: Lab) -> None:
    alice = await lab.connect()
    assert "<capability>urn:old?module=old&amp;revision=2020-02-02&amp;features=moss,rust</capability>" in alice.hello
    said = re.findall("<capability>(.*?)</capability>", alice.hello)
    assert [uri.replace("&amp;", "&") for uri in said] == list(lab.server.capabilities)
