"""Numbers, texts, names and octets: canonical forms and restrictions (RFC 7950 section 9)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap.schema.nodes import Leaf, Schema
from cryptomap.schema.types import INTEGER_BOUNDS, Decimal64Type, IntegerType, Type, TypeFault

Compile = Callable[..., Schema]
TypeOf = Callable[[str], Type]


@pytest.fixture
def type_of(compiled: Compile) -> TypeOf:
    """The compiled form of a type statement, with the typedefs of this file in scope."""
    typedefs = """
      typedef port { type uint16 { range "1 .. 1023 | 5000 | 8000..max" {
        error-message "no such port"; error-app-tag "bad-port"; } } }
      typedef low-port { type port { range "min..80"; } }
      typedef word { type string { length "2..8"; pattern "[a-z]*" { error-message "lower case, please"; } } }
      typedef level { type enumeration { enum low { value -5; } enum mid; enum high { value 10; } enum top; } }
      typedef flags { type bits { bit b { position 3; } bit a { position 1; } bit c; } }
    """

    def build(statement: str) -> Type:
        leaf = compiled(t=f"{typedefs} leaf x {{ {statement} }}").find("/t:x")
        assert isinstance(leaf, Leaf)
        return leaf.type

    return build


CANONICAL = [
    ("type uint8;", "255", "255"),
    ("type uint8;", "+007", "7"),
    ("type int8;", "-0", "0"),
    ("type int8;", " -128\n", "-128"),
    ("type uint64;", "18446744073709551615", "18446744073709551615"),
    ("type port;", "5000", "5000"),
    ("type low-port;", "1", "1"),
    ("type decimal64 { fraction-digits 2; }", "1", "1.0"),
    ("type decimal64 { fraction-digits 2; }", "-00.50", "-0.5"),
    ("type decimal64 { fraction-digits 2; }", "-0.00", "0.0"),
    ("type decimal64 { fraction-digits 18; }", "9.223372036854775807", "9.223372036854775807"),
    ("type decimal64 { fraction-digits 2; range '-1.5..2 | 3'; }", "-1.50", "-1.5"),
    ("type string;", "  as it is ", "  as it is "),
    ("type string { length 2; }", "\U0001f511\u00e9", "\U0001f511\u00e9"),
    ("type word;", "abc", "abc"),
    ("type string { pattern 'a.*' { modifier invert-match; } }", "bcd", "bcd"),
    ("type boolean;", "true", "true"),
    ("type empty;", "", ""),
    ("type level;", "mid", "mid"),
    ("type bits { bit a; bit b; }", "", ""),
    ("type flags;", "c  b\ta", "a b c"),
    ("type binary;", "aGVs\n  bG8=", "aGVsbG8="),
    ("type binary { length 5; }", "aGVsbG8=", "aGVsbG8="),
]


@pytest.mark.parametrize(("statement", "text", "canonical"), CANONICAL)
def test_canonical_form(type_of: TypeOf, statement: str, text: str, canonical: str) -> None:
    kind = type_of(statement)
    assert kind.parse(text) == canonical
    assert kind.parse(text) == canonical  # from memory
    assert kind.parse(canonical) == canonical


REFUSED = [
    ("type uint8;", "256", "not in the range 0..255"),
    ("type uint8;", "-1", "not in the range"),
    ("type uint8;", "0x10", "not an integer"),
    ("type uint8;", "1_0", "not an integer"),
    ("type uint8;", "\u0663", "not an integer"),
    ("type uint8;", "", "not an integer"),
    ("type uint8;", "9" * 5000, "not an integer in the range"),
    ("type port;", "2000", "no such port"),
    ("type low-port;", "81", "not in the range min..80"),
    ("type decimal64 { fraction-digits 2; }", "1.234", "2 fraction digits"),
    ("type decimal64 { fraction-digits 2; }", "1.", "not a decimal"),
    ("type decimal64 { fraction-digits 2; }", ".5", "not a decimal"),
    ("type decimal64 { fraction-digits 2; }", "92233720368547758.08", "not in the range"),
    ("type decimal64 { fraction-digits 2; range '-1.5..2 | 3'; }", "2.01", "not in the range -1.5..2 | 3"),
    ("type string { length '1..3'; }", "four", "has 4 characters, allowed are 1..3"),
    ("type string;", "bell\x07", "YANG strings exclude"),
    ("type string;", "\ufffe", "YANG strings exclude"),
    ("type word;", "a", "has 1 characters"),
    ("type word;", "abC", "lower case, please"),
    ("type word { pattern '.*z'; }", "abc", "does not match the pattern .*z"),
    ("type string { pattern 'ab'; }", "ab\n", "does not match"),
    ("type string { pattern 'a.*' { modifier invert-match; } }", "abc", "matches the excluded pattern"),
    ("type boolean;", "1", "neither 'true' nor 'false'"),
    ("type empty;", "x", "type empty"),
    ("type level;", "none", "not one of low, mid, high, top"),
    ("type level;", " low", "not one of"),
    ("type level { enum low; enum top; }", "mid", "not one of low, top"),
    ("type flags;", "a d", "'d' is not a bit"),
    ("type flags;", "a a", "names a bit twice"),
    ("type binary;", "aGVsbG8", "not base64"),
    ("type binary;", "a*==", "not base64"),
    ("type binary;", "\u00e9", "not base64"),
    ("type binary { length '1..4'; }", "aGVsbG8=", "has 5 octets, allowed are 1..4"),
]


@pytest.mark.parametrize(("statement", "text", "why"), REFUSED)
def test_refused(type_of: TypeOf, statement: str, text: str, why: str) -> None:
    with pytest.raises(TypeFault, match=why.replace("|", r"\|").replace("*", r"\*")):
        type_of(statement).parse(text)


def test_fault_carries_the_modules_app_tag(type_of: TypeOf) -> None:
    with pytest.raises(TypeFault) as caught:
        type_of("type port;").parse("0")
    assert (caught.value.message, caught.value.app_tag) == ("no such port", "bad-port")


def test_a_long_value_is_not_quoted_in_full(type_of: TypeOf) -> None:
    with pytest.raises(TypeFault) as caught:
        type_of("type boolean;").parse("x" * 1_000_000)
    assert len(caught.value.message) < 200


def test_enum_numbers_follow_the_highest_before(type_of: TypeOf) -> None:
    assert type_of("type level;").values == {"low": -5, "mid": -4, "high": 10, "top": 11}  # type: ignore[attr-defined]


def test_a_restricted_enumeration_keeps_its_numbers(type_of: TypeOf) -> None:
    kind = type_of("type level { enum top; enum mid; }")
    assert kind.values == {"mid": -4, "top": 11}  # type: ignore[attr-defined]


def test_restricted_bits_keep_their_positions(type_of: TypeOf) -> None:
    kind = type_of("type flags { bit c; bit a; }")
    assert kind.positions == {"a": 1, "c": 4}  # type: ignore[attr-defined]
    assert kind.parse("c a") == "a c"


@pytest.mark.parametrize(("text", "value"), [("0x1F", "31"), ("-017", "-15"), ("+12", "12"), ("0", "0")])
def test_numbers_in_modules_may_be_hexadecimal_or_octal(text: str, value: str) -> None:
    assert IntegerType("int16").parse_default(text) == value


@pytest.mark.parametrize("base", sorted(INTEGER_BOUNDS))
def test_integers_up_to_their_bounds(base: str) -> None:
    kind = IntegerType(base)
    low, high = INTEGER_BOUNDS[base]
    assert [kind.parse(str(low)), kind.parse(str(high))] == [str(low), str(high)]
    for outside in (low - 1, high + 1):
        with pytest.raises(TypeFault):
            kind.parse(str(outside))


def test_only_integers_sort_by_number(type_of: TypeOf) -> None:
    assert type_of("type int8;").sort_key("-7") == -7
    assert type_of("type string;").sort_key("10") == "10"


def test_a_discreet_type_neither_quotes_nor_remembers(type_of: TypeOf) -> None:
    statement = "type union { type string { length 1..3; } type string { pattern 'x+'; } type uint8; type boolean; }"
    kind = type_of(statement).discreet()
    with pytest.raises(TypeFault) as caught:
        kind.parse("s3cret!")
    assert "s3cret" not in caught.value.message
    kind.parse("abc")
    assert "abc" not in repr(kind.__dict__)
    assert all("abc" not in repr(member.__dict__) for member in kind.members)  # type: ignore[attr-defined]


@given(st.decimals(min_value=-92233720368547, max_value=92233720368547, places=5))
def test_decimals_keep_their_number(number: Decimal) -> None:
    canonical = Decimal64Type(5).parse(f"{number:f}")
    assert Decimal(canonical) == number
    whole, fraction = canonical.lstrip("-").split(".")
    assert whole == "0" or not whole.startswith("0")
    assert fraction == "0" or not fraction.endswith("0")


@given(st.binary(max_size=64))
def test_binary_keeps_its_octets(octets: bytes) -> None:
    from cryptomap.schema.types import BinaryType

    assert base64.b64decode(BinaryType().parse(base64.encodebytes(octets).decode())) == octets
