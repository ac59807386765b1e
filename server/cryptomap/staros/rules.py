"""Rules in an access list. StarOS knows a rule by its whole text, so the same text is the same rule, ``no`` takes the
text of the rule to remove, and the names that YANG wants are made up here: ``rule-1``, ``rule-2`` ..."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.data.xml import Sealer
from cryptomap.staros.draft import Draft
from cryptomap.staros.grammar import Deed, Mode, Source, Undo, Written
from cryptomap.staros.paths import entries_at, text_at
from cryptomap.staros.rule_lines import LEAFS, Fields, one_of, read_rule, rule_text
from cryptomap.staros.text import Refusal, Tokens

__all__ = ["Placement", "Rule"]

RULES = "rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """``permit ...`` or ``deny ...``: a rule after those that are there, or where ``before``/``after`` has pointed."""

    words: str  # the action

    @property
    def undo(self) -> str:
        return ""

    @property
    def mode(self) -> Mode | None:
        return None

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        fields = read_rule(self.words, tokens, _family(draft))
        if _find(draft, fields) is not None:
            return Deed(lambda: draft, ("the access list has this rule already",))
        return Deed(lambda: _add(draft, fields))

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        if verb != "no":
            raise Refusal(f"a rule has no '{verb}' form")
        fields = read_rule(self.words, tokens, _family(draft))

        def undo() -> bool:
            position = _find(draft, fields)
            if position is None:
                return False
            entries = draft.entries(RULES)
            del entries.items[list(entries.items)[position]]
            return True

        return undo

    def write(self, source: Source) -> Iterator[Written]:
        """All rules of the list are written by its ``permit``, because their order counts."""
        if self.words != "permit":
            return
        family = text_at(source.node, "family") or "ipv4"
        spoken: set[str] = set()
        for rule in entries_at(source.node, RULES).nodes():
            text = rule_text(rule, family)
            if text is not None and text not in spoken:
                spoken.add(text)
                _say(source.below(rule), position=len(spoken))
                yield Written(text)


def _say(source: Source, position: int) -> None:
    source.said.node(source.node)
    for path in LEAFS:
        operator_alone = path.endswith("/operator") and source.explicit(path.replace("operator", "port")) is None
        if not operator_alone:
            source.say(path)
    if source.explicit("name") == f"rule-{position}":
        source.say("name")


@dataclass(frozen=True, slots=True)
class Placement:
    """``before RULE`` or ``after RULE``: the next rules go there. Without an exact match nothing changes."""

    words: str

    @property
    def undo(self) -> str:
        return ""

    @property
    def mode(self) -> Mode | None:
        return None

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        action = one_of(tokens, ("permit", "deny"), "the action of a rule")
        position = _find(draft, read_rule(action, tokens, _family(draft)))
        if position is None:
            return Deed(lambda: draft, ("no rule is exactly this: the place of the next one stays as it was",))
        at = position if self.words == "before" else position + 1

        def do() -> Draft:
            draft.insertion = at
            return draft

        return Deed(do)

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        raise Refusal(f"'{self.words}' has no '{verb}' form")

    def write(self, source: Source) -> Iterator[Written]:
        return iter(())


def _family(draft: Draft) -> str:
    return str(draft.effective("family"))


def _find(draft: Draft, fields: Fields) -> int | None:
    """The position of the rule whose text is the same."""
    family = _family(draft)
    entries = draft.entries(RULES)
    wanted = rule_text(_filled(Draft(entries.schema), fields).entry(), family)
    for position, (_, entry) in enumerate(entries.drafts()):
        if rule_text(entry.entry(), family) == wanted:
            return position
    return None


def _add(draft: Draft, fields: Fields) -> Draft:
    entries = draft.entries(RULES)
    number = len(entries.items) + 1
    while f"rule-{number}" in entries.items:
        number += 1
    name = f"rule-{number}"
    _filled(entries.create(name, {"name": name}), fields)
    if draft.insertion is not None:
        entries.move(name, draft.insertion)
        draft.insertion += 1
    return draft


def _filled(entry: Draft, fields: Fields) -> Draft:
    for path, value in fields.items():
        entry.set(path, value)
    return entry
