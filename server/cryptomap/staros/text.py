"""Lines of StarOS text: tokens, quotes, abbreviated keywords, and what must not be repeated in a message.

A token is a run of characters without blanks, or anything in double quotes; inside quotes ``\\"`` and ``\\\\`` stand
for the character itself. Keywords are case-insensitive and may be cut short as long as they stay unique; everything
else is taken as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = [
    "Refusal",
    "Tokens",
    "complete",
    "conceal",
    "discreet",
    "find_by_words",
    "is_short_for",
    "listed",
    "quote",
    "tokenize",
]

T = TypeVar("T")

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(?=[ \t]|$)|([^" \t][^ \t]*)')
_BLANKS = re.compile(r"[ \t]*")
_ESCAPED = re.compile(r'\\(["\\])')
_NEEDS_QUOTES = re.compile(r'^$|^"|\s')
_COMMENT = re.compile(r"\s*(#(?!exit\b)|$)", re.IGNORECASE)
_SECRETS_FOLLOW = ("pre-shared-key", "preshared-key", "session-key", "key", "secret", "password")
_NO_SECRETS = frozenset({"key", "encrypted", "inbound", "outbound", "esp", "ah", "cipher", "authenticator"})
SHORTEST_KEYWORD = 2
HIDDEN = "<hidden>"


class Refusal(Exception):
    """A line, or a part of it, is not taken. ``reason`` is for the operator; ``position`` is the token it is about."""

    def __init__(self, reason: str, position: int = 0, expected: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position
        self.expected = tuple(expected)


class Tokens:
    """The tokens of a line and how far they have been read."""

    def __init__(self, items: Sequence[str], at: int = 0) -> None:
        self.items = items
        self.at = at

    def copy(self) -> Tokens:
        return Tokens(self.items, self.at)

    @property
    def is_done(self) -> bool:
        return self.at >= len(self.items)

    def peek(self) -> str | None:
        return None if self.is_done else self.items[self.at]

    def take(self, what: str) -> str:
        """The next token. Raises Refusal if the line ends before ``what``."""
        if self.is_done:
            raise Refusal(f"the line ends where {what} is expected", self.at)
        self.at += 1
        return self.items[self.at - 1]

    def skip(self, words: str) -> bool:
        """Read these keywords, possibly abbreviated, if they stand here."""
        at = self.at
        for word in words.split():
            token = self.peek()
            if token is None or not is_short_for(token, word):
                self.at = at
                return False
            self.at += 1
        return True

    def expect(self, words: str) -> None:
        """Read these keywords. Raises Refusal if they do not stand here."""
        for word in words.split():
            token = self.peek()
            if token is None or not is_short_for(token, word):
                found = "the line ends" if token is None else f"'{token}' stands"
                raise Refusal(f"{found} where '{word}' is expected", self.at, (word,))
            self.at += 1


def is_short_for(token: str, word: str) -> bool:
    return token != "" and word.lower().startswith(token.lower())


def complete(token: str, words: Iterable[str]) -> list[str]:
    """The keywords a token can stand for: the one that it is, else all that it begins. Sorted."""
    short = token.lower()
    known = {word for word in words if word.lower().startswith(short)} if short else set()
    return sorted({word for word in known if word.lower() == short} or known)


def find_by_words(tokens: Tokens, named: Iterable[tuple[tuple[str, ...], T]], unknown: str) -> list[T]:
    """The things whose words (possibly abbreviated) the tokens begin with, the longest ones; ``tokens`` is then behind
    these words. Raises Refusal, with the reason ``unknown`` if not even the first token fits."""
    rivals = list(named)
    depth = 0
    while True:
        token = tokens.peek()
        following = [words[depth] for words, _ in rivals if len(words) > depth]
        whole = [thing for words, thing in rivals if len(words) == depth]
        matches = [] if token is None else complete(token, following)
        if len(matches) > 1:
            raise Refusal(f"'{token}' can be {listed(matches)}: write more of it", tokens.at)
        if not matches:
            if whole:
                return whole
            raise Refusal(_unexpected(token, following) if depth else unknown, tokens.at)
        rivals = [(words, thing) for words, thing in rivals if len(words) > depth and words[depth] == matches[0]]
        tokens.at += 1
        depth += 1


def _unexpected(token: str | None, following: Iterable[str]) -> str:
    expected = listed(sorted(following))
    if token is None:
        return f"the line ends where {expected} is expected"
    return f"'{token}' is not expected here; {expected} could follow"


def listed(words: Iterable[str]) -> str:
    """Words for a message: "a, b or c"."""
    *others, last = list(dict.fromkeys(words))
    return f"{', '.join(others)} or {last}" if others else last


def tokenize(line: str) -> list[str]:
    """The tokens of a line; none for a blank line or a comment (``#``, but not ``#exit``). Raises Refusal for a quote
    that does not end."""
    if _COMMENT.match(line):
        return []
    tokens: list[str] = []
    at = 0
    text = line.rstrip()
    while True:
        blanks = _BLANKS.match(text, at)
        at = at if blanks is None else blanks.end()
        if at >= len(text):
            return tokens
        match = _TOKEN.match(text, at)
        if match is None:
            raise Refusal("a double quote has no counterpart", len(tokens))
        tokens.append(match[2] if match[1] is None else _ESCAPED.sub(r"\1", match[1]))
        at = match.end()


def quote(value: str) -> str | None:
    """A value as one token; ``None`` if no line can hold it."""
    if "\n" in value or "\r" in value:
        return None
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def discreet(line: str) -> str:
    """The line with whatever could be a key replaced, so that a report never repeats one."""
    words = line.split()
    hidden = frozenset(_could_be_keys(words))
    return " ".join([HIDDEN if at in hidden else word for at, word in enumerate(words)])


def conceal(reason: str, tokens: Sequence[str]) -> str:
    """A reason why these tokens are refused, without any quoted token that could be a key."""
    for at in _could_be_keys(tokens):
        reason = reason.replace(f"'{tokens[at]}'", f"'{HIDDEN}'")
    return reason


def _could_be_keys(tokens: Sequence[str]) -> Iterator[int]:
    """The positions of all tokens after a word that announces a key, except words that belong to the command."""
    announced = False
    for at, token in enumerate(tokens):
        if announced and token.lower() not in _NO_SECRETS:
            yield at
        announced = announced or any(_announces(token, word) for word in _SECRETS_FOLLOW)


def _announces(token: str, word: str) -> bool:
    return len(token) >= SHORTEST_KEYWORD and is_short_for(token, word)
