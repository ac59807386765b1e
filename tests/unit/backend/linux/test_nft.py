"""The nftables document, the marks it looks at and what shows on devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.conformance import example_l2
from cryptomap_backend.intent import L2Table
from cryptomap_backend.linux.egress import Marked, Priorities
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.linux.netlink import Frame, attribute
from cryptomap_backend.linux.nft import Program, document, removal
from cryptomap_backend.linux.nftables import digest_in, table_question


@given(st.none() | st.integers(0, 63), st.integers(0, 25), st.integers(0, 2**32 - 1))
def test_a_mark_carries_a_dscp_whatever_else_it_carries(dscp: int | None, shift: int, others: int) -> None:
    marks = Marks(shift)
    assert marks.value(dscp) & ~marks.mask == 0
    assert marks.dscp(marks.value(dscp) | others & ~marks.mask) == dscp


def test_unset_and_zero_differ() -> None:
    assert (Marks().text(None), Marks().text(0), Marks().text(0x28)) == ("0x0/0x7f", "0x40/0x7f", "0x68/0x7f")


def test_the_fallback_looks_at_packets_without_a_dscp_only() -> None:
    lines = document(Program()).splitlines()
    assert "    meta l4proto { 50, 51 } ip dscp 0 meta mark and 0x7f vmap @fallback4" in lines
    assert "    meta l4proto { 50, 51 } ip6 dscp 0 meta mark and 0x7f vmap @fallback6" in lines
    assert "  chain dscp4-40 { ip dscp set 40; }" in lines
    assert "  chain dscp6-40 { ip6 dscp set 40; }" in lines
    (mapping,) = [line for line in lines if line.startswith("  map fallback4")]
    assert "0x68 : goto dscp4-40," in mapping
    assert "0x40 :" not in mapping  # DSCP 0 changes nothing


def test_the_document_replaces_our_table_and_names_no_other() -> None:
    first, second, third, *_ = document(Program(table="ours")).splitlines()
    assert (first, second, third) == ("table inet ours { }", "delete table inet ours", "table inet ours {")
    assert removal("ours") == "table inet ours { }\ndelete table inet ours\n"


def test_another_position_of_the_mark() -> None:
    text = document(Program(marks=Marks(8)))
    assert "meta mark and 0x7f00 vmap @fallback4" in text
    assert "0x6800 : goto dscp4-40" in text


def test_without_devices_nothing_gets_a_priority() -> None:
    assert "meta priority" not in document(Program())


def test_priorities_on_the_devices_that_mark() -> None:
    lines = document(Program(dscp_to_cos=example_l2().dscp_to_cos, devices=("v100", "v300"))).splitlines()
    assert '    oifname { "v100", "v300" } goto marking' in lines
    assert "    meta nfproto ipv4 meta priority set ip dscp map @priorities" in lines
    assert "    ip6 dscp 40 meta priority set 4351:1" in lines
    assert "    ip6 dscp 41 meta priority set 4351:0" in lines
    (mapping,) = [line for line in lines if line.startswith("  map priorities")]
    assert "40 : 4351:1," in mapping
    other = document(Program(dscp_to_cos=example_l2().dscp_to_cos, devices=("v100",), priorities=Priorities(bank=1)))
    assert "40 : 4351:9," in other


def test_packets_of_a_vrf_are_known_by_their_mark() -> None:
    text = document(Program(vrfs=((1, "red"), (2, "blue"))))
    assert (
        """
  chain vrf-prerouting {
    type filter hook prerouting priority mangle - 1; policy accept;
    iifname "red" meta mark set meta mark and 0xffff807f or 0x80
    iifname "blue" meta mark set meta mark and 0xffff807f or 0x100
  }
  chain vrf-output {
    type route hook output priority mangle - 1; policy accept;
    oifname "red" meta mark set meta mark and 0xffff807f or 0x80
    oifname "blue" meta mark set meta mark and 0xffff807f or 0x100
  }
"""
        in text
    )
    assert "vrf" not in document(Program())


def test_programs_that_differ_have_other_digests() -> None:
    digests = {Program().digest, Program(marks=Marks(1)).digest, Program(devices=("v100",)).digest}
    assert len(digests) == 3
    assert f'comment "{Program().digest}"' in document(Program())


def test_the_question_for_our_table() -> None:
    question = table_question("ours")
    assert (question.kind, question.body.hex()) == (0x0A01, "01000000" + "09000100" + b"ours\0".hex() + "000000")


@pytest.mark.parametrize("comment", [Program().digest, "somebody else's words"])
def test_the_digest_is_the_comment_of_the_table(comment: str) -> None:
    value = comment.encode() + b"\0"
    data = bytes(4) + attribute(1, b"ours\0") + attribute(6, bytes([0, len(value)]) + value)
    assert digest_in(Frame(0x0A00, 0, 1, data)) == (comment if comment == Program().digest else None)


def test_what_a_table_asks_of_a_device() -> None:
    table = L2Table.of({(1, 0): (0x4, 6), (2, 0): (0xF, None)})
    marked = Marked.by(table, 200)
    assert (marked.pcps, marked.traffic_classes) == ((0, 2, 7, 3, 4, 5, 6, 7), (0, 6, 2, 3, 4, 5, 6, 7))
    assert Marked.by(table, None).traffic_classes == ()


def test_what_a_device_shows_of_ours() -> None:
    first, second = Priorities(), Priorities(bank=1)
    vlan = [{"from": first.of(1), "to": 2}, {"from": 3, "to": 5}, {"from": second.of(1), "to": 6}]
    assert Marked.seen(second, vlan, {}) == Marked((0, 6, 0, 0, 0, 0, 0, 0))
    assert Marked.seen(first, vlan, {}) == Marked((0, 2, 0, 0, 0, 0, 0, 0))
    filters = {cos: (200, cos) for cos in range(8)}
    assert Marked.seen(first, vlan, filters) == Marked((0, 2, 0, 0, 0, 0, 0, 0), tuple(range(8)), 200)
