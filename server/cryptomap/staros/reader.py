"""From StarOS text to a configuration. Nothing is guessed: every line that is not taken is reported with its number and
the reason, and changes nothing.

A stack of modes says what a line is about; indentation says nothing. ``exit`` and ``#exit`` close one mode, ``end``
closes all of them. A refused line that would have opened a mode takes its whole block with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cryptomap.data.tree import Node
from cryptomap.data.xml import Sealer
from cryptomap.schema.nodes import Schema
from cryptomap.staros.draft import Draft
from cryptomap.staros.grammar import Deed, Mode, Statement
from cryptomap.staros.tables import CONFIGURE
from cryptomap.staros.text import Refusal, Tokens, complete, conceal, discreet, find_by_words, listed, tokenize

__all__ = ["Imported", "Note", "Reject", "import_text"]

LEAVE = ("exit", "#exit")
BEGIN = ("config", "configure")
MOVES = (*LEAVE, *BEGIN, "end")
VERBS = ("no", "default")
EXEC_ONLY = "only 'configure' can follow 'end', or the 'exit' of configure mode"


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was not taken. Whatever in it could be a key is hidden."""

    line_number: int  # from 1
    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a line that was taken."""

    line_number: int
    text: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The configuration that the taken lines make, and what there is to say about the others."""

    root: Node
    rejects: tuple[Reject, ...]
    notes: tuple[Note, ...]


def import_text(schema: Schema, text: str, *, seal: Sealer | None = None, base: Node | None = None) -> Imported:
    """Read StarOS configuration text as if it was typed, on top of ``base`` (nothing by default).

    ``seal`` seals keys as they are read; without it they stay in clear, for a configuration that is sent elsewhere. The
    result is not validated: references may dangle. Never raises for anything in the text."""
    reader = _Reader(Draft(schema.root, base), seal)
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(number, line)
    return Imported(reader.root.entry(), tuple(reader.rejects), tuple(reader.notes))


@dataclass(frozen=True, slots=True)
class _Frame:
    """A mode on the stack. One that is skipped has no mode, and says why its lines are not taken."""

    mode: Mode | None
    draft: Draft
    opened: str
    skipped: str = ""


class _Reader:
    def __init__(self, root: Draft, seal: Sealer | None) -> None:
        self.root = root
        self.seal = seal
        self.rejects: list[Reject] = []
        self.notes: list[Note] = []
        self.stack: list[_Frame] = [_Frame(CONFIGURE, root, "configure")]

    def line(self, number: int, line: str) -> None:
        tokens: list[str] = []
        try:
            tokens = tokenize(line)
            notes = self._take(tokens)
        except Refusal as refusal:
            self.rejects.append(Reject(number, discreet(line), conceal(refusal.reason, tokens)))
        else:
            self.notes += [Note(number, note) for note in notes]

    def _take(self, tokens: list[str]) -> tuple[str, ...]:
        """Do what a line says. The answer is what there is to note about it."""
        if not tokens:
            return ()
        frame = self.stack[-1] if self.stack else None
        first = self._first_word(frame, tokens[0])
        if first in MOVES:
            if len(tokens) > 1:
                raise Refusal(f"nothing can follow '{first}'")
            return self._move(first)
        if frame is None:
            raise Refusal(EXEC_ONLY)
        if frame.mode is None:
            raise Refusal(f"it stands inside '{frame.opened}': {frame.skipped}")
        if first == "do":
            raise Refusal("'do' runs a command; this is not configuration")
        self._skip_foreign(frame.mode, tokens)
        if first in VERBS:
            return self._undo(frame, frame.mode, Tokens(tokens, 1), first)
        return self._statement(frame, frame.mode, Tokens(tokens))

    def _first_word(self, frame: _Frame | None, token: str) -> str:
        """The word of every mode that the token stands for, possibly abbreviated, else the token itself. Raises Refusal
        if it could be a command of the mode as well."""
        own = () if frame is None or frame.mode is None else (*frame.mode.first_words, *VERBS, "do")
        matches = complete(token, (*own, *MOVES) if len(self.stack) < 2 else (*own, *LEAVE, "end"))
        if token.lower() in BEGIN:
            return token.lower()
        if len(matches) > 1:
            raise Refusal(f"'{token}' can be {listed(matches)}: write more of it")
        return matches[0] if matches else token

    # ===== modes =====

    def _move(self, word: str) -> tuple[str, ...]:
        if word in LEAVE:
            if not self.stack:
                raise Refusal("there is no mode to leave")
            self.stack.pop()
            return ()
        inside = self.stack[-1].opened if len(self.stack) > 1 else ""
        self.stack = [] if word == "end" else [_Frame(CONFIGURE, self.root, "configure")]
        return (f"'{word}' inside '{inside}': configuration begins anew",) if inside and word != "end" else ()

    def _skip_foreign(self, mode: Mode, tokens: list[str]) -> None:
        """Raises Refusal, and skips the block, at a command that opens a mode there is nothing for."""
        for pattern, reason in mode.foreign.items():
            words = pattern.split()
            named = len(tokens) >= len(words) and all(map(fnmatchcase, map(str.lower, tokens), words))
            if named and not any(known == (tokens[0].lower(),) for known, _ in mode.named(undo=False)):
                raise self._skip_block(tokens, Refusal(reason))

    def _skip_block(self, tokens: Sequence[str], refusal: Refusal) -> Refusal:
        opened = discreet(" ".join(tokens))
        self.stack.append(
            _Frame(None, self.stack[-1].draft, opened, f"that was not taken ({conceal(refusal.reason, tokens)})")
        )
        return refusal

    # ===== statements =====

    def _statement(self, frame: _Frame, mode: Mode, tokens: Tokens) -> tuple[str, ...]:
        candidates = _by_words(mode, tokens, undo=False)
        try:
            statement, deed = _only_reading(candidates, tokens, frame.draft, self.seal)
        except Refusal as refusal:
            if any(candidate.mode is not None for candidate in candidates):
                raise self._skip_block(tokens.items, refusal) from None
            raise
        draft = deed.do()
        if statement.mode is not None:
            draft.insertion = None
            self.stack.append(_Frame(statement.mode, draft, " ".join(tokens.items)))
        return deed.notes

    def _undo(self, frame: _Frame, mode: Mode, tokens: Tokens, verb: str) -> tuple[str, ...]:
        candidates = _by_words(mode, tokens, undo=True)
        undos = []
        refusals = []
        for candidate in candidates:
            try:
                undos.append(candidate.parse_undo(tokens.copy(), frame.draft, verb))
            except Refusal as refusal:
                refusals.append(refusal)
        if not undos:
            raise _furthest(refusals)
        done = [undo() for undo in undos]
        return () if any(done) else ("there is nothing to remove",)


def _by_words(mode: Mode, tokens: Tokens, *, undo: bool) -> list[Statement]:
    """The statements whose words the line begins with, the longest ones; ``tokens`` is then behind these words."""
    unknown = f"'{tokens.peek()}' is not a command of {mode.name} mode, or not one this server has something for"
    return find_by_words(tokens, mode.named(undo=undo), unknown)


def _only_reading(
    candidates: list[Statement], tokens: Tokens, draft: Draft, seal: Sealer | None
) -> tuple[Statement, Deed]:
    """The one candidate that can read the rest of the line. Raises Refusal if none can, or more than one."""
    readings: list[tuple[Statement, Deed]] = []
    refusals: list[Refusal] = []
    for candidate in candidates:
        try:
            readings.append((candidate, candidate.parse(tokens.copy(), draft, seal)))
        except Refusal as refusal:
            refusals.append(refusal)
    if not readings:
        raise _furthest(refusals)
    if len(readings) > 1:
        raise Refusal("the line can be read in more than one way: write its keywords in full")
    return readings[0]


def _furthest(refusals: list[Refusal]) -> Refusal:
    """The refusal that says most: of those furthest along the line, all keywords that they expected."""
    position = max(refusal.position for refusal in refusals)
    last = [refusal for refusal in refusals if refusal.position == position]
    expected = [word for refusal in last for word in refusal.expected]
    if len(expected) < 2:
        return last[0]
    reason = last[0].reason.replace(f"'{last[0].expected[0]}' is expected", f"{listed(expected)} is expected")
    return Refusal(reason, position)
