"""The normative decision table of the seed, row by row, and its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.intent import L2Marking, L2Table
from cryptomap_backend.marking import DscpSource, TableLevel, decapsulated_tos, decide_dscp, decide_l2

NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("inner_tos", "sa_dscp", "outer_tos", "source"),
    [
        (0x00, None, 0x00, DscpSource.NONE),
        (0x00, 0x28, 0xA0, DscpSource.CRYPTO_MAP),
        (0x00, 0x00, 0x00, DscpSource.CRYPTO_MAP),
        (0xB8, None, 0xB8, DscpSource.APPLICATION),
        (0xB8, 0x28, 0xB8, DscpSource.APPLICATION),
        # ECN is not marking: a capable packet with DSCP 0 takes the SA's DSCP and keeps its ECN.
        (0x02, 0x28, 0xA2, DscpSource.CRYPTO_MAP),
        (0x03, None, 0x03, DscpSource.NONE),
        (0xB9, 0x28, 0xB9, DscpSource.APPLICATION),
    ],
)
def test_application_first_then_the_crypto_map_then_nothing(
    inner_tos: int, sa_dscp: int | None, outer_tos: int, source: DscpSource
) -> None:
    decision = decide_dscp(inner_tos, sa_dscp)
    assert (decision.tos, decision.source) == (outer_tos, source)


@given(st.integers(0, 255), st.none() | st.integers(0, 63))
def test_every_outer_byte_is_the_inner_ecn_and_one_of_the_two_dscps(inner_tos: int, sa_dscp: int | None) -> None:
    decision = decide_dscp(inner_tos, sa_dscp)
    assert decision.ecn == inner_tos % 4
    assert decision.dscp == (inner_tos // 4 or sa_dscp or 0)
    assert decision.tos == decision.dscp * 4 + decision.ecn


@pytest.mark.parametrize(
    ("inner", "outer", "arriving"),
    [
        (NOT_ECT, NOT_ECT, NOT_ECT),
        (NOT_ECT, ECT0, NOT_ECT),
        (NOT_ECT, ECT1, NOT_ECT),
        (ECT0, NOT_ECT, ECT0),
        (ECT0, ECT1, ECT1),
        (ECT0, CE, CE),
        (ECT1, ECT0, ECT1),
        (ECT1, CE, CE),
        (CE, NOT_ECT, CE),
        (CE, ECT0, CE),
    ],
)
def test_ecn_is_combined_at_the_end_of_the_tunnel(inner: int, outer: int, arriving: int) -> None:
    assert decapsulated_tos(0xA0 | inner, 0x48 | outer) == 0xA0 | arriving


def test_congestion_on_a_packet_that_cannot_carry_it_drops_the_packet() -> None:
    assert decapsulated_tos(0xA0 | NOT_ECT, CE) is None


TABLE = L2Table.of({(1, 0): (0x4, 6)})


def seed_maps(**changes: object) -> L2Marking:
    values: dict[str, object] = {
        "dscp_to_cos": tuple(1 if dscp == 0x28 else 0 for dscp in range(64)),
        "tables": {"l2Marktable": TABLE},
        "contexts": {"ipsec-s": "l2Marktable"},
    }
    return L2Marking(**{**values, **changes})  # type: ignore[arg-type]


def test_the_seeds_sample_in_an_associated_context() -> None:
    decision = decide_l2(seed_maps(), 0x28, "ipsec-s")
    assert (decision.cos, decision.table, decision.level) == (1, "l2Marktable", TableLevel.CONTEXT)
    assert (decision.dot1p, decision.pcp, decision.dei, decision.mpls_tc) == (0x4, 2, 0, 6)


def test_a_context_without_association_takes_system_default() -> None:
    decision = decide_l2(seed_maps(), 0x28, "ipsec-d")
    assert (decision.table, decision.level) == ("system-default", TableLevel.SYSTEM_DEFAULT)
    assert (decision.dot1p, decision.mpls_tc) == (0x2, 1)


def test_the_vrf_beats_the_context_even_with_an_explicit_system_default() -> None:
    explicit = seed_maps(vrfs={("ipsec-s", "red"): None})
    assert decide_l2(explicit, 0x28, "ipsec-s", "red").level is TableLevel.VRF
    assert decide_l2(explicit, 0x28, "ipsec-s", "red").dot1p == 0x2
    assert decide_l2(explicit, 0x28, "ipsec-s", "blue").dot1p == 0x4


def test_colour_selects_another_cell() -> None:
    assert decide_l2(seed_maps(), 0x28, "ipsec-s", color=1).dot1p == 0x2


def test_the_nibble_ends_in_dei() -> None:
    odd = seed_maps(tables={"l2Marktable": L2Table.of({(1, 0): (0x5, None)})})
    decision = decide_l2(odd, 0x28, "ipsec-s")
    assert (decision.pcp, decision.dei, decision.mpls_tc) == (2, 1, 1)


def test_a_new_table_starts_from_twice_the_cos_and_the_cos() -> None:
    assert [L2Table().cell(cos, color) for cos in range(8) for color in range(4)] == [
        (2 * cos, cos) for cos in range(8) for _ in range(4)
    ]
