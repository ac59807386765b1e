"""Patterns: those that could backtrack run on RE2, and what RE2 says is what ``re`` says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.schema.nodes import InnerNode, Leaf, LeafList
from cryptomap.schema.patterns import PatternFault, is_harmless, linear_matcher, matcher, translated
from cryptomap.schema.types import StringType, Type, UnionType
from support.yang import product_schema

EVIL = ["(a*)*b", "(a|a)*b", "(a|aa)+b", "a*a*a*a*a*a*b", "((a?){9}){9}b", "([a-z]+)+@", "(x+x+)+y", "(.*)*b", "a*a*b"]


@pytest.mark.parametrize("pattern", EVIL)
def test_a_pattern_that_backtracks_answers_for_a_long_text(pattern: str) -> None:
    """With ``re`` this test would not end: 2**50000 ways for the first of them."""
    python = translated(pattern)
    assert not is_harmless(python)
    matches = matcher(python)
    assert not matches("a" * 50_000 + "!")
    assert bool(matches("b")) is (re.fullmatch(pattern, "b") is not None)


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9A-Za-z][0-9A-Za-z._\\-]*",
        "system-default",
        "\\d{4}-\\d{2}",
        "a+",
        "(a|b)c",
        "[^*].*",
        "(ab){3}",
        r"\**",
        "[*+]x",
    ],
)
def test_what_can_only_go_one_way_runs_on_re(pattern: str) -> None:
    assert is_harmless(translated(pattern))


def patterns() -> Iterator[str]:
    """Those of all leafs the server serves by default."""
    found: set[str] = set()

    def of(kind: Type) -> None:
        if isinstance(kind, UnionType):
            for member in kind.members:
                of(member)
        elif isinstance(kind, StringType):
            found.update(pattern.python for pattern in kind.patterns)

    def walk(node: InnerNode) -> None:
        for child in node.children:
            if isinstance(child, Leaf | LeafList):
                of(child.type)
            elif isinstance(child, InnerNode):
                walk(child)

    walk(product_schema().root)
    yield from sorted(found)


def test_re2_takes_each_pattern_we_serve() -> None:
    assert len([linear_matcher(python) for python in patterns()]) > 15


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_re2_says_what_re_says(data: st.DataObject) -> None:
    python = data.draw(st.sampled_from(list(patterns())))
    text = data.draw(
        st.from_regex(python) | st.text(max_size=12) | st.sampled_from(["10.0.0.1%é", "2001:db8::1", "a\n", "1\u0660"])
    )
    assert bool(linear_matcher(python)(text)) is (re.fullmatch(python, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        (r"\d", "7\u0667", "a\u00b2"),
        (r"\w", "a\u00e9+", "_ -"),
        (r"\s", " \t\n", "\u00a0\x0b"),
        (r"\W", "_-", "a"),
        (r"\D", "a", "7"),
    ],
)
def test_classes_are_those_of_xsd(pattern: str, accepted: str, refused: str) -> None:
    python = translated(pattern)
    for matches in (re.compile(python).fullmatch, linear_matcher(python)):
        assert all(matches(character) for character in accepted)
        assert not any(matches(character) for character in refused)


def test_half_a_character_is_not_met_in_an_encoding_of_its_own() -> None:
    assert not linear_matcher(translated("([a-z]*)*"))("\ud800")


def test_what_is_too_large_for_re2_runs_on_re_if_a_module_says_so(caplog: pytest.LogCaptureFixture) -> None:
    python = translated("([a-z]{1,2000}x?)+")
    with pytest.raises(PatternFault, match="repetition"):
        linear_matcher(python)
    assert matcher(python)("abc")
    assert "may take long to check" in caplog.text


@pytest.mark.parametrize("text", ["[", "(", "a{2,1}", "\\p{Nope}", "[z-a]", "(" * 5000])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternFault):
        translated(text)
