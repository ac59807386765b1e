"""Tokens, quotes, abbreviations, and what a report must not repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap.staros.text import Refusal, Tokens, complete, discreet, find_by_words, quote, tokenize

LINES = [
    ("", []),
    ("   \t ", []),
    ("# a comment", []),
    ("  #exit", ["#exit"]),
    ("#EXIT", ["#EXIT"]),
    ("#exited", []),
    ("dscp 0x28\r", ["dscp", "0x28"]),
    ("\tmatch  address\tfoo0  ", ["match", "address", "foo0"]),
    ('description "to the core"', ["description", "to the core"]),
    ('description "a \\"b\\" \\\\ c"', ["description", 'a "b" \\ c']),
    ('description ""', ["description", ""]),
    ('key a"b"c', ["key", 'a"b"c']),
    ("key \\x", ["key", "\\x"]),
    ("key #x", ["key", "#x"]),
]


@pytest.mark.parametrize(("line", "tokens"), LINES)
def test_tokens(line: str, tokens: list[str]) -> None:
    assert tokenize(line) == tokens


@pytest.mark.parametrize("line", ['description "a b', 'description "a"b', 'description "a\\"'])
def test_a_quote_without_its_counterpart_is_refused(line: str) -> None:
    with pytest.raises(Refusal, match="double quote"):
        tokenize(line)


@given(st.text(max_size=20))
def test_a_quoted_value_is_one_token_again(value: str) -> None:
    token = quote(value)
    if token is None:
        assert "\n" in value or "\r" in value
    else:
        assert tokenize(f"x {token}") == ["x", value]


COMPLETIONS = [
    ("max-retransmission", ["max-retransmissions", "max-childsa"], ["max-retransmissions"]),
    ("max", ["max-retransmissions", "max-childsa"], ["max-childsa", "max-retransmissions"]),
    ("REKEY", ["rekey", "rekey-rate"], ["rekey"]),
    ("ip", ["ip", "ipv6"], ["ip"]),
    ("ipv", ["ip", "ipv6"], ["ipv6"]),
    ("1", ["1", "14"], ["1"]),
    ("x", ["ip"], []),
    ("", ["ip"], []),
]


@pytest.mark.parametrize(("token", "words", "found"), COMPLETIONS)
def test_completion(token: str, words: list[str], found: list[str]) -> None:
    assert complete(token, words) == found


WORDS = [(("ocsp",), 1), (("ocsp", "nonce"), 2), (("ocsp", "responder-address"), 3)]


@pytest.mark.parametrize(("line", "found", "read"), [("ocsp", 1, 1), ("ocsp n", 2, 2), ("oc res 192.0.2.1", 3, 2)])
def test_the_longest_words_win(line: str, found: int, read: int) -> None:
    tokens = Tokens(line.split())
    assert find_by_words(tokens, WORDS, "unknown") == [found]
    assert tokens.at == read


SECRETS = [
    ("authentication local pre-shared-key key foo0key", "authentication local pre-shared-key key <hidden>"),
    ("auth loc pre enc key E", "auth loc pre <hidden> key <hidden>"),
    ("  set session-key inbound esp 256 cipher 0011", "set session-key inbound esp <hidden> cipher <hidden>"),
    ("password x", "password <hidden>"),
    ("secret x y", "secret <hidden> <hidden>"),
    ("set peer  192.0.2.1", "set peer 192.0.2.1"),
    ("keepalive interval 5", "keepalive interval 5"),
]


@pytest.mark.parametrize(("line", "shown"), SECRETS)
def test_a_report_hides_what_could_be_a_key(line: str, shown: str) -> None:
    assert discreet(line) == shown
