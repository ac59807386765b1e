"""The sample configurations are valid against our modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

SAMPLES = Path(__file__).parents[3] / "samples"
NAMESPACES = {
    "acl": "urn:cryptomap:yang:cryptomap-acl",
    "application": "urn:cryptomap:yang:cryptomap-application",
    "context": "urn:cryptomap:yang:cryptomap-context",
    "ipsec": "urn:cryptomap:yang:cryptomap-ipsec",
    "qos": "urn:cryptomap:yang:cryptomap-qos",
}
CONFIGURATION = ["seed.xml", "seed-ipsec.xml"]


def sample(name: str) -> etree._Element:
    return etree.parse(SAMPLES / name).getroot()


def content(config: etree._Element) -> str:
    return "".join(etree.tostring(child, encoding="unicode") for child in config.iterchildren(etree.Element))


def values(config: etree._Element, path: str) -> list[str]:
    found = config.xpath(f"{path}/text()", namespaces=NAMESPACES)
    assert isinstance(found, list)
    return [str(text) for text in found]


@pytest.mark.parametrize("name", ["seed.xml", "seed-ipsec.xml", "seed-qos.xml"])
def test_it_is_valid(verdict: Callable[[str], str], name: str) -> None:
    assert verdict(content(sample(name))) == ""


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.xml")))
def test_root_is_the_config_of_an_edit(name: str) -> None:
    assert sample(name).tag == "{urn:ietf:params:xml:ns:netconf:base:1.0}config"


@pytest.mark.parametrize("name", CONFIGURATION)
def test_it_has_what_the_seed_prints(name: str) -> None:
    config = sample(name)
    assert values(config, "//context:context/context:name") == ["ipsec-d", "ipsec-s"]
    assert values(config, "//ipsec:ipsec-transform-set/ipsec:dscp") == [str(0x28)]
    assert values(config, "//ipsec:peer") == ["209.165.201.1", "209.165.201.2"]
    assert values(config, "//ipsec:payload/ipsec:name") == ["foo-sa0", "foo-sa0"]
    assert values(config, "//ipsec:payload/ipsec:lifetime") == ["9000", "9000"]
    assert values(config, "//ipsec:setup-timer") == ["60"]


@pytest.mark.parametrize("name", CONFIGURATION)
def test_keys_are_clear_and_of_the_size_shown(name: str) -> None:
    assert {len(key) for key in values(sample(name), "//ipsec:pre-shared-key")} == {7}


def test_seed_is_ipsec_and_qos_together() -> None:
    """Nothing is in seed.xml that is in neither part, and nothing of a part is missing in it."""

    def leaves(name: str) -> set[str]:
        root = sample(name)
        found = set()
        for element in root.iter(etree.Element):
            if len(element) == 0 and element.text and element.text.strip():
                keys = [f"{part.tag}={part.findtext('{*}name')}" for part in element.iterancestors()]
                found.add("/".join([*reversed(keys), str(element.tag), element.text.strip()]))
        return found

    assert leaves("seed.xml") == leaves("seed-ipsec.xml") | leaves("seed-qos.xml")


def test_the_day1_violation_is_one() -> None:
    """An application of one context, protected by a crypto map of another whose transform set has a DSCP."""
    edit, running = sample("day1-violation.xml"), sample("seed.xml")
    own = values(edit, "//context:context/context:name")
    [foreign] = values(edit, "//application:protected-by/application:context")
    [name] = values(edit, "//application:protected-by/application:crypto-map")
    assert own == ["ipsec-s"]
    assert foreign == "ipsec-d"
    there = f"//context:context[context:name='{foreign}']"
    [transform_set] = values(
        running, f"{there}/ipsec:crypto-map[ipsec:name='{name}']//ipsec:payload/ipsec:transform-set"
    )
    assert values(running, f"{there}/ipsec:ipsec-transform-set[ipsec:name='{transform_set}']/ipsec:dscp") == ["40"]
