"""A line and its words. Blanks separate words, double quotes keep one together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptomap.shell.faults import Fault
from cryptomap.staros.text import Refusal, complete, listed, tokenize

__all__ = ["Typed", "choose", "split", "typed"]


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands before the cursor: whole words, and the beginning of the one under it, perhaps nothing."""

    words: tuple[str, ...]
    last: str


def split(line: str) -> tuple[str, ...]:
    """The words of a whole line. Raises Fault for a quote that does not end."""
    try:
        return tuple(tokenize(line))
    except Refusal as refusal:
        raise Fault(refusal.reason) from None


def typed(text: str) -> Typed:
    """The text before the cursor. An open quote is part of the last word."""
    head, quote, tail = text.rpartition('"')
    if quote and text.count('"') % 2:
        return Typed(split(head), tail)
    words = split(text)
    if not words or text[-1:].isspace():
        return Typed(words, "")
    return Typed(words[:-1], words[-1])


def choose(word: str, known: Iterable[str], what: str) -> str:
    """The one of the known words that is meant, which may be cut short as long as it is unique. Raises Fault."""
    known = list(known)
    if word in known:
        return word
    found = complete(word, known)
    if len(found) == 1:
        return found[0]
    if found:
        raise Fault(f"'{word}' can be {listed(found)}: write more of it")
    hint = f": there are {listed(sorted(known))}" if 0 < len(known) <= SHORT_LIST else ""
    raise Fault(f"there is no {what} '{word}'{hint}")


SHORT_LIST = 12
"""As many words are told to who has typed a wrong one."""
