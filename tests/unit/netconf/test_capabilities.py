"""Capability URIs: read, written, and the base both sides speak."""

from __future__ import annotations

import pytest

from cryptomap.netconf.capabilities import BASE_1_0, BASE_1_1, Capability, common_base, module_capability

SIMPLE_CASES = [
    (Capability("urn:ietf:params:netconf:base:1.1"), "urn:ietf:params:netconf:base:1.1"),
    (
        Capability("urn:x:yang:acl", {"module": "acl", "revision": "2026-01-31", "features": "a,b"}),
        "urn:x:yang:acl?module=acl&revision=2026-01-31&features=a,b",
    ),
    (
        Capability("urn:ietf:params:netconf:capability:with-defaults:1.0", {"basic-mode": "explicit"}),
        "urn:ietf:params:netconf:capability:with-defaults:1.0?basic-mode=explicit",
    ),
    (Capability("urn:x", {"note": "a&b=c d"}), "urn:x?note=a%26b%3Dc%20d"),
]


@pytest.mark.parametrize(("capability", "text"), SIMPLE_CASES)
def test_simple_cases(capability, text):
    assert str(capability) == text
    assert Capability.parse(text) == capability
    assert Capability.parse(f"\n  {text}\n") == capability


def test_module_capability():
    text = module_capability("urn:x:m", "m", "2026-01-01", features=["f", "g"], deviations=["d"])
    assert text == "urn:x:m?module=m&revision=2026-01-01&features=f,g&deviations=d"
    assert module_capability("urn:x:m", "m") == "urn:x:m?module=m"


@pytest.mark.parametrize(
    ("ours", "theirs", "base"),
    [
        ([BASE_1_0, BASE_1_1], [BASE_1_0, BASE_1_1], "1.1"),
        ([BASE_1_0, BASE_1_1], [BASE_1_1], "1.1"),
        ([BASE_1_0, BASE_1_1], [BASE_1_0], "1.0"),
        ([BASE_1_0], [BASE_1_0, BASE_1_1], "1.0"),
        ([BASE_1_1], [BASE_1_0], None),
        ([BASE_1_1], [], None),
        ([BASE_1_1], ["urn:ietf:params:netconf:base:1.10"], None),
    ],
)
def test_common_base(ours, theirs, base):
    assert common_base(ours, theirs) == base
