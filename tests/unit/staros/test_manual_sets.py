"""``crypto ipsec transform-set``: AH, and the sets of manual maps beside those of ``ipsec transform-set``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from cryptomap.staros.paths import entries_at, explicit

Import = Callable[..., Imported]
Reasons = Callable[[str], dict[int, str]]

T = "cryptomap-types:"
HEAD = "context c\n"
WORDS = "crypto ipsec transform-set A"
MANUAL_MAP = "crypto map m ipsec-manual\nset transform-set A\n"


def set_of(root: Node) -> Node:
    [context] = entries_at(root, "cryptomap-context:contexts/context").nodes()
    [transform_set] = entries_at(context, "cryptomap-ipsec:ipsec-transform-set").nodes()
    return transform_set


FORMS = [
    ("", {"protocol": None, "hmac": None, "encryption": None}),
    (" ah hmac md5-96", {"protocol": "ah", "hmac": f"{T}md5-96", "encryption": None}),
    (" esp hmac none cipher des-cbc", {"protocol": None, "hmac": f"{T}null", "encryption": f"{T}des-cbc"}),
    (" e h sha1 c 3", {"protocol": None, "hmac": f"{T}sha1-96", "encryption": f"{T}triple-des-cbc"}),
]


@pytest.mark.parametrize(("tail", "leafs"), FORMS)
def test_it_is_read(take: Import, tail: str, leafs: dict[str, str | None]) -> None:
    transform_set = set_of(take(f"{HEAD}{WORDS}{tail}").root)
    assert {path: explicit(transform_set, path) for path in leafs} == leafs


REFUSED = [
    (" ah hmac sha1-96 esp hmac none cipher null", "AH and ESP in one transform set is not supported here"),
    (" ah", "the line ends where 'hmac' is expected"),
    (" esp hmac sha1-96", "the line ends where 'cipher' is expected"),
    (" foo", "'foo' is not expected here"),
]


@pytest.mark.parametrize(("tail", "reason"), REFUSED)
def test_it_is_refused_with_a_reason(reasons: Reasons, tail: str, reason: str) -> None:
    refused = reasons(f"{HEAD}{WORDS}{tail}\nmode tunnel\n#exit\nip access-list a")
    assert list(refused) == [2, 3]
    assert reason in refused[2]


def test_a_set_of_a_manual_map_is_written_both_ways(take: Import, schema: Schema) -> None:
    root = take(f"{HEAD}ipsec transform-set A\nencryption des-cbc\ndscp 0x28\n#exit\n{MANUAL_MAP}").root
    text = export_text(schema, root).text
    assert "    ipsec transform-set A\n      encryption des-cbc\n      dscp 0x28\n    #exit\n" in text
    assert "    crypto ipsec transform-set A esp hmac sha1-96 cipher des-cbc\n    #exit\n" in text
    assert take(text).root == root


def test_a_set_of_no_manual_map_is_written_once(take: Import, schema: Schema) -> None:
    text = export_text(schema, take(f"{HEAD}ipsec transform-set A").root).text
    assert "crypto ipsec" not in text


DISAGREEING = [
    ("encryption des-cbc\n", "esp hmac sha1-96 cipher aes-cbc-128", "with another encryption"),
    ("", "esp hmac md5-96 cipher aes-cbc-128", "with another hmac"),
    ("", "ah hmac sha1-96", "with another protocol"),
]


@pytest.mark.parametrize(("block", "tail", "reason"), DISAGREEING)
def test_two_ways_that_disagree_are_refused(reasons: Reasons, block: str, tail: str, reason: str) -> None:
    """StarOS would have two sets of that name; here there can be one only."""
    refused = reasons(f"{HEAD}ipsec transform-set A\n{block}#exit\n{WORDS} {tail}\n")
    assert [reason in text for text in refused.values()] == [True]


def test_the_block_of_the_second_way_changes_nothing(reasons: Reasons) -> None:
    both = f"{HEAD}ipsec transform-set A\n#exit\n{WORDS} esp hmac sha1-96 cipher aes-cbc-128\n"
    assert reasons(both + "mode tunnel") == {}
    assert reasons(both + "mode transport") == {5: "a transform set of that name is here already, with another mode"}
    assert list(reasons(both + "default mode")) == [5]


def test_the_other_order_is_refused(reasons: Reasons) -> None:
    """What the second block leaves out would silently keep the algorithms of the first."""
    refused = reasons(f"{HEAD}{WORDS} esp hmac md5-96 cipher des-cbc\n#exit\nipsec transform-set A\ndscp 0x28\n#exit")
    assert list(refused) == [4, 5]
    assert "made by 'crypto ipsec transform-set'" in refused[4]


def test_what_only_the_block_can_say_of_an_ah_set_is_reported(
    configuration: Callable[[str], Node], schema: Schema
) -> None:
    leafs = "<name>A</name><protocol>ah</protocol><hmac xmlns:t='urn:cryptomap:yang:cryptomap-types'>t:md5-96</hmac>"
    sets = (
        f'<ipsec-transform-set xmlns="urn:cryptomap:yang:cryptomap-ipsec">{leafs}<dscp>40</dscp></ipsec-transform-set>'
    )
    exported = export_text(
        schema,
        configuration(
            f'<contexts xmlns="urn:cryptomap:yang:cryptomap-context"><context><name>c</name>{sets}</context></contexts>'
        ),
    )
    assert "    crypto ipsec transform-set A ah hmac md5-96\n" in exported.text
    assert [path[-1][0].name for path in exported.unsaid] == ["dscp"]
