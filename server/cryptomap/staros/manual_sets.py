"""``crypto ipsec transform-set NAME [ah hmac ALGORITHM] [esp hmac ALGORITHM cipher ALGORITHM]``: the transform sets of
manual crypto maps, the only ones that can be AH.

StarOS keeps them apart from those of ``ipsec transform-set``; YANG has one list. A set of ESP is therefore written both
ways when a manual map uses it: the block says all of it, this line is what StarOS wants for the map. Read back, a line
that agrees with the block adds nothing; one that does not is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.data.tree import Node, key_from_text
from cryptomap.data.xml import Sealer
from cryptomap.schema.nodes import ListNode
from cryptomap.staros.arguments import Value
from cryptomap.staros.draft import Draft
from cryptomap.staros.forms import PLAIN, Plain
from cryptomap.staros.grammar import Deed, Found, Mode, Source, Undo, Written
from cryptomap.staros.paths import entries_at, explicit, leaf_schema, list_schema, text_at, values_at
from cryptomap.staros.statements import Command
from cryptomap.staros.text import Refusal, Tokens

__all__ = ["IPSEC_SETS", "SETS", "ManualSet", "SharedMode"]

SETS = "cryptomap-ipsec:ipsec-transform-set"
MAPS = "cryptomap-ipsec:crypto-map"
USES = "manual/transform-set"
CRYPTO_IPSEC_SETS = "crypto ipsec transform-set"
IPSEC_SETS = "ipsec transform-set"

NULL = "cryptomap-types:null"
DEFAULT_HMAC = "cryptomap-types:sha1-96"

_MODE = Command("mode", (Value("mode"),))
_HMAC = Plain(spelling={"null": "none"}, also={"null": "null"})


@dataclass(frozen=True, slots=True)
class ManualSet:
    """The statement. ``mode`` holds the commands of its block."""

    mode: Mode
    words: str = CRYPTO_IPSEC_SETS
    undo: str = ""

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        found = Found(list_schema(draft.schema, SETS), seal)
        found.values["name"] = name = found.read("name", tokens.take("<name>"), position=tokens.at)
        _read_protocol(tokens, found)
        old = draft.entries(SETS).draft(name)
        if old is not None:
            _agree(old, found)
        return Deed(lambda: old or _create(draft, name, found))

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        if verb != "no":
            raise Refusal("'default' is for settings; remove it with 'no'")
        name = tokens.take("<name>")
        if not tokens.is_done:
            raise Refusal(f"'{tokens.peek()}' is not expected here", tokens.at)
        return lambda: draft.entries(SETS).items.pop(name, None) is not None

    def write(self, source: Source) -> Iterator[Written]:
        used = {name for entry in entries_at(source.node, MAPS).nodes() for name in values_at(entry, USES)}
        for entry in entries_at(source.node, SETS).nodes():
            is_ah = text_at(entry, "protocol") == "ah"
            if is_ah or text_at(entry, "name") in used:
                yield from self._lines(source.below(entry), is_ah)

    def _lines(self, source: Source, is_ah: bool) -> Iterator[Written]:
        schema = source.node.schema
        name, cipher = source.token("name"), source.token("encryption")
        hmac = _HMAC.write(leaf_schema(schema, "hmac"), hmac_in_use(source.node))
        if hmac is None or (cipher is None and not is_ah):
            return
        if is_ah:
            source.said.node(source.node)
            for path in ("name", "protocol", "hmac"):
                source.say(path)
        tail = f"ah hmac {hmac}" if is_ah else f"esp hmac {hmac} cipher {cipher}"
        yield Written(f"{self.words} {name} {tail}", self.mode, source)


@dataclass(frozen=True, slots=True)
class SharedMode:
    """``mode`` in the block of a manual set. It changes no set that ``ipsec transform-set`` has made."""

    @property
    def words(self) -> str:
        return _MODE.words

    @property
    def undo(self) -> str:
        return _MODE.undo

    @property
    def mode(self) -> Mode | None:
        return None

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        deed = _MODE.parse(tokens.copy(), draft, seal)
        if draft.made_by != IPSEC_SETS:
            return deed
        mode = Found(draft.schema).read("mode", tokens.take("<mode>"))
        if mode != draft.effective("mode"):
            raise Refusal("a transform set of that name is here already, with another mode")
        return Deed(lambda: draft)

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        if draft.made_by == IPSEC_SETS:
            raise Refusal("the set was made by 'ipsec transform-set': change its mode there")
        return _MODE.parse_undo(tokens, draft, verb)

    def write(self, source: Source) -> Iterator[Written]:
        return _MODE.write(source)


def hmac_in_use(entry: Node) -> str:
    """The integrity algorithm of a set: what is set, else null for ESP with a combined-mode cipher, else sha1-96."""
    configured = explicit(entry, "hmac")
    if isinstance(configured, str):
        return configured
    is_combined = text_at(entry, "protocol") != "ah" and "gcm" in (text_at(entry, "encryption") or "")
    return NULL if is_combined else DEFAULT_HMAC


def _read_protocol(tokens: Tokens, found: Found) -> None:
    for protocol in ("ah", "esp"):
        if tokens.is_done or not tokens.skip(protocol):
            continue
        if "protocol" in found.values:
            raise Refusal("AH and ESP in one transform set is not supported here: make one of each", tokens.at)
        found.values["protocol"] = found.read("protocol", protocol, position=tokens.at)
        tokens.expect("hmac")
        found.values["hmac"] = found.read("hmac", tokens.take("an algorithm"), _HMAC, tokens.at)
        if protocol == "esp":
            tokens.expect("cipher")
            found.values["encryption"] = found.read("encryption", tokens.take("a cipher"), PLAIN, tokens.at)
    if not tokens.is_done:
        raise Refusal(f"'{tokens.peek()}' is not expected here", tokens.at)


def _agree(old: Draft, found: Found) -> None:
    """Refuse a line that says something else than the set of that name which is there."""
    entry = old.entry()
    in_use = {"protocol": text_at(entry, "protocol"), "encryption": text_at(entry, "encryption")}
    in_use["hmac"] = hmac_in_use(entry)
    for path, value in found.values.items():
        if path in in_use and in_use[path] != value:
            raise Refusal(f"a transform set of that name is here already, with another {path}")


def _create(draft: Draft, name: str, found: Found) -> Draft:
    schema = list_schema(draft.schema, SETS)
    assert isinstance(schema, ListNode)
    entry = draft.entries(SETS).create(key_from_text(schema, (name,)), {"name": name})
    for path, value in found.values.items():
        if path not in ("name", "protocol") or value == "ah":
            entry.set(path, value)
    entry.made_by = CRYPTO_IPSEC_SETS
    return entry
